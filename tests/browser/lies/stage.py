"""The people who are lied to, and the checks that a lie had no effect and the page still works."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
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

# Clears the page's warning; true if there is no alarm or failure, and the message field is shown, enabled and empty.
BE_WELL = """() => {
    document.querySelector("#page-alert")?.replaceChildren();
    const field = document.querySelector("message-composer textarea");
    return !document.querySelector("[role=alert]:not(:empty), [data-failed]")
        && !!field && !field.disabled && field.checkVisibility() && !field.value;
}"""

# Goes to the list without a load. False if there are warnings, or no conversations, on this page.
HOME = """async () => {
    if (!document.body.classList.contains("session") || document.querySelector("#page-alert:not(:empty)")) return false;
    (await import(document.querySelector("[src*=boot]").src.replace("boot", "navigate"))).go("/");
    return true;
}"""

# Forgets the conversation that the page shows, and opens this one as a page does that has just been loaded, without a
# load. False if there are warnings, or no conversations, on this page.
ANEW = """async (conversation) => {
    if (!document.body.classList.contains("session") || document.querySelector("#page-alert:not(:empty)")) return false;
    const { currentThread, go, leaveForGood } = await import(
        document.querySelector("[src*=boot]").src.replace("boot", "navigate"));
    const thread = currentThread();
    go("/");
    if (thread) leaveForGood(thread);
    go(`/c/${conversation}`);
    return true;
}"""

# Calls a function of one of the page's modules.
CALL = """async ([module, name, given]) => {
    const called = await import(document.querySelector("[src*=boot]").src.replace("boot", module));
    return called[name](...given).then((result) => ({ result }), ({ message }) => ({ message }));
}"""

# The contact of the open conversation, once this browser has stored that its own last message has this number.
NOTED = """async (n) => {
    const { loadContact } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    for (let tries = 0; tries < 400; tries += 1) {
        const contact = await loadContact(location.pathname.slice(3));
        if (contact?.own?.[0] === n) return contact;
        await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    throw new Error("This browser did not store its last message.");
}"""

MANY, OTHERS = 12, 12  # messages of Bob, and other contacts

# The contact of the open conversation, as stored in the vault on the server.
STORED_VAULT = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [C, K] = await Promise.all([import(at("crypto")), import(at("keystore"))]);
    for (;;) {
        const { version, isDirty } = await K.loadVaultState();
        if (!isDirty) {
            const { blob } = await (await fetch("/vault", { headers: { Accept: "application/json" } })).json();
            const vault = await C.openVault(await K.loadAccount(), blob);
            if (vault.version === version) return vault.contacts[location.pathname.slice(3)];
        }
        await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
}"""

_lines = itertools.count(1)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Inside, a failure says which of a test's lies it was."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"the lie: {name}")
        raise


@dataclass
class Stage:
    """Alice at her browser, Bob as a program, and the lying server between them."""

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
        """The warning above the page."""
        return self.page.locator("#page-alert")

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message")

    async def begin(self) -> None:
        """Put Alice into the conversation with Bob, without warnings; reload only if necessary."""
        await self.is_in()
        if len(self.bob.sent) > MANY:
            await self.meets_bob()
        self.watch = Watch(self.page, self.liar)
        if self.page.url != self.address or not await self.page.evaluate(BE_WELL):
            await self.opens_anew()

    async def is_in(self) -> None:
        """Have Alice logged in, with few contacts: with thirty, a page takes half as long again to open, and five times
        as long to look through for forged text."""
        if len(self.peers) > OTHERS:
            await self.alice.context.close()
            self.alice = await Someone.is_in(self.browser, self.truth, "alice", self.liar.url)
            await self.meets_bob()
            await asyncio.gather(*(peer.leaves() for peer in self.peers))
            self.peers.clear()
        await self.is_logged_in()

    async def is_logged_in(self) -> None:
        """Log Alice in again if the last test ended with a lie about her session."""
        if await self.page.locator("#login-pin").count():
            await self.alice.logs_in()

    async def calls(self, module: str, function: str, *given: Any) -> Any:
        """Call a function of one of the page's own modules: its result, or the sentence of its error."""
        return await self.page.evaluate(CALL, [module, function, given])

    async def meets_bob(self) -> None:
        """Start a conversation with a new verified Bob: a short one opens in half the time."""
        self.peers.append(self.bob)
        self.bob = await Peer.arrives(self.truth, "bob")
        if not await self.page.evaluate(HOME):
            await self.page.goto(self.liar.url)
        await self.alice.starts_with(self.bob.search_pin)
        await self.bob.starts_with(self.alice.search_pin)
        await self.bob.writes("hello alice")
        await self.alice.sees("hello alice")

    async def meets_a_new_contact(self, *texts: str, name: str = "bob") -> None:
        """Have a new peer write to Alice, who has not looked yet. `bob` is this peer for now."""
        self.friend, self.bob = self.bob, await Peer.arrives(self.truth, name)
        await self.bob.starts_with(self.alice.search_pin)
        for text in texts:
            await self.bob.writes(text)

    async def comes_back(self) -> None:
        """Make `bob` the original Bob again."""
        self.peers.append(self.bob)
        self.bob = self.friend

    async def says(self, text: str) -> None:
        """Alice writes, and her message is shown."""
        there = texts_of(self.page).filter(has_text=text)
        before = await there.count()  # another case may have sent the same text
        await self.composer.fill(text)
        await self.composer.press("Enter")
        await expect(there).to_have_count(before + 1)

    async def says_if_it_can(self, text: str) -> None:
        """Alice writes, unless an alarm prevents it."""
        if await self.composer.is_enabled():
            await self.says(text)

    async def remembers(self) -> tuple[list[Any] | None, list[Any] | None]:
        """Return the heads of both sides that Alice's browser and vault have stored, including her last message."""
        contact = await self.page.evaluate(NOTED, (await self.bob.rows())[-1]["n"])
        stored = await self.page.evaluate(STORED_VAULT)
        assert stored["own"] == contact["own"]
        assert stored["theirs"] == contact["theirs"]
        return contact["own"], contact["theirs"]

    async def end(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(peer.leaves() for peer in (self.bob, *self.peers)))
        await asyncio.sleep(0.01)  # let the loop close the connections

    async def opens(self, path: str = "") -> None:
        """Reload the conversation, or load another address."""
        await self.page.goto(f"{self.liar.url}{path}" if path else self.address, wait_until="commit")
        if not path:
            await expect(self.composer).to_be_enabled()
            await expect(texts_of(self.page).first).to_be_visible()

    async def opens_anew(self, *, is_well: bool = True) -> None:
        """The same without a load, for a quarter of the CPU time: nothing of the conversation is left but what the
        browser stores. `is_well`: no lie prevents that messages are shown and can be written."""
        if not await self.page.evaluate(ANEW, self.bob.conversation):
            await self.page.goto(self.address, wait_until="commit")
        if is_well:
            await expect(self.composer).to_be_enabled()
            await expect(texts_of(self.page).first).to_be_visible()

    async def carries_on(self, secret: str = DRAFT) -> None:
        """Typed text leaves the browser only sealed; messages still pass both ways."""
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
        """The error below the field that starts a conversation."""
        return self.page.locator("aside start-conversation [role=alert]")

    async def tries_to_start(self, search_pin: str) -> None:
        """Enter a Search PIN in “New chat”."""
        await self.alice.looks_up(search_pin)

    async def tries_again(self) -> None:
        """Press Enter in the same field, which still has the Search PIN, and wait for the response."""
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("aside start-conversation [type=submit]")).to_have_text("Start")

    async def is_in_or_logs_in(self) -> None:
        """Open the conversation, with the Login PIN if the browser has logged out."""
        await expect(self.page.locator("#login-pin, message-thread").first).to_be_visible()
        await self.is_logged_in()
        await self.opens_anew()

    async def is_listening(self) -> None:
        """Wait until the page's socket is open and its first responses have arrived."""
        await until(lambda: self.liar.has_socket)  # a message may also come with the page
        marker = await self.hears_from_bob()
        await expect(texts_of(self.page).last).to_have_text(marker)

    def news(self) -> str:
        """Return a well-formed frame which says that this conversation has newer messages."""
        self.further += 1
        line = {"data-conversation-id": self.bob.conversation, "data-last-seq": str(10_000 + self.further)}
        return partial(element("conversation-item", HONEST["conversation-item"] | line), "#conversations", "afterbegin")

    async def hears_from_bob(self) -> str:
        """Have Bob send an honest message the same way, and return its text."""
        marker = f"marker {next(_lines)}"
        await self.bob.writes(marker)
        return marker

    async def shows_nothing_of_it(self, known: str = "bob") -> None:
        """Nothing of a lie can be seen or heard, or is anywhere in the page."""
        words = await everything_on(self.page)
        assert FORGED not in words
        assert STOLEN not in words
        assert known in words  # control: true content is found

    async def contact(self) -> dict[str, Any]:
        """Return what Alice's browser has stored about Bob."""
        return await contact_of(self.page)


