"""A socket frame with a single fault is ignored as a whole and reported; the next honest one is accepted."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.lies.fragments import SEALED
from tests.browser.lies.frames import ALL, ROW, SILENT, TOPS
from tests.browser.lies.stage import OUT_OF_PLACE, Stage
from tests.browser.lies.watching import FORGED
from tests.support.someone import texts_of, until

STANDS = """(forged) => [
    document.querySelectorAll("sealed-text").length, document.querySelectorAll("#conversations > *").length,
    document.querySelectorAll("*:not(#page-alert, #page-alert *)").length,
    document.documentElement.outerHTML.includes(forged), document.title,
]"""


async def is_left_out(stage: Stage, frame: str | bytes) -> None:
    """The frame changes nothing on the page, and the page says that something was ignored."""
    await expect(stage.alice.list.get_by_role("link").first).to_be_visible()
    await until(lambda: stage.liar.has_socket)
    before = await stage.page.evaluate(STANDS, FORGED)
    stage.liar.slip(frame)
    await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
    after = await stage.page.evaluate(STANDS, FORGED)
    assert after == before
    assert stage.watch.leaked(stage.alice.login_pin) == []


@pytest.mark.parametrize("name", ALL)
async def test_a_frame_with_a_single_fault_is_ignored_and_reported(stage: Stage, name: str) -> None:
    await is_left_out(stage, ALL[name])
    if name in TOPS:
        await stage.shows_nothing_of_it()


@pytest.mark.parametrize("name", SILENT)
async def test_a_frame_without_a_target_does_nothing(stage: Stage, name: str) -> None:
    rows = await texts_of(stage.page).count()
    stage.liar.slip(SILENT[name])
    marker = await stage.hears_from_bob()  # arrives after it, the same way
    await expect(texts_of(stage.page).last).to_have_text(marker)
    assert await texts_of(stage.page).count() == rows + 1
    await expect(stage.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    await stage.shows_nothing_of_it()


@pytest.mark.parametrize(
    "octets", [b"", b"\xff\xfe", ROW.encode(), SEALED.encode()], ids=["empty", "odd", "row", "sealed"]
)
async def test_a_binary_frame_is_ignored_and_reported(stage: Stage, octets: bytes) -> None:
    await is_left_out(stage, octets)


async def test_two_people_can_still_talk_after_all_bad_frames(stage: Stage) -> None:
    for frame in ALL.values():
        stage.liar.slip(frame)
    await stage.carries_on()
