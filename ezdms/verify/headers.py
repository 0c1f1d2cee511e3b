"""The headers of every answer that came: exactly the release's, each once, and none that does something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ezdms.assets import ASKED_ANEW, FOR_GOOD
from ezdms.security import HEADERS
from ezdms.verify.release import PAGES, is_hashed
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
    "clear-site-data", "content-security-policy-report-only", "cross-origin-embedder-policy-report-only",
    "cross-origin-opener-policy-report-only", "feature-policy", "integrity-policy-report-only", "link", "nel",
    "origin-trial", "permissions-policy-report-only", "refresh", "report-to", "reporting-endpoints",
    "service-worker-allowed", "set-cookie", "set-cookie2", "sourcemap", "speculation-rules",
    "supports-loading-mode", "x-sourcemap",
}  # fmt: skip
BANNERS = {"server", "x-powered-by", "x-aspnet-version", "x-generator"}
PROXY = re.compile(r"[A-Za-z]+")  # a name without a version, which nginx cannot be told to leave out
OTHER_HOST = re.compile(r"=\"[^\":]+:")  # in Alt-Svc (RFC 7838)


def check_headers(answers: Sequence[Answer]) -> list[Finding]:
    """Judge every answer of the visit, errors and refusals too."""
    return [
        *(_exactly(name, _always(value), answers) for name, value in HEADERS.items()),
        _exactly("Cache-Control", _cache_control, answers),
        _no_redirect(answers),
        _no_banner(answers),
        *_nothing_else(answers),
    ]


def _always(value: str) -> Callable[[Answer], str]:
    return lambda answer: value


def _cache_control(answer: Answer) -> str | None:
    """A file is kept for good under the address with its digest; a page or another file is asked about each time.

    Nobody keeps anything else.
    """
    if answer.path == "/ws":
        return None
    if answer.status in (200, 304):
        if is_hashed(answer.path):
            return FOR_GOOD
        if answer.path in PAGES or answer.path.startswith("/static/"):
            return ASKED_ANEW
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


def _nothing_else(answers: Sequence[Answer]) -> list[Finding]:
    known = HARMLESS | BANNERS | {"cache-control", "location", *(name.lower() for name in HEADERS)}
    harmful: dict[str, list[Answer]] = {}
    unknown: dict[str, list[Answer]] = {}
    for answer in answers:
        for name, value in answer.headers:
            is_open = name.startswith("access-control-")  # lets other sites read
            if name in HARMFUL or is_open or (name == "alt-svc" and OTHER_HOST.search(value)):
                harmful.setdefault(f"{name}: {value}", []).append(answer)
            elif name not in known and name != "alt-svc":
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
