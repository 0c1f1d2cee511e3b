"""The stage of every lie: who is lied to, how they find that nothing came of it, and that the page carries on."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.lies.fragments import HONEST, element, partial
from tests.browser.lies.liar import Liar
from tests.browser.lies.peers import Peer
from tests.browser.lies.watching import FORGED, STOLEN, Watch, everything_on
from tests.conftest import Server
from tests.support.hostile import contact_of
from tests.support.someone import Someone, texts_of, until

TAMPERED = "is not the one of this version of EZ-DMS"
REFUSED = f"{TAMPERED}: its text, its fields or its style were changed"
OUT_OF_PLACE = "sent something that does not belong on this page"
DRAFT = "the harbour at midnight"
LOGIN_PIN = "ABCD-EFGH-JKMN-PQRS"
USERNAME = "carol-of-the-north"

# What was said above everything is taken away; true if nothing else is amiss, and one can write.
BE_WELL = """() => {
    document.querySelector("#page-alert")?.replaceChildren();
    const field = document.querySelector("message-composer textarea");
    return !document.querySelector("[role=alert]:not(:empty), [data-failed]")
        && !!field && !field.disabled && !field.value;
}"""

MANY = 12  # messages of Bob

# The contact of the open conversation as the vault on the server has it.
STORED_VAULT = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [C, K] = await Promise.all([import(at("crypto")), import(at("keystore"))]);
    for (;;) {
        const { blob } = await (await fetch("/vault", { headers: { Accept: "application/json" } })).json();
        const vault = await C.openVault(await K.loadAccount(), blob);
        const { version, isDirty } = await K.loadVaultState();
        if (vault.version === version && !isDirty) return vault.contacts[location.pathname.slice(3)];
    }
}"""

_lines = itertools.count(1)


