"""Live means live: a connection that has died without a word is noticed, and what was missed appears."""

from __future__ import annotations

from collections.abc import Awaitable

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
    """What the page has said about the connection; it is silent again a few seconds later."""
    return [one for one in await page.evaluate("() => window.told") if one]


def asks(dana: Someone) -> int:
    """How often the page has asked for an answer."""
    return sum("ping" in one for one in dana.traffic)


async def test_a_connection_that_is_quiet_or_doubtful_is_asked_for_an_answer_and_a_silent_one_is_noticed_and_replaced(
    home: Home, browser: Browser
) -> None:
    dana, peer, relay = await dana_behind(home, browser)
    page, said = dana.page, ["before", "live"]

    async def asks_and_hears(cause: Awaitable[object]) -> None:
        before = asks(dana)
        await cause
        await until(lambda: asks(dana) > before and "pong" in dana.traffic[-1])

    await asks_and_hears(skip(page, QUIET))
    await skip(page, ANSWER)
    said.append("still live")
    await peer.writes(said[-1])
    await dana.sees(*said)
    assert await told(page) == []

    relay.silence()
    said.append("are you there?")
    await peer.writes(said[-1])
    await page.evaluate("() => dispatchEvent(new Event('online'))")  # claims nothing
    await skip(page, QUIET + ANSWER)
    await expect(page.locator("#connection")).to_have_text(LOST)
    relay.speak()
    await dana.sees(*said)

    async def is_back() -> bool:
        return BACK in await told(page)

    await until(is_back)
    assert await told(page) == [LOST, BACK]
    said.append("live again")
    await peer.writes(said[-1])
    await dana.sees(*said)

    await page.evaluate("() => { window.told.length = 0; }")
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
        return await texts_of(page).count() == len(said) + 1

    await until(has_arrived)
    assert set(await told(page)) == {LOST}
    relay.speak()
    await relay.cut()
