"""The headers of every answer that came: exactly the release's, each once, and none that does something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ezdms.assets import ASKED_ANEW, FOR_GOOD, digest
from ezdms.security import HEADERS
from ezdms.verify import release
from ezdms.verify.place import Place
from ezdms.verify.policies import fault_of_alternatives, fault_of_hsts
from ezdms.verify.report import Finding, failed, ok, warning
from ezdms.verify.wire import Answer

# What a server or a proxy in front of it may add without changing what the browser does with the page.
HARMLESS = {
    "accept-ranges", "age", "allow", "connection", "content-encoding", "content-length", "content-type",
    "cross-origin-embedder-policy", "cross-origin-resource-policy", "date", "etag", "keep-alive", "last-modified",
    "origin-agent-cluster", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after",
    "strict-transport-security", "transfer-encoding", "vary", "x-frame-options", "x-request-id",
    "x-xss-protection",
}  # fmt: skip
# What makes a browser load, go, keep, forget, report or allow something that the release does not.
HARMFUL = {
    "clear-site-data", "content-disposition", "content-location", "content-security-policy-report-only",
    "cross-origin-embedder-policy-report-only", "cross-origin-opener-policy-report-only", "document-policy",
    "feature-policy", "integrity-policy", "integrity-policy-report-only", "link", "nel", "no-vary-search",
    "origin-trial", "permissions-policy-report-only", "refresh", "report-to", "reporting-endpoints",
    "service-worker-allowed", "set-cookie", "set-cookie2", "sourcemap", "speculation-rules",
    "supports-loading-mode", "x-sourcemap",
}  # fmt: skip
BANNERS = {"server", "x-powered-by", "x-aspnet-version", "x-generator"}
PROXY = re.compile(r"[A-Za-z]+")  # a name without a version, which nginx cannot be told to leave out
ACTING = ("access-control-", "hx-")  # lets other sites read; what htmx would obey


def check_headers(answers: Sequence[Answer], place: Place) -> list[Finding]:
    """Judge every answer of the visit, errors and refusals too."""
    return [
        *(_exactly(name, _always(value), answers) for name, value in HEADERS.items()),
        _exactly("Cache-Control", _cache_control, answers),
        _no_redirect(answers),
        _no_banner(answers),
        _by_value("Strict-Transport-Security", fault_of_hsts, answers),
        _by_value("Alt-Svc", lambda value: fault_of_alternatives(value, place), answers),
        *_nothing_else(answers),
    ]


def _always(value: str) -> Callable[[Answer], str]:
    return lambda answer: value


def _cache_control(answer: Answer) -> str | None:
    """Files are kept for good under the address that names their digest; shells, and files at other addresses, are
    asked about each time; nothing else is kept by anybody."""
    if answer.path == "/ws":
        return None
    if answer.path in release.PAGES and answer.status in (200, 304):
        return ASKED_ANEW
    if answer.path.startswith("/static/") and answer.status == 200:
        return FOR_GOOD if answer.path.startswith(f"/static/{digest()}/") else ASKED_ANEW
    return "no-store"


def _exactly(name: str, expected: Callable[[Answer], str | None], answers: Sequence[Answer]) -> Finding:
    judged = [(answer, value) for answer in answers if (value := expected(answer)) is not None]
    wrong = [(answer, value) for answer, value in judged if answer.all(name) != [value]]
    if not wrong:
        return ok(name, f"As it must be, on {len(judged)} answers of {len(answers)}.")
    answer, value = wrong[0]
    values = answer.all(name)
    came = "nothing" if not values else f"{len(values)} of them" if len(values) > 1 else f"“{values[0]}”"
    return failed(name, f"Expected “{value}” once, got {came} at {_places([answer for answer, _ in wrong])}.")


def _no_redirect(answers: Sequence[Answer]) -> Finding:
    led = [answer for answer in answers if answer.is_redirect or answer.all("Location")]
    if led:
        return failed("redirects", f"Expected none, got {led[0].came} at {_places(led)}.")
    return ok("redirects", "None.")


def _no_banner(answers: Sequence[Answer]) -> Finding:
    said = [(f"{name}: {value}", answer) for answer in answers for name, value in answer.headers if name in BANNERS]
    telling = [(text, answer) for text, answer in said if not PROXY.fullmatch(text.removeprefix("server: "))]
    if telling:
        places = _places([answer for _, answer in telling])
        return failed("banner", f"Expected no word about the software, got “{telling[0][0]}” at {places}.")
    if said:
        return warning("banner", f"“{said[0][0]}” names what stands in front, without its version.")
    return ok("banner", "No word about the software.")


def _by_value(name: str, fault_of: Callable[[str], str], answers: Sequence[Answer]) -> Finding:
    """Of a header that may be there: each value is one that does no harm, and there is one at most."""
    for answer in answers:
        values = answer.all(name)
        fault = next(filter(None, map(fault_of, values)), "stands there twice" if len(values) > 1 else "")
        if fault:
            return failed(name, f"At {_places([answer])}: “{'”, “'.join(values)}” {fault}.")
    return ok(name, "Nothing in it does harm." if any(answer.all(name) for answer in answers) else "None.")


def _nothing_else(answers: Sequence[Answer]) -> list[Finding]:
    known = HARMLESS | BANNERS | {"alt-svc", "cache-control", "location", *(name.lower() for name in HEADERS)}
    harmful: dict[str, list[Answer]] = {}
    unknown: dict[str, list[Answer]] = {}
    for answer in answers:
        for name, value in answer.headers:
            if name in HARMFUL or name.startswith(ACTING):
                harmful.setdefault(f"{name}: {value}", []).append(answer)
            elif name not in known:
                unknown.setdefault(f"{name}: {value}", []).append(answer)
    findings = [
        failed("other headers", f"Expected none that does something, got “{line}” at {_places(places)}.")
        for line, places in list(harmful.items())[:10]
    ]
    if unknown:
        line, places = next(iter(unknown.items()))
        findings.append(
            warning("other headers", f"EZ-DMS does not send “{line}” (at {_places(places)}); does a proxy add it?")
        )
    return findings or [ok("other headers", "None that does something.")]


def _places(answers: Sequence[Answer]) -> str:
    """The first, and how many more."""
    first = f"{answers[0].method} {answers[0].path}"
    return first if len(answers) == 1 else f"{first} and {len(answers) - 1} more"
