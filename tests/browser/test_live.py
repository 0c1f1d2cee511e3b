"""Live means live: a connection that has died without a word is noticed, and what was missed appears."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.support.relay import Relay
from tests.support.someone import Someone, texts_of, until

RECORD = """() => {
    const status = document.getElementById("connection");
    window.told = [];
    new MutationObserver(() => window.told.push(status.textContent)).observe(status, { childList: true });
}"""
LOST, BACK = "Connection lost. Reconnecting…", "Connected again."
QUIET, ANSWER, SLEPT = 10_000, 8_000, 8_000  # ms: after these, the page asks, gives up, and knows that it slept
# Move a clock of the page: the one that stands still while the device sleeps, or the one that does not.
SKIP = """([clock, ms]) => {
    const of = globalThis[clock];
    const now = of.now.bind(of);
    of.now = () => now() + ms;
}"""

STAND_STILL = "() => { const at = performance.now(); performance.now = () => at; }"


async def skip(page: Page, ms: int, clock: str = "performance") -> None:
    await page.evaluate(SKIP, [clock, ms + 1])


async def dana_behind(home: Home, browser: Browser) -> tuple[Someone, Peer, Relay]:
    """Someone new in a conversation with a program, behind a relay of their own."""
    relay, peer = Relay(home.server), await home.peer()
    await relay.mend()
    dana = await Someone.is_in(browser, home.server, "dana", relay.url, recorded=True)
    await peer.starts_with(dana.search_pin)
    await peer.writes("before")
    await dana.page.goto(f"{relay.url}/c/{peer.conversation}")
    await dana.sees("before")
    await peer.writes("live")  # by the socket: it has joined
    await dana.sees("before", "live")
    await dana.page.evaluate(RECORD)
    return dana, peer, relay


async def told(page: Page) -> list[str]:
    return list(await page.evaluate("() => window.told"))


def asks(dana: Someone) -> int:
    """How often the page has asked for an answer."""
    return sum("ping" in one for one in dana.traffic)


@pytest.mark.firefox_too
async def test_a_connection_that_falls_silent_is_noticed_and_replaced(home: Home, browser: Browser) -> None:
    dana, peer, relay = await dana_behind(home, browser)
    relay.silence()
    await peer.writes("are you there?")
    await dana.page.evaluate("() => dispatchEvent(new Event('online'))")  # claims nothing
    await skip(dana.page, QUIET + ANSWER)
    await expect(dana.page.locator("#connection")).to_have_text(LOST)
    relay.speak()
    await dana.sees("before", "live", "are you there?")

    async def is_back() -> bool:
        return BACK in await told(dana.page)

    await until(is_back)
    assert await told(dana.page) == [LOST, BACK]
    await peer.writes("live again")
    await dana.sees("before", "live", "are you there?", "live again")
    await relay.cut()


async def test_a_connection_is_asked_for_an_answer_when_it_is_quiet_or_doubtful_and_may_be_none(
    home: Home, browser: Browser
) -> None:
    dana, peer, relay = await dana_behind(home, browser)
    page = dana.page

    async def asks_and_hears(cause: Awaitable[object]) -> None:
        before = asks(dana)
        await cause
        await until(lambda: asks(dana) > before and "pong" in dana.traffic[-1])

    await asks_and_hears(skip(page, QUIET))
    await skip(page, ANSWER)
    await peer.writes("still live")
    await dana.sees("before", "live", "still live")
    await page.evaluate(STAND_STILL)  # it is not asked for being quiet
    for event in ("focus", "online", "pageshow"):
        await asks_and_hears(page.evaluate("(name) => { dispatchEvent(new Event(name)); }", event))
    await asks_and_hears(skip(page, SLEPT, "Date"))  # the device woke
    assert await told(page) == []
    relay.silence()
    await page.evaluate("() => { dispatchEvent(new Event('focus')); }")
    await skip(page, ANSWER // 2)  # sooner than otherwise
    await expect(page.locator("#connection")).to_have_text(LOST)

    await peer.writes("by HTTP alone")  # no WebSocket gets through any more

    async def has_arrived() -> bool:
        await skip(page, ANSWER)
        return await texts_of(page).count() == 4

    await until(has_arrived)
    assert set(await told(page)) == {LOST}
    relay.speak()
    await relay.cut()