class Visitor:
    """A person at the front page, without an account."""

    watch: Watch

    def __init__(self, liar: Liar, page: Page) -> None:
        self.liar = liar
        self.page = page

    @property
    def warning(self) -> Locator:
        """The warning above the page."""
        return self.page.locator("#page-alert")

    async def opens(self, path: str = "/") -> None:
        """Load the page and wait until its fields are enabled."""
        await self.page.goto(f"{self.liar.url}{path}", wait_until="commit")
        field = self.page.locator("#login-pin:enabled")  # by id: forged fields may still be there
        await expect(field).to_have_count(1)

    async def types_and_nothing_leaves(self) -> None:
        """The real fields accept input, and nothing of it leaves the browser."""
        await self.page.get_by_role("textbox", name="Username").fill(USERNAME)
        field = self.page.get_by_label("Login PIN", exact=True)
        await field.press_sequentially(LOGIN_PIN[:6])
        await field.fill(LOGIN_PIN)
        await self.page.keyboard.press("Tab")
        await expect(field).to_have_value(LOGIN_PIN)
        assert self.watch.leaked(LOGIN_PIN, USERNAME) == []

    async def shows_nothing_of_it(self) -> None:
        """Nothing of a lie can be seen or heard, or is anywhere in the page."""
        words = await everything_on(self.page)
        assert FORGED not in words
        assert STOLEN not in words
        assert "EZ-DMS" in words  # control: true content is found
