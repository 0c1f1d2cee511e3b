"""Checks the page at every address: the release's, the same for everyone, and cached only while it is current."""

from __future__ import annotations

import secrets

from ezdms.protocol.encoding import b64u_encode
from ezdms.protocol.visitor import CHROME, NAVIGATION
from ezdms.verify.loads import difference
from ezdms.verify.place import Unanswered
from ezdms.verify.release import Release, fingerprint
from ezdms.verify.report import Finding, failed, ok
from ezdms.verify.wire import FILE, PAGE, Answer, Wire, cookie_name
from ezdms.views.languages import COOKIE
from ezdms.views.shells import etag_of

# Other visitors, by the headers they send. A server that treats any of them differently is caught.
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)
ANGLES: dict[str, dict[str, str]] = {
    "another browser": {"User-Agent": CHROME, "Sec-Fetch-Site": "none", "Upgrade-Insecure-Requests": "1", **NAVIGATION},
    "a phone in a language that the page does not have": {"User-Agent": IPHONE, "Accept-Language": "qaa,tlh;q=0.9"},
    "a program": {"User-Agent": "curl/8.14.1", "Accept": FILE},
    "someone who follows a link of another site": {
        "Referer": "https://elsewhere.invalid/",
        "Sec-Fetch-Site": "cross-site",
        **NAVIGATION,
    },
}


async def check_pages(wire: Wire, release: Release, *, is_same_version: bool) -> tuple[list[Answer], list[Finding]]:
    """The page at each address, and the findings. Pages of another version cannot be judged."""
    pages, deviating = [], []
    for path, expected in release.pages.items():
        try:
            page = await wire.get(path, PAGE)
        except Unanswered as error:
            deviating.append(failed(f"page {path}", str(error)))
            continue
        pages.append(page)
        if is_same_version:
            deviating += _judge_page(page, expected, release)
    if not is_same_version:
        return pages, []
    count = len(release.pages)
    findings = [ok("pages", f"The pages at {count} addresses are the release's, byte for byte.")]
    if deviating:
        sentence = f"Expected the release's pages at {count} addresses, but {len(deviating)} differ."
        findings = [failed("pages", sentence), *deviating]
    etags = {path: etag_of(page) for path, page in release.pages.items()}
    findings += [await _check_angles(wire, pages), await _check_revalidation(wire, pages, etags)]
    return pages, [*findings, *[await _check_language(wire, release, code) for code in release.translations]]


async def check_with_session(wire: Wire, pages: list[Answer], token: str) -> Finding:
    """Check that a logged-in user gets the same page as a stranger. Personal data comes later, as JSON."""
    wrong = await _differences(wire, pages, "someone who is logged in", _cookie(wire, token))
    if wrong:
        return failed("pages with a session", _told(wrong))
    return ok("pages with a session", f"The pages at {len(pages)} addresses are the same with a session.")


def _judge_page(page: Answer, expected: bytes, release: Release) -> list[Finding]:
    """Findings about a page; none if it is the release's."""
    name = f"page {page.path}"
    types = page.all("Content-Type")
    if page.status != 200:
        return [failed(name, f"Expected 200 and the release's page, got {page.came}.")]
    if len(types) != 1 or not release.is_type(page.path, types[0]):
        return [failed(name, f"Expected Content-Type text/html; charset=utf-8, got {' and '.join(types) or 'none'}.")]
    if page.body == expected:
        return []
    came = f"Expected the release's {fingerprint(expected)}, got {fingerprint(page.body)}."
    return [failed(name, f"{came} {difference(expected, page.body)}")]


async def _check_angles(wire: Wire, pages: list[Answer]) -> Finding:
    """Request each page again as other visitors would."""
    stranger = _cookie(wire, b64u_encode(secrets.token_bytes(32)))
    angles = {**ANGLES, "someone with the cookie of a session": stranger}
    wrong = []
    for who, headers in angles.items():
        wrong += await _differences(wire, pages, who, headers)
    if wrong:
        return failed("angles", _told(wrong))
    return ok("angles", f"The same pages for {len(angles)} other visitors: {', '.join(angles)}.")


