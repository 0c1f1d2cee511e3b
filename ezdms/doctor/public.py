"""Checks the public address, as far as possible from here: everything `ezdms verify` checks, and the clock."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ezdms import verify
from ezdms.verify.place import trust
from ezdms.verify.report import Finding, arranged, failed, ok, warning

MOST_APART = 30.0  # seconds between two clocks
ANSWER_WITHIN = 10.0  # seconds

# Where the browsers of most people are told of messages while no page is open: Chrome and Edge, Firefox, Safari.
PUSH_SERVICES = (
    "https://fcm.googleapis.com/",
    "https://updates.push.services.mozilla.com/",
    "https://web.push.apple.com/",
)

# What the operator can do about each finding of `verify`.
ADVICE = {
    "socket": "WebSockets do not get through: the proxy must pass on Upgrade and Connection (deploy/nginx.conf).",
    "answer": "Check that the server runs, the name points here, and ports 80 and 443 are open.",
    "certificate": "Renew the certificate.",
}
# Advice for all others, given once, by whether a proxy was seen in front of the server (None: no server to ask).
MEND = {
    True: "deploy/nginx.conf shows a proxy that gets this right.",
    False: "No proxy was seen in front of the server. Check that this installation runs there, and was restarted since "
    "its files last changed.",
    None: "If there is a proxy in front: deploy/nginx.conf shows one that gets this right.",
}


async def check(
    address: str, *, cafile: Path | None, is_behind_proxy: Callable[[], bool | None] = lambda: None
) -> list[Finding]:
    """Findings about `address`. `is_behind_proxy` is called after requests have come that way."""
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
    """Compare the Date of a response with the local clock."""
    try:
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=ANSWER_WITHIN) as http:
            answer = await http.get(f"{origin}/ping")
        apart = (datetime.now(UTC) - parsedate_to_datetime(answer.headers["Date"])).total_seconds()
    except (httpx.HTTPError, KeyError, ValueError):
        return warning("clock at the address", "It could not be compared.")
    if abs(apart) > MOST_APART:
        return warning(
            "clock at the address", f"It differs from this machine's by {abs(apart):.0f} seconds. Check which is right."
        )
    return ok("clock at the address", "The same as here.")


async def check_push_services(services: tuple[str, ...] = PUSH_SERVICES) -> Finding:
    """Whether each answers anything, from here."""
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_WITHIN) as http:
        answers = await asyncio.gather(*(http.get(service) for service in services), return_exceptions=True)
    silent = [str(urlsplit(one).hostname) for one, answer in zip(services, answers, strict=True) if _is_lost(answer)]
    if not silent:
        return ok("push services", "All answer, so people can be notified while no page is open.")
    return warning(
        "push services",
        f"No answer from {', '.join(silent)}: people whose browsers use it are notified only while a page is open. "
        "Allow the server to connect there (port 443).",
    )


def _is_lost(answer: httpx.Response | BaseException) -> bool:
    if isinstance(answer, BaseException) and not isinstance(answer, httpx.HTTPError):
        raise answer
    return isinstance(answer, httpx.HTTPError)
