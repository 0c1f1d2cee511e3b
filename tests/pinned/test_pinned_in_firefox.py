"""The same as test_pinned.py, in Firefox, which alone supports style sheets from a `Link` header.

Without a pin, such a style sheet is ignored and reported.
"""

from __future__ import annotations

import pytest

from tests.browser.lies.liar import Answer, Liar
from tests.browser.lies.stage import TAMPERED
from tests.browser.lies.watching import FORGED
from tests.pinned.living import shows, text_of
from tests.pinned.test_pinned import (
    test_a_page_that_never_finishes_loading_is_replaced,
    test_no_text_of_other_pages_is_shown_and_the_pins_own_pages_link_to_the_pinned_one,
    test_pages_that_open_at_browser_startup_or_are_prerendered_are_pinned,
    test_scripts_of_the_server_do_not_run_and_a_changed_page_is_explained,
    test_the_pin_removes_existing_service_workers,
    test_the_whole_app_works_with_a_pin,
)
from tests.pinned.windows import Window
from tests.support.someone import until

__all__ = [
    "test_a_page_that_never_finishes_loading_is_replaced",
    "test_no_text_of_other_pages_is_shown_and_the_pins_own_pages_link_to_the_pinned_one",
    "test_pages_that_open_at_browser_startup_or_are_prerendered_are_pinned",
    "test_scripts_of_the_server_do_not_run_and_a_changed_page_is_explained",
    "test_the_pin_removes_existing_service_workers",
    "test_the_whole_app_works_with_a_pin",
]

BROWSER = "firefox"
DOCUMENT, SHEET = r"GET /(\?.*)?", r"GET /evil\.css"
FORGING = f"body::before {{ content: '{FORGED}' }} .page-alert, #login-pin {{ display: none !important }}"
ALTERNATE = '</evil.css>; rel="alternate stylesheet"; title=x'
HEADERS = {
    "/?a-sheet": {"link": "</evil.css>; rel=stylesheet"},
    "/?a-sheet-with-a-title": {"link": "</evil.css>; rel=stylesheet; title=x"},
    "/?a-sheet-for-all-media": {"link": '</evil.css>; rel=stylesheet; media="all"'},
    "/?two-sheets": {"link": "</other.css>; rel=stylesheet, </evil.css>; rel=stylesheet"},
    "/?an-alternate-that-is-the-default": {"link": ALTERNATE, "default-style": "x"},
}
LOOKS = """[
    getComputedStyle(document.body, "::before").content,
    getComputedStyle(document.querySelector("#page-alert") ?? document.head).display,
    getComputedStyle(document.querySelector("#login-pin") ?? document.head).display,
].join()"""


async def is_refused(window: Window) -> None:
    """The page reports the style sheet, and looks as it should."""
    await shows(window, "#page-alert", TAMPERED)

    async def looks_right() -> bool:
        return str(await window.read(LOOKS)) == "none,block,block"

    await until(looks_right)  # the form may come after the alert
    is_disabled = await window.read("[...document.styleSheets].every((sheet) => sheet.ownerNode || sheet.disabled)")
    assert is_disabled, await window.read("location.href")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_style_sheet_from_a_link_header_is_ignored(liar: Liar, bare: str, window: Window) -> None:
    """Without a pin, which would remove the header."""

    def change(answer: Answer) -> None:
        for header, value in HEADERS[answer.request.partition(" ")[2]].items():
            answer.set(header, value)

    def sheet(answer: Answer) -> None:
        answer.status, answer.text = 200, FORGING
        answer.set("content-type", "text/css")

    with liar.lying(DOCUMENT, change), liar.lying(SHEET, sheet):
        for path in HEADERS:
            await window.goto(bare + path)
            await shows(window, "h1", "EZ-DMS")
            await is_refused(window)
    await window.goto(f"{bare}/")  # the control
    await shows(window, "h1", "EZ-DMS")
    assert not await window.read(text_of("#page-alert"))


@pytest.mark.asyncio(loop_scope="session")
async def test_a_late_style_sheet_from_a_link_header_is_ignored(liar: Liar, bare: str, window: Window) -> None:
    kept: list[Answer] = []

    def change(answer: Answer) -> None:
        answer.set("link", ALTERNATE.replace("evil", "late"))  # not cached by Firefox
        answer.set("default-style", "x")

    def sheet(answer: Answer) -> None:
        answer.status, answer.text, answer.rest = 200, "", FORGING.encode()
        answer.set("content-type", "text/css")
        kept.append(answer)

    async def is_asked() -> bool:
        return bool(kept)

    async def has_come() -> bool:
        return bool(await window.read("[...document.styleSheets].some((sheet) => !sheet.ownerNode)"))

    await window.goto(f"{bare}/")
    with liar.lying(DOCUMENT, change), liar.lying(r"GET /late\.css", sheet):
        await window.read(f"location.assign({bare + '/'!r})")
        await shows(window, "h1", "EZ-DMS")
        assert not await window.read(text_of("#page-alert"))  # the page does not wait for the style sheet
        await until(is_asked)
        kept[-1].go_on.set()
        await until(has_come)
        await is_refused(window)
