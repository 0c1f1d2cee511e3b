"""A server for all tests of a file, and people who live there from one test to the next."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Route, expect

from tests.browser.lies.peers import Peer
from tests.browser.lies.stage import ANEW
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.relay import Relay
from tests.support.someone import Someone


@asynccontextmanager
async def held_back(page: Page, *addresses: str) -> AsyncIterator[asyncio.Event]:
    """Inside, these requests get no response; the event says that one was asked."""
    asked, may_go = asyncio.Event(), asyncio.Event()

    async def hold_back(route: Route) -> None:
        asked.set()
        await may_go.wait()
        await route.continue_()

    for address in addresses:
        await page.route(address, hold_back)
    try:
        yield asked
    finally:
        may_go.set()
        await page.unroute_all(behavior="wait")


async def opens_anew(someone: Someone) -> None:
    """Open the conversation that the page shows as after a load, but without one: nothing of it is left but what the
    browser stores."""
    assert await someone.page.evaluate(ANEW, someone.page.url.rsplit("/", 1)[1])


class Paused:
    """A request of a page that Chromium has paused, before it is sent or once its answer is there."""

    def __init__(self, session: CDPSession, event: dict[str, Any]) -> None:
        self._session, self._event = session, event
        self._id = {"requestId": event["requestId"]}

    async def goes_on(self) -> None:
        await self._session.send("Fetch.continueRequest", self._id)

    async def fails(self) -> None:
        """As if nobody could be reached."""
        await self._session.send("Fetch.failRequest", self._id | {"errorReason": "ConnectionFailed"})

    async def text(self) -> str:
        """The body of the answer."""
        found: Any = await self._session.send("Fetch.getResponseBody", self._id)
        return base64.b64decode(found["body"]).decode() if found["base64Encoded"] else str(found["body"])

    async def is_answered(self, text: str = "", status: int = 200) -> None:
        """With this body instead, and the headers of the real answer."""
        head = [one for one in self._event.get("responseHeaders", []) if one["name"].lower() != "content-length"]
        body = base64.b64encode(text.encode()).decode()
        given = {"responseCode": status, "responseHeaders": head, "body": body}
        await self._session.send("Fetch.fulfillRequest", self._id | given)


@asynccontextmanager
async def paused(
    page: Page, address: str, act: Callable[[Paused], Awaitable[None]], *, is_answered: bool = False
) -> AsyncIterator[None]:
    """Inside, each request to this address is paused, before it is sent or once it `is_answered`; what `act` does
    decides what becomes of it. Only in Chromium. A page with a route has no HTTP cache, and each of its requests goes
    through this process; here that is so of these alone, so that the page can be loaded meanwhile."""
    session, acts = await page.context.new_cdp_session(page), set[asyncio.Future[None]]()

    def pause(event: dict[str, Any]) -> None:
        acts.add(asyncio.ensure_future(act(Paused(session, event))))

    session.on("Fetch.requestPaused", pause)
    stage = "Response" if is_answered else "Request"
    await session.send("Fetch.enable", {"patterns": [{"urlPattern": address, "requestStage": stage}]})
    try:
        yield
    finally:
        await asyncio.gather(*acts)
        await session.detach()  # lets everything through


@asynccontextmanager
async def refused(page: Page, address: str) -> AsyncIterator[None]:
    """Inside, requests to this address fail. Only in Chromium."""
    async with paused(page, address, Paused.fails):
        yield


class Home:
    """Alice and Bob with their browsers, Bob behind a relay that can be cut, and programs that talk to them."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.browser, self.server, self.relay = browser, server, Relay(server)
        self.people: dict[str, Someone] = {}
        self.peers: list[Peer] = []
        self.neighbors: list[Peer] = []  # who stay from one test to the next
        self.conversation = ""  # Alice's with Bob

    @property
    def contexts(self) -> list[BrowserContext]:
        """Those that a test must leave open."""
        return [someone.context for someone in self.people.values()]

    async def person(self, name: str, *, is_kept: bool = False) -> Someone:
        """Alice or Bob at their list, with nothing left of an earlier test but conversations, and, if `is_kept`, their
        page."""
        if name in self.people:
            await self.people[name].starts_afresh(is_kept=is_kept)
        else:
            if name == "bob":
                await self.relay.mend()
            address = self.relay.url if name == "bob" else ""
            self.people[name] = await Someone.is_in(self.browser, self.server, name, address)
        return self.people[name]

    async def another_device(self) -> Someone:
        """Alice's other browser, at its list."""
        if "alice's device" in self.people:
            await self.people["alice's device"].starts_afresh(is_kept=True)
        else:
            self.people["alice's device"] = await self.people["alice"].on_another_device(self.browser)
        return self.people["alice's device"]

    async def friends(self) -> tuple[Someone, Someone]:
        """Both in their conversation, which Alice started; they see only what is said from now on."""
        if not self.conversation:
            alice, bob = [await self.person(name) for name in ("alice", "bob")]
            await alice.starts_with(bob.search_pin)
            await bob.opens("alice")
            self.conversation = alice.page.url.rsplit("/", 1)[1]
        alice, bob = self.people["alice"], self.people["bob"]
        last = "SELECT last_seq FROM conversations WHERE conversation_id = ?"
        said = Hostile(self.server).run(last, self.conversation)
        for someone in (alice, bob):
            await someone.starts_afresh(f"/c/{self.conversation}", is_open=True)
            await expect(someone.page.get_by_role("textbox", name="Message")).to_be_enabled()
            await someone.page.get_by_role("textbox", name="Message").clear()
            someone.after = said[0]["last_seq"]
        return alice, bob

    async def peer(self, name: str = "") -> Peer:
        """A new account of a program."""
        self.peers.append(await Peer.arrives(self.server, name))
        return self.peers[-1]

    async def neighbor(self) -> Peer:
        """One that stays from one test to the next."""
        self.neighbors.append(await Peer.arrives(self.server))
        return self.neighbors[-1]

    async def peers_leave(self) -> None:
        """Close their connections."""
        while self.peers:
            await self.peers.pop().leaves()

    async def ends(self) -> None:
        """Close everything."""
        self.peers += self.neighbors
        await self.peers_leave()
        for context in self.contexts:
            await context.close()
        await self.relay.cut()
        self.server.kill()