async def _check_language(wire: Wire, release: Release, code: str) -> Finding:
    """Check every page in another language, as a browser asks for it that prefers it, or whose user has chosen it."""
    name, wrong = f"pages in {code}", []
    expected = {**release.translations[code], f"/{secrets.token_hex(8)}": release.missing[code]}
    for path, body in expected.items():
        for headers in ({"Accept-Language": code}, {"Cookie": f"{COOKIE}={code}"}):
            try:
                answer = await wire.get(path, PAGE, headers)
            except Unanswered as error:
                wrong.append(f"{path}: {error}")
                continue
            status = 200 if path in release.pages else 404
            if answer.status != status or answer.body != body:
                came = f"{answer.came}: {fingerprint(answer.body)}. {difference(body, answer.body)}"
                wrong.append(f"{path}: expected {status} and {fingerprint(body)}, got {came}")
            elif status == 200 and _tags(answer) != [f'"{etag_of(body)}"']:
                wrong.append(f"{path}: expected its own ETag, got {' and '.join(answer.all('ETag')) or 'none'}.")
    return failed(name, _told(wrong)) if wrong else ok(name, "The release's, byte for byte, at every address.")


async def _differences(wire: Wire, pages: list[Answer], who: str, headers: dict[str, str]) -> list[str]:
    """A sentence for each address where `who` gets a different response."""
    wrong = []
    for page in pages:
        expected = f"{page.path}: expected the same page for {who}"
        try:
            answer = await wire.get(page.path, PAGE, headers)
        except Unanswered as error:
            wrong.append(f"{expected}, but {error}")
            continue
        if answer.status != page.status:
            wrong.append(f"{expected}, got {answer.came}.")
        elif answer.body != page.body:
            wrong.append(f"{expected}, got {fingerprint(answer.body)}. {difference(page.body, answer.body)}")
        elif answer.all("Content-Type") != page.all("Content-Type"):
            types = " and ".join(answer.all("Content-Type"))
            wrong.append(f"{expected}, got Content-Type {types or 'none'}.")
        elif _tags(answer) != _tags(page):
            wrong.append(f"{expected}, got the ETag {' and '.join(answer.all('ETag')) or 'none'}.")
    return wrong


async def _check_revalidation(wire: Wire, pages: list[Answer], etags: dict[str, str]) -> Finding:
    """Check revalidation: only a browser with the release's page may be told to keep it."""
    wrong = []
    for page in (page for page in pages if page.status == 200):
        try:
            wrong += await _misjudged(wire, page, etags[page.path])
        except Unanswered as error:
            wrong.append(str(error))
    if wrong:
        return failed("revalidation", _told(wrong))
    return ok("revalidation", "Every page has the release's ETag, and only that ETag gets a 304.")


async def _misjudged(wire: Wire, page: Answer, etag: str) -> list[str]:
    """What is wrong with a page's ETag, and with the responses to clients that have it or another one."""
    path, right = page.path, f'"{etag}"'
    if _tags(page) != [right]:
        return [f"{path}: expected the ETag {right}, got {' and '.join(page.all('ETag')) or 'none'}."]
    wrong = []
    for known, is_kept in ((right, True), ('"00000000000000000000000000000000"', False)):
        answer = await wire.get(path, PAGE, {"If-None-Match": known})
        if is_kept:
            wrong += [f"{path}: expected 304 for the release's ETag, {one}" for one in _lies(answer, page)]
        elif answer.status != 200 or answer.body != page.body:
            wrong.append(f"{path}: expected the whole page for another ETag, got {answer.came}.")
    return wrong


def _lies(answer: Answer, page: Answer) -> list[str]:
    """What is wrong with a 304. A browser replaces its cached headers with it, so they must be the page's."""
    if answer.status != 304:
        return [f"got {answer.came}."]
    if _tags(answer) != _tags(page):
        return [f"got it with the ETag {' and '.join(answer.all('ETag')) or 'none'}."]
    for name in ("Content-Type", "Content-Encoding", "Content-Length", "Last-Modified"):
        values = answer.all(name)
        allowed = page.all(name) if name != "Content-Length" else [str(len(page.body))]
        if values and values != allowed:
            return [f"got it with {name}: {' and '.join(values)}."]
    return []


def _tags(answer: Answer) -> list[str]:
    """The ETag without the marks of a compressing proxy: weak (nginx) or a suffix (Apache)."""
    if not answer.all("Content-Encoding") and answer.status != 304:
        return answer.all("ETag")
    return [value.removeprefix("W/").replace('-gzip"', '"') for value in answer.all("ETag")]


def _cookie(wire: Wire, token: str) -> dict[str, str]:
    return {"Cookie": f"{cookie_name(wire.place.scheme)}={token}"}


def _told(wrong: list[str]) -> str:
    """The first failure, and how many more."""
    return wrong[0] if len(wrong) == 1 else f"{wrong[0]} And {len(wrong) - 1} more like it."
