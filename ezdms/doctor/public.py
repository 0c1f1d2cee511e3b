"""The public address, from outside as far as that can be from here: what `ezdms verify` checks, and the clock."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from ezdms import verify
from ezdms.verify.place import trust
from ezdms.verify.report import Finding, arranged, failed, ok, warning

MOST_APART = 30.0  # seconds between two clocks
ANSWER_WITHIN = 10.0  # seconds

# What each finding of `verify` means to whoever can mend it.
ADVICE = {
    "socket": "The WebSocket does not come through: the proxy must pass on Upgrade and Connection (deploy/nginx.conf).",
    "answer": "Is the server running, does the name lead here, are ports 80 and 443 open?",
    "certificate": "Renew the certificate.",
}
# What all others mean, said once: by whether a proxy was seen in front of the server (None: no server to ask).
MEND = {
    True: "deploy/nginx.conf shows a proxy that gets this right.",
    False: "No proxy was seen in front of the server. Does this installation run there, and was it started since its "
    "files last changed?",
    None: "If a proxy stands in front: deploy/nginx.conf shows one that gets this right.",
}


async def check(
    address: str, *, cafile: Path | None, is_behind_proxy: Callable[[], bool | None] = lambda: None
) -> list[Finding]:
    """Findings about `address`. `is_behind_proxy` is asked after somebody has come that way."""
    try:
        report = await verify.verify(address, cafile=cafile)
        context = trust(cafile)
    except verify.AddressError as error:
        return [failed("public address", str(error))]
    findings = [finding for finding in report.findings if finding.status != verify.OK]
    told, mend = [], MEND[is_behind_proxy()]
    for one in arranged(findings):
        advice = ADVICE.get(one.name, "")
        if one.status == verify.FAILED and not advice:
            advice, mend = mend, ""
        told.append(Finding(one.name, one.status, f"{one.sentence} {advice}".rstrip()))
    passed = len(report.findings) - len(findings)
    if passed:
        told.append(
            ok(
                "public address",
                f"{report.address}: {passed} of {len(report.findings)} checks from outside passed.",
            )
        )
    if not any(one.name == "answer" for one in findings):
        told.append(await _check_clock(report.address, context))
    return told


async def _check_clock(origin: str, context: ssl.SSLContext) -> Finding:
    """The Date of an answer against the clock here."""
    try:
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=ANSWER_WITHIN) as http:
            answer = await http.get(f"{origin}/ping")
        apart = (datetime.now(UTC) - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
    except (httpx.HTTPError, KeyError, ValueError):
        return warning("clock at the address", "It could not be compared.")
    if abs(apart) > MOST_APART:
        return warning(
            "clock at the address", f"It differs by {abs(apart):.0f} seconds from the one here. Which is right?"
        )
    return ok("clock at the address", "The same as here.")
