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


async def test_a_quiet_connection_is_asked_for_an_answer_and_stays(home: Home, browser: Browser) -> None:
    dana, peer, relay = await dana_behind(home, browser)
    before = asks(dana)
    await skip(dana.page, QUIET)
    await until(lambda: asks(dana) > before)
    await until(lambda: "pong" in dana.traffic[-1])
    await skip(dana.page, ANSWER)
    await peer.writes("still live")
    await dana.sees("before", "live", "still live")
    assert await told(dana.page) == []
    await relay.cut()


async def test_messages_arrive_even_if_no_websocket_gets_through(home: Home, browser: Browser) -> None:
    dana, peer, relay = await dana_behind(home, browser)
    relay.silence()
    await peer.writes("by HTTP alone")

    async def has_arrived() -> bool:
        await skip(dana.page, ANSWER)
        return await texts_of(dana.page).count() == 3

    await until(has_arrived)
    assert set(await told(dana.page)) == {LOST}
    relay.speak()
    await relay.cut()


async def test_a_connection_is_checked_at_once_when_there_is_a_reason_to_doubt(home: Home, browser: Browser) -> None:
    dana, _, relay = await dana_behind(home, browser)

    async def asks_and_hears(cause: Awaitable[object]) -> None:
        before = asks(dana)
        await cause
        await until(lambda: asks(dana) > before and "pong" in dana.traffic[-1])

    for event in ("focus", "online", "pageshow"):
        await asks_and_hears(dana.page.evaluate("(name) => { dispatchEvent(new Event(name)); }", event))
    await asks_and_hears(skip(dana.page, SLEPT, "Date"))  # the device woke
    relay.silence()
    await dana.page.evaluate("() => { dispatchEvent(new Event('focus')); }")
    await skip(dana.page, ANSWER // 2)  # sooner than otherwise
    await expect(dana.page.locator("#connection")).to_have_text(LOST)
    relay.speak()
    await relay.cut()
