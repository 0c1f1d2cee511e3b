"""Somebody at a browser of their own: what they do, and everything that leaves or reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, WebSocket, expect

from tests.conftest import Server

# Seals and sends in the page, as the composer does, but without typing.
FILL = """async (count) => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [C, { postForm }] = await Promise.all([import(at("crypto")), import(at("server"))]);
    const { me, partner } = await document.querySelector("message-thread").ready;
    const conversation_id = location.pathname.slice(3);
    for (let n = 1, p = ""; n <= count; n += 1) {
        const sealed = await C.sealMessage(me, partner, { n, p, a: [0, ""], ts: Date.now(), text: `line ${n}` });
        const { message_id, hash, suite, content_for_a, content_for_b } = sealed;
        await postForm("/send_message", { conversation_id, message_id, n, hash, suite, content_for_a, content_for_b });
        p = hash;
    }
}"""


class Someone:
    """A person in a browser context of their own; `addresses` keeps what was asked for, `traffic` all that was said."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.login_pin = ""
        self.search_pin = ""
        self._traffic: list[str] = []
        self.addresses: list[str] = []
        self.errors: list[str] = []
        self.context: BrowserContext
        self.page: Page

    @classmethod
    async def arrives(cls, browser: Browser, server: Server, name: str, address: str = "", **options: Any) -> Someone:
        """Open the front page, at the server's own or another address, in a new context."""
        someone = cls(server, name)
        someone.context = await browser.new_context(**options)
        someone.context.set_default_timeout(30_000)
        someone.page = await someone.new_tab()
        await someone.page.goto(address or server.url)
        await someone.page.wait_for_selector("log-in")  # the script draws the page
        return someone

    async def new_tab(self) -> Page:
        """Another tab of the same browser, listened to."""
        page = await self.context.new_page()
        page.on("request", self._keep_request)
        page.on("websocket", self._keep_frames)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._keep_error)
        return page

    def _keep_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _keep_request(self, request: Request) -> None:
        self.addresses.append(request.url)
        self._traffic.append(f"{request.method} {request.url} {request.headers} {request.post_data}")

    def _keep_frames(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._traffic.append(f"sent {frame!r}"))
        socket.on("framereceived", lambda frame: self._traffic.append(f"received {frame!r}"))

    async def creates_an_account(self) -> Someone:
        """From the front page to the empty list."""
        page = self.page
        await page.get_by_role("textbox", name="Username").fill(self.name)
        await page.get_by_role("button", name="Create an account").click()
        await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
        self.login_pin = await page.get_by_test_id("login-pin").inner_text()
        self.search_pin = await page.get_by_test_id("search-pin").inner_text()
        await page.get_by_role("checkbox", name="I have saved my Login PIN").check()
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_test_id("my-search-pin")).to_have_text(self.search_pin)
        return self

    async def logs_in(self, page: Page | None = None) -> None:
        """With the Login PIN."""
        page = page or self.page
        await page.get_by_role("textbox", name="Login PIN").fill(self.login_pin)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_test_id("my-search-pin")).to_have_text(self.search_pin)

    async def on_another_device(self, browser: Browser) -> Someone:
        """The same person, logged in with another browser."""
        device = await Someone.arrives(browser, self.server, self.name)
        device.login_pin, device.search_pin = self.login_pin, self.search_pin
        await device.logs_in()
        return device

    async def starts_with(self, search_pin: str) -> None:
        """Enter a Search PIN; the conversation opens."""
        await self.page.get_by_role("textbox", name="Search PIN").fill(search_pin)
        await self.page.get_by_role("button", name="Start").click()
        await expect(self.page.get_by_text("Verified by Search PIN")).to_be_visible()

    async def opens(self, name: str) -> None:
        """Choose a conversation in the list."""
        await self.list.get_by_role("link", name=name).click()
        await expect(self.page.get_by_role("heading", name=name)).to_be_visible()

    async def writes(self, text: str, page: Page | None = None) -> None:
        """Type and send."""
        page = page or self.page
        await page.get_by_role("textbox", name="Message").fill(text)
        await page.get_by_role("button", name="Send").click()

    async def writes_many(self, count: int) -> None:
        """The first messages of a conversation: "line 1" to "line {count}"."""
        await self.page.evaluate(FILL, count)

    async def sees(self, *texts: str, page: Page | None = None) -> None:
        """Exactly these messages, in order."""
        await expect(texts_of(page or self.page)).to_have_text(list(texts))

    @property
    def traffic(self) -> Sequence[str]:
        """Every request, answer and frame. Firefox's driver shows no body and no frame: that would prove nothing."""
        browser = self.context.browser
        assert browser is None or browser.browser_type.name == "chromium", "only Chromium shows all that leaves it"
        return self._traffic

    @property
    def list(self) -> Locator:
        """The conversation list."""
        return self.page.get_by_role("navigation", name="Conversations")

    @property
    def alert(self) -> Locator:
        """The one error on the page."""
        return self.page.get_by_role("alert")


async def until(is_so: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for something outside the page to become true."""
    for _ in range(400):
        answer = is_so()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not become true")


def texts_of(page: Page) -> Locator:
    """The texts of all messages on the page."""
    return page.get_by_role("log").locator("sealed-text")
