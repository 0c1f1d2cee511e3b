"""Checks the headers of every response: exactly the release's, each once, and no others that have an effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from ezdms.verify.fields import fault_of_alt_svc, fault_of_hsts
from ezdms.verify.place import Place
from ezdms.verify.release import Release, is_hashed
from ezdms.verify.report import Finding, failed, ok, warning
from ezdms.verify.wire import Answer
from ezdms.views.assets import ASKED_ANEW, FOR_GOOD

# Headers that a response may have in addition to those judged by value: informational, with no effect on the page.
HARMLESS = {
    "accept-ranges", "age", "allow", "connection", "content-encoding", "content-length", "content-type",
    "cross-origin-embedder-policy", "cross-origin-resource-policy", "date", "etag", "keep-alive", "last-modified",
    "origin-agent-cluster", "ratelimit", "ratelimit-limit", "ratelimit-policy", "ratelimit-remaining",
    "ratelimit-reset", "retry-after", "transfer-encoding", "vary", "via", "x-frame-options", "x-request-id",
    "x-xss-protection",
}  # fmt: skip
# Headers of proxies: no effect, but worth reporting.
NOTED = {"cache-status", "cf-cache-status", "cf-ray", "proxy-status", "server-timing", "traceparent", "upgrade"}
ACTING = {"x-content-security-policy", "x-sourcemap", "x-webkit-csp"}  # although they begin with X-
BANNERS = {"server", "x-powered-by", "x-aspnet-version", "x-generator"}
PROXY = re.compile(r"[A-Za-z]+")  # a name without a version, which nginx cannot leave out
# All that a page may depend on: it must depend on its type and its language, which a cookie may choose.
VARY = {"accept", "accept-language", "cookie"}


def check_headers(answers: Sequence[Answer], place: Place, release: Release) -> list[Finding]:
    """Judge every response from `place`, including errors and refusals."""

    def is_page(answer: Answer) -> bool:
        return answer.path in release.pages and answer.status in (200, 304)

    def fences(answer: Answer) -> dict[str, str]:
        return release.fences(is_page=is_page(answer))

    return [
        *(_exactly(name, partial(_fence, fences, name), answers) for name in release.fences(is_page=True)),
        _exactly("Cache-Control", partial(_cache_control, is_page), answers),
        _vary([answer for answer in answers if is_page(answer)]),
        _without_fault("Alt-Svc", lambda values: fault_of_alt_svc(values, place), answers),
        _without_fault("Strict-Transport-Security", fault_of_hsts, answers),
        _no_redirect(answers),
        _no_banner(answers),
        *_nothing_else(answers, fences),
    ]


Fences = Callable[[Answer], dict[str, str]]


def _fence(fences: Fences, name: str, answer: Answer) -> str | None:
    return fences(answer).get(name)


def _cache_control(is_page: Callable[[Answer], bool], answer: Answer) -> str | None:
    """A file at the address with its digest is cached forever; a page or another file is revalidated each time.

    Nothing else may be cached.
    """
    if answer.path == "/ws" and not answer.all("Cache-Control"):
        return None  # the release sends none there
    if answer.status in (200, 304):
        if is_hashed(answer.path):
            return FOR_GOOD
        if is_page(answer) or answer.path.startswith("/static/"):
            return ASKED_ANEW
    return "no-store"


def _exactly(name: str, expected: Callable[[Answer], str | None], answers: Sequence[Answer]) -> Finding:
    judged = [(answer, value) for answer in answers if (value := expected(answer)) is not None]
    wrong = [(answer, value) for answer, value in judged if answer.all(name) != [value]]
    if not wrong:
        return ok(name, f"Correct on all {len(judged)} responses that must have it.")
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
        return failed("banner", f"Expected no software name, got “{telling[0][0]}” at {places}.")
    if said:
        return warning("banner", f"“{said[0][0]}” names the proxy in front, without its version.")
    return ok("banner", "No software name.")


def _vary(pages: Sequence[Answer]) -> Finding:
    """Check Vary: a page that depends on anything but its type and language is not the same for everyone."""
    wrong = []
    for page in pages:
        names = {name.strip().lower() for value in page.all("Vary") for name in value.split(",")}
        if names - {"accept-encoding"} != VARY:
            wrong.append(page)
    if not wrong:
        return ok("Vary", "The pages depend on their type and language, and on no other request header.")
    came = ", ".join(wrong[0].all("Vary")) or "nothing"
    return failed(
        "Vary",
        f"Expected Accept, Accept-Language and Cookie, at most with Accept-Encoding, got {came} at {_places(wrong)}.",
    )


def _without_fault(name: str, fault_of: Callable[[list[str]], str | None], answers: Sequence[Answer]) -> Finding:
    """Check a header that may be missing."""
    sent = [answer for answer in answers if answer.all(name)]
    wrong = [(answer, fault) for answer in sent if (fault := fault_of(answer.all(name)))]
    if wrong:
        answer, fault = wrong[0]
        values, places = " and ".join(answer.all(name)), _places([answer for answer, _ in wrong])
        return failed(name, f"Expected none or a harmless one, got “{values}” at {places}: {fault}.")
    return ok(name, f"Harmless on the {len(sent)} responses that have it." if sent else "None.")


def _nothing_else(answers: Sequence[Answer], fences: Fences) -> list[Finding]:
    """Fail every header not known to be harmless, except those that only a proxy's own software reads."""
    allowed = HARMLESS | BANNERS | {"alt-svc", "cache-control", "location", "strict-transport-security"}
    acting: dict[str, list[Answer]] = {}
    noted: dict[str, list[Answer]] = {}
    for answer in answers:
        judged = {name.lower() for name in fences(answer)}
        for name, value in answer.headers:
            if name in allowed | judged or (name == "set-cookie" and answer.may_set_cookie):
                continue
            is_noted = name in NOTED or (name.startswith("x-") and name not in ACTING)
            (noted if is_noted else acting).setdefault(f"{name}: {value}", []).append(answer)
    findings = [
        failed("other headers", f"Expected none that EZ-DMS does not send, got “{line}” at {_places(places)}.")
        for line, places in list(acting.items())[:10]
    ]
    if noted:
        line, places = next(iter(noted.items()))
        findings.append(
            warning("other headers", f"EZ-DMS does not send “{line}” (at {_places(places)}). Does a proxy add it?")
        )
    return findings or [ok("other headers", "None that has an effect.")]


def _places(answers: Sequence[Answer]) -> str:
    """The first, and how many more."""
    first = f"{answers[0].method} {answers[0].path}"
    return first if len(answers) == 1 else f"{first} and {len(answers) - 1} more"