@dataclass
class Stage:
    """Alice at her browser, Bob as a program, and the liar between them."""

    liar: Liar
    truth: Server
    browser: Browser
    alice: Someone
    bob: Peer
    watch: Watch = field(init=False)
    peers: list[Peer] = field(default_factory=list)
    further: int = 0
    friend: Peer = field(init=False)

    @property
    def page(self) -> Page:
        return self.alice.page

    @property
    def address(self) -> str:
        return f"{self.liar.url}/c/{self.bob.conversation}"

    @property
    def warning(self) -> Locator:
        """What is said above everything."""
        return self.page.locator("#page-alert")

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    async def begin(self) -> None:
        """Alice is in the conversation with Bob, as she was, and nothing is said; a page that is so stays."""
        if len(self.bob.sent) > MANY:
            await self.meets_bob()
        self.watch = Watch(self.page, self.liar)
        if self.page.url != self.address or not await self.page.evaluate(BE_WELL):
            await self.opens()

    async def meets_bob(self) -> None:
        """Another Bob, whom Alice has verified too, and a new conversation: a short one opens in half the time."""
        self.peers.append(self.bob)
        self.bob = await Peer.arrives(self.truth, "bob")
        await self.page.goto(self.liar.url)
        await self.alice.starts_with(self.bob.search_pin)
        await self.bob.starts_with(self.alice.search_pin)
        await self.bob.writes("hello alice")
        await self.alice.sees("hello alice")

    async def meets_somebody(self, *texts: str, name: str = "bob") -> None:
        """A new peer started a conversation with Alice and wrote this; she has not looked yet. Bob is them for now."""
        self.friend, self.bob = self.bob, await Peer.arrives(self.truth, name)
        await self.bob.starts_with(self.alice.search_pin)
        for text in texts:
            await self.bob.writes(text)

    async def comes_back(self) -> None:
        """Bob is who he was."""
        self.peers.append(self.bob)
        self.bob = self.friend

    async def says(self, text: str) -> None:
        """Alice writes; it is there."""
        there = texts_of(self.page).filter(has_text=text)
        before = await there.count()  # another case may have said the same
        await self.composer.fill(text)
        await self.composer.press("Enter")
        await expect(there).to_have_count(before + 1)

    async def says_if_it_can(self, text: str) -> None:
        """Alice writes, unless an alarm stands."""
        if await self.composer.is_enabled():
            await self.says(text)

    async def remembers(self) -> tuple[list[Any] | None, list[Any] | None]:
        """How far Alice's browser remembers both sides, once it noted what she just wrote; the vault says the same."""
        mine = (await self.bob.rows())[-1]

        async def is_noted() -> bool:
            return bool(((await self.contact())["own"] or [0])[0] == mine["n"])

        await until(is_noted)
        contact = await self.contact()
        stored = await self.page.evaluate(STORED_VAULT)
        assert stored["own"] == contact["own"]
        assert stored["theirs"] == contact["theirs"]
        return contact["own"], contact["theirs"]

    async def end(self) -> None:
        """Everybody goes."""
        await asyncio.gather(*(peer.leaves() for peer in (self.bob, *self.peers)))
        await asyncio.sleep(0.01)  # the loop closes what was left

    async def opens(self, path: str = "") -> None:
        """Load the conversation anew, or another address."""
        await self.page.goto(f"{self.liar.url}{path}" if path else self.address, wait_until="commit")
        if not path:
            await expect(self.composer).to_be_enabled()
            await expect(texts_of(self.page).first).to_be_visible()

    async def carries_on(self, secret: str = DRAFT) -> None:
        """Nothing that is typed leaves the browser unsealed; what is sent reaches Bob, and his answer Alice."""
        line = f"{secret} {next(_lines)}"
        await self.composer.fill(line)
        await self.composer.press("Enter")
        await expect(texts_of(self.page).last).to_have_text(line)
        said = await self.bob.last()
        assert said.text == line
        answer = f"yes {next(_lines)}"
        await self.bob.writes(answer, a=(said.n, (await self.bob.rows())[-1]["hash"]))
        await expect(texts_of(self.page).last).to_have_text(answer)
        assert self.watch.leaked(line, self.alice.login_pin) == []

    @property
    def started(self) -> Locator:
        """What is said where a conversation is started."""
        return self.page.locator("aside start-conversation [role=alert]")

    async def tries_to_start(self, search_pin: str) -> None:
        """Enter a Search PIN beside the list."""
        await self.page.get_by_role("textbox", name="Search PIN").fill(search_pin)
        await self.page.get_by_role("button", name="Start").click()

    async def is_in_or_logs_in(self) -> None:
        """In the conversation, by the Login PIN if the browser has forgotten who this is."""
        await expect(self.page.locator("#login-pin, message-thread").first).to_be_visible()
        if await self.page.locator("#login-pin").count():
            await self.alice.logs_in()
        await self.opens()

    async def is_listening(self) -> None:
        """The page's socket is open, and what it asked for at its start is there."""
        marker = await self.hears_from_bob()
        await expect(texts_of(self.page).last).to_have_text(marker)

    def news(self) -> str:
        """An honest frame's form: this conversation has come further than the page knows."""
        self.further += 1
        line = {"data-conversation-id": self.bob.conversation, "data-last-seq": str(10_000 + self.further)}
        return partial(element("conversation-item", HONEST["conversation-item"] | line), "#conversations", "afterbegin")

    async def hears_from_bob(self) -> str:
        """An honest message comes the same way; its text."""
        marker = f"marker {next(_lines)}"
        await self.bob.writes(marker)
        return marker

    async def shows_nothing_of_it(self, known: str = "bob") -> None:
        """No word of a lie is to be seen or heard, nor stands anywhere in the page."""
        words = await everything_on(self.page)
        assert FORGED not in words
        assert STOLEN not in words
        assert known in words  # the control: this is how one would see it

    async def contact(self) -> dict[str, Any]:
        """What Alice's browser remembers of Bob."""
        return await contact_of(self.page)


class Visitor:
    """Somebody at the front page, without an account."""

    watch: Watch

    def __init__(self, liar: Liar, page: Page) -> None:
        self.liar = liar
        self.page = page

    @property
    def warning(self) -> Locator:
        """What is said above everything."""
        return self.page.locator("#page-alert")

    async def opens(self, path: str = "/") -> None:
        """Load the page; it stands when its fields can be used."""
        await self.page.goto(f"{self.liar.url}{path}", wait_until="commit")
        await expect(self.page.get_by_role("textbox", name="Login PIN")).to_be_enabled()

    async def types_and_nothing_leaves(self) -> None:
        """The fields are the true ones, and take what is typed; the browser tells nobody."""
        await self.page.get_by_role("textbox", name="Username").fill(USERNAME)
        field = self.page.get_by_role("textbox", name="Login PIN")
        await field.press_sequentially(LOGIN_PIN[:6])
        await field.fill(LOGIN_PIN)
        await self.page.keyboard.press("Tab")
        await expect(field).to_have_value(LOGIN_PIN)
        assert self.watch.leaked(LOGIN_PIN, USERNAME) == []

    async def shows_nothing_of_it(self) -> None:
        """No word of a lie is to be seen or heard, nor stands anywhere in the page."""
        words = await everything_on(self.page)
        assert FORGED not in words
        assert STOLEN not in words
        assert "EZ-DMS" in words  # the control: this is how one would see it
