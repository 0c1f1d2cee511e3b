"""A person with their own browser: what they do, and all traffic in and out of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

from cryptography.hazmat.primitives import serialization
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, WebSocket, expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from ezdms.views.assets import address_of
from tests.conftest import PATIENCE, Server
from tests.support.people import JSON, registration

# Seals and sends in the page like the composer, but without typing.
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

# Stores an account where the page keeps it, as registration does; the keys already exist.
MOVE_IN = """async ([crypto, keystore, { user_id, username, search_salt, sig, enc, ...open }]) => {
    const [C, K] = await Promise.all([import(crypto), import(keystore)]);
    const [ik, spki] = [open.ik, open.spki].map((text) => C.b64uDecode(text));
    const take = (key, algorithm, use) =>
        globalThis.crypto.subtle.importKey("pkcs8", C.b64uDecode(key), algorithm, false, [use]);
    await K.saveAccount({
        user_id, username, search_salt, ik, spki, fp: await C.fingerprint(ik),
        sig: await take(sig, "Ed25519", "sign"), enc: await take(enc, { name: "RSA-OAEP", hash: "SHA-256" }, "decrypt"),
    });
}"""

# Accepts the open conversation if it is a request, without a click.
ACCEPT = """async () => {
    const thread = document.querySelector("message-thread");
    await thread.ready.then(() => thread.contact.answer(), () => {});
}"""

# Go to the list or a conversation without a load. False if this page is not one of them.
GO = """(path) => {
    if (!document.body.classList.contains("session") || !/^[/](c[/].+)?$/.test(location.pathname)) return false;
    history.pushState(null, "", path);
    dispatchEvent(new PopStateEvent("popstate"));
    return true;
}"""

# How much this browser keeps in each store of IndexedDB.
STORED = """async () => {
    const request = indexedDB.open("ezdms");
    await new Promise((resolve) => { request.onsuccess = resolve; });
    const names = [...request.result.objectStoreNames];
    const transaction = request.result.transaction(names);
    const counts = names.map((name) => transaction.objectStore(name).count());
    await new Promise((resolve) => { transaction.oncomplete = resolve; });
    request.result.close();
    return counts.map((count) => count.result);
}"""


class Someone:
    """A person in their own browser context. Once it is recorded, `addresses` has the requested URLs, and `traffic` all
    data in and out: being told of every request takes a tenth of the CPU time of a page load."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.login_pin = ""
        self.search_pin = ""
        self.address = server.url  # where the browser finds the server
        self.after = 0  # `sees` ignores messages of the conversation up to this one
        self._traffic: list[str] = []
        self._addresses: list[str] = []
        self._recorded: list[Page] = []
        self.is_recorded = False
        self.accepts = True  # whoever writes; False: nobody by itself
        self.errors: list[str] = []
        self.context: BrowserContext
        self.page: Page

    @classmethod
    async def arrives(
        cls, browser: Browser, server: Server, name: str, address: str = "", *, recorded: bool = False, **options: Any
    ) -> Someone:
        """Open the front page in a new context, at the server's or another address."""
        someone = cls(server, name)
        someone.is_recorded = recorded
        someone.context = await browser.new_context(**options)
        someone.context.set_default_timeout(PATIENCE)
        someone.page = await someone.new_tab()
        await someone.page.goto(address or server.url)
        if not address and options.get("java_script_enabled", True):
            await someone.page.wait_for_selector("log-in")  # the script draws the page
        return someone

    @classmethod
    async def is_in(
        cls, browser: Browser, server: Server, name: str, address: str = "", *, recorded: bool = False, **options: Any
    ) -> Someone:
        """Return a new person with an account, logged in and at their list, without a click."""
        someone = cls(server, name)
        someone.is_recorded = recorded
        someone.context = await browser.new_context(**options)
        someone.context.set_default_timeout(PATIENCE)
        someone.page = await someone.new_tab()
        home = someone.address = address or server.url
        deployment = await someone.context.request.get(f"{home}/deployment", headers=JSON)
        keys, pin = crypto.generate_keys(), crypto.new_login_pin()
        someone.login_pin = crypto.show_login_pin(pin)
        login = crypto.login_keys(pin, b64u_decode((await deployment.json())["deployment_id"], 16))
        fields = registration(keys, name, **asdict(login), **asdict(crypto.wrap_keys(pin, keys)))
        answer = await someone.context.request.post(f"{home}/register", form=fields, headers=JSON)
        assert answer.status == 201, await answer.text()
        account = await answer.json()
        someone.search_pin = account["search_pin"]
        await someone.page.route(f"{home}/empty", lambda route: route.fulfill(content_type="text/html", body=""))
        await someone.page.goto(f"{home}/empty")
        stored = {"user_id": account["user_id"], "username": name, "search_salt": fields["search_salt"]}
        code = [address_of("js/crypto.js"), address_of("js/keystore.js")]
        await someone.page.evaluate(MOVE_IN, [*code, stored | in_pkcs8(keys)])
        await someone.page.unroute(f"{home}/empty")
        someone.forgets_the_past()
        await someone.page.goto(home)
        await expect(someone.page.get_by_test_id("my-search-pin")).to_have_text(someone.search_pin)
        return someone

    async def new_tab(self) -> Page:
        """Open another tab of the same browser; its traffic is recorded like that of the others."""
        page = await self.context.new_page()
        if self.is_recorded:
            self._record(page)
        page.on("websocket", self._keep_frames)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._keep_error)
        return page

    def records(self) -> None:
        """Record from now on what any tab sends and receives, until the test ends."""
        if not self.is_recorded:
            self.is_recorded = True
            for page in self.context.pages:
                self._record(page)

    def _record(self, page: Page) -> None:
        page.on("request", self._keep_request)
        self._recorded.append(page)

    def _keep_error(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _keep_request(self, request: Request) -> None:
        self._addresses.append(request.url)
        self._traffic.append(f"{request.method} {request.url} {request.headers} {request.post_data}")

    def _keep_frames(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._traffic.append(f"sent {frame!r}"))
        socket.on("framereceived", lambda frame: self._traffic.append(f"received {frame!r}"))

    async def creates_an_account(self) -> Someone:
        """Go from the front page to the empty list."""
        page = self.page
        await page.get_by_role("textbox", name="Username").fill(self.name)
        await page.get_by_role("button", name="Create account").click()
        await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
        self.login_pin = await page.get_by_test_id("login-pin").inner_text()
        self.search_pin = await page.get_by_test_id("search-pin").inner_text()
        await page.get_by_role("textbox", name="Last 4 characters of your Login PIN").fill(self.login_pin[-4:])
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_test_id("my-search-pin")).to_have_text(self.search_pin)
        return self

    async def logs_in(self, page: Page | None = None) -> None:
        """Log in with the Login PIN."""
        page = page or self.page
        await page.get_by_label("Login PIN", exact=True).fill(self.login_pin)
        await page.get_by_role("button", name="Log in", exact=True).click()
        await expect(page.get_by_test_id("my-search-pin")).to_have_text(self.search_pin)

    async def logs_out(self, page: Page | None = None) -> None:
        """Log out in the settings."""
        page = page or self.page
        if not page.url.endswith("/settings"):
            await page.get_by_role("link", name="Settings").click()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_text("You need your Login PIN to come back. Do you have it?")).to_be_visible()
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_text("You logged out.")).to_be_visible()

    async def goes_to(self, path: str = "/") -> None:
        """Go to the list or a conversation, by a load only if the page shows neither."""
        if not await self.page.evaluate(GO, path):
            await self.page.goto(self.address + path)

    async def starts_afresh(self, path: str = "/", *, is_open: bool = False, is_kept: bool = False) -> None:
        """Load this path, unless it may stay open; nothing is left of an earlier test but what the browser stores.
        `is_kept`: go there without a load, on a page that no earlier test has altered."""
        for page in self.context.pages:
            if page is not self.page:
                await page.close()
        await self.context.unroute_all(behavior="wait")
        await self.page.unroute_all()
        self.is_recorded = False
        while self._recorded:
            self._recorded.pop().remove_listener("request", self._keep_request)
        self.after = 0
        if is_kept:
            await self.goes_to(path)
        elif not is_open or self.page.url != self.address + path:
            await self.page.goto(self.address + path)
        self.forgets_the_past()

    def forgets_the_past(self) -> None:
        """Keep only what happens from now on."""
        for recorded in (self._addresses, self._traffic, self.errors):
            recorded.clear()

    async def on_another_device(self, browser: Browser) -> Someone:
        """The same person, logged in with another browser."""
        device = await Someone.arrives(browser, self.server, self.name)
        device.login_pin, device.search_pin = self.login_pin, self.search_pin
        await device.logs_in()
        return device

    async def new_chat(self, page: Page | None = None) -> Locator:
        """Open “New chat”, unless it is open; returns its field."""
        page = page or self.page
        field = page.get_by_role("textbox", name="Their Search PIN")
        if not await field.is_visible():
            await page.get_by_role("button", name="New chat").click()
        return field

    async def looks_up(self, search_pin: str, page: Page | None = None) -> None:
        """Enter a Search PIN in “New chat”."""
        page = page or self.page
        await (await self.new_chat(page)).fill(search_pin)
        await page.get_by_role("button", name="Start").click()

    async def starts_with(self, search_pin: str) -> None:
        """Enter a Search PIN; the conversation opens, instead of another one that may be open and verified, too."""
        async with self.page.expect_response(lambda one: one.url.endswith("/start_conversation") and one.ok) as answer:
            await self.looks_up(search_pin)
        where = (await (await answer.value).json())["conversation_id"]
        await expect(self.page).to_have_url(re.compile(f"/c/{where}$"))
        await expect(self.page.get_by_text("Verified by Search PIN")).to_be_visible()

    async def opens(self, name: str) -> None:
        """Choose a conversation in the list, and accept it if it is a request."""
        await self.list.get_by_role("link", name=name).click()
        await expect(self.page.locator(".partner").get_by_role("heading", name=name)).to_be_visible()
        if self.accepts:
            await self.page.evaluate(ACCEPT)

    async def writes(self, text: str, page: Page | None = None) -> None:
        """Type and send."""
        page = page or self.page
        await page.get_by_role("textbox", name="Message").fill(text)
        await page.get_by_role("button", name="Send").click()

    async def writes_many(self, count: int) -> None:
        """The first messages of a conversation: "line 1" to "line {count}"."""
        await self.page.evaluate(FILL, count)

    async def sees(self, *texts: str, page: Page | None = None) -> None:
        """Wait for exactly these messages, in order."""
        await expect(texts_of(page or self.page, self.after)).to_have_text(list(texts))

    @property
    def addresses(self) -> Sequence[str]:
        """Every requested URL."""
        assert self.is_recorded, "nobody recorded what this browser requests"
        return self._addresses

    @property
    def traffic(self) -> Sequence[str]:
        """Every request and frame. Chromium only: Firefox's driver shows neither bodies nor frames."""
        assert self.is_recorded, "nobody recorded what this browser sends"
        browser = self.context.browser
        assert browser is None or browser.browser_type.name == "chromium", "only Chromium shows all outgoing traffic"
        return self._traffic

    @property
    def list(self) -> Locator:
        """The conversation list."""
        return self.page.get_by_role("navigation", name="Conversations")

    @property
    def alert(self) -> Locator:
        """The error on the page."""
        return self.page.get_by_role("alert")


def in_pkcs8(keys: crypto.Keys) -> dict[str, str]:
    """The public keys, and the private keys as a browser imports them, as b64u."""
    private = {
        name: key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for name, key in (("sig", keys.identity), ("enc", keys.encryption))
    }
    return {name: b64u_encode(raw) for name, raw in ({"ik": keys.ik, "spki": keys.spki} | private).items()}


async def until(is_so: Callable[[], bool | Awaitable[bool]], *, within: float = PATIENCE / 1000) -> None:
    """Wait for something outside the page to become true; `within`: seconds."""
    for _ in range(round(within * 20)):
        answer = is_so()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not become true")


def texts_of(page: Page, after: int = 0) -> Locator:
    """The texts of the messages on the page that come after this one of the conversation."""
    return page.get_by_role("log").locator(f"xpath=.//message-row[@data-seq > {after}]//sealed-text")
