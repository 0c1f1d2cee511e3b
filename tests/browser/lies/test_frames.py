"""A socket frame with a single fault is ignored as a whole and reported; the next honest one is accepted."""

from __future__ import annotations

from collections.abc import Mapping

from playwright.async_api import expect

from tests.browser.lies.fragments import SEALED
from tests.browser.lies.frames import ALL, ROW, SILENT, TOPS
from tests.browser.lies.stage import OUT_OF_PLACE, Stage, told
from tests.browser.lies.watching import FORGED
from tests.support.someone import texts_of, until

# What the page shows, without its warning.
STANDS = """(forged) => [
    document.querySelectorAll("sealed-text").length, document.querySelectorAll("#conversations > *").length,
    document.querySelectorAll("*:not(#page-alert, #page-alert *)").length,
    document.documentElement.outerHTML.includes(forged), document.title,
].join()"""

# The warning once there is one, which is then cleared for the next frame, and what the page shows.
WARNED = f"""async ([forged, ours]) => {{
    const until = performance.now() + 40_000;
    let alert = null;
    while (!(alert = document.querySelector("#page-alert"))?.textContent.includes(ours) && performance.now() < until) {{
        await new Promise((resolve) => {{
            const observer = new MutationObserver(() => {{ observer.disconnect(); resolve(); }});
            observer.observe(document, {{ childList: true, subtree: true, characterData: true }});
            setTimeout(resolve, 100);
        }});
    }}
    const warning = alert.textContent;
    alert.replaceChildren();
    return [warning, ({STANDS})(forged)];
}}"""


async def are_left_out(stage: Stage, frames: Mapping[str, str | bytes]) -> None:
    """No frame changes anything on the page, and the page says of each that something was ignored."""
    await expect(stage.alice.list.get_by_role("link").first).to_be_visible()
    await until(lambda: stage.liar.has_socket)
    before = await stage.page.evaluate(STANDS, FORGED)
    tops = [name for name in frames if name in TOPS]
    for name, frame in frames.items():
        with told(name):
            stage.liar.slip(frame)
            warning, after = await stage.page.evaluate(WARNED, [FORGED, OUT_OF_PLACE])
            assert OUT_OF_PLACE in warning
            assert after == before
            if name in tops[9::10] + tops[-1:]:  # nothing takes away what one of them may have left
                await stage.shows_nothing_of_it()
    assert stage.watch.leaked(stage.alice.login_pin) == []


async def test_a_frame_with_a_single_fault_is_ignored_and_reported(stage: Stage) -> None:
    assert len(ALL) > 700
    await are_left_out(stage, ALL)


async def test_a_frame_without_a_target_does_nothing(stage: Stage) -> None:
    await until(lambda: stage.liar.has_socket)
    rows = await texts_of(stage.page).count()
    for number, (name, frame) in enumerate(SILENT.items(), 1):
        with told(name):
            stage.liar.slip(frame)
            marker = await stage.hears_from_bob()  # arrives after it, the same way
            await expect(texts_of(stage.page).last).to_have_text(marker)
            assert await texts_of(stage.page).count() == rows + number
            await expect(stage.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
            assert FORGED not in await stage.page.content()
    await stage.shows_nothing_of_it()


async def test_a_binary_frame_is_ignored_and_reported(stage: Stage) -> None:
    await are_left_out(stage, {"empty": b"", "odd": b"\xff\xfe", "row": ROW.encode(), "sealed": SEALED.encode()})


async def test_two_people_can_still_talk_after_all_bad_frames(stage: Stage) -> None:
    for frame in ALL.values():
        stage.liar.slip(frame)
    await stage.carries_on()
