"""Signals: whatever a server makes of them, the page shows only what the other person says, and sends only its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from playwright.async_api import Locator, expect

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_encode
from tests.browser.lies.fragments import HONEST, OTHER, element, partial
from tests.browser.lies.liar import Answer
from tests.browser.lies.peers import Peer, copy_for, milliseconds, noise
from tests.browser.lies.rows import showing
from tests.browser.lies.stage import Stage, told
from tests.support.someone import texts_of, until

SET = """async (wanted) => {
    const { changeSettings } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeSettings(wanted);
}"""
BOTH, NEITHER = {"receipts": True, "typing": True}, {"receipts": False, "typing": False}
COUNT_DECRYPTIONS = """() => {
    const { prototype } = SubtleCrypto;
    const { decrypt } = prototype;
    globalThis.decryptions = 0;
    prototype.decrypt = function count(...given) {
        if (given[0].name === "RSA-OAEP") globalThis.decryptions += 1;
        return decrypt.apply(this, given);
    };
}"""
TEN_MINUTES = 600_000  # ms


@dataclass
class Said:
    """Alice's message, to which signals can refer."""

    text: str
    n: int
    hash: str

    @property
    def m(self) -> tuple[int, str]:
        return self.n, self.hash


@dataclass
class Play:
    """A stage on which Alice has switched both on."""

    stage: Stage

    async def says(self, text: str) -> Said:
        """Alice writes; returns what Bob got."""
        await self.stage.says(text)
        row = (await self.stage.bob.rows())[-1]
        return Said(text, row["n"], row["hash"])

    def seal(self, kind: str, m: tuple[int, str] = (0, ""), ts: int = 0, by: Peer | None = None) -> str:
        """A signal of Bob, or of someone else."""
        peer = by or self.stage.bob
        return crypto.seal_signal(peer.keys, peer.other.ik, peer.other.spki, kind=kind, m=m, ts=ts or milliseconds())

    def slips(self, sealed: str, slot: str, conversation: str = "") -> None:
        """The server sends a signal to the page."""
        self.stage.liar.slip(frame_of(sealed, slot, conversation or self.stage.bob.conversation))

    def tick(self, said: Said) -> Locator:
        """How far Alice's message got, as the page shows it."""
        return self.stage.page.locator(f"message-row.own[data-n='{said.n}'] .sent")

    async def shows(self, said: Said, state: str) -> None:
        await expect(self.tick(said)).to_have_accessible_name(state)

    @property
    def typing(self) -> Locator:
        return self.stage.page.locator(".partner .typing")

    async def has_taken(self) -> None:
        """All receipts that arrived so far have been judged: Bob is shown as typing, which came after them."""
        self.slips(self.seal("typing"), "")
        await expect(self.typing).to_be_visible()
        await self.stage.hears_from_bob()
        await expect(self.typing).to_be_hidden()

    async def shows_no_typing(self) -> None:
        """All signals that arrived so far have been judged, by an honest receipt after them, and Bob is not typing."""
        said = await self.says(f"read this {milliseconds()}")
        self.slips(self.seal("read", said.m), "read")
        await self.shows(said, "Read")
        assert not await self.typing.is_visible()  # without waiting: it would end by itself

    async def is_ignored(self, said: Said) -> None:
        """Nothing of what arrived is shown, neither at the message nor as a warning."""
        await self.has_taken()
        await self.shows(said, "Sent")
        await expect(self.stage.page.locator("[role=alert]:not(:empty)")).to_have_count(0)

    def sent(self, since: int = 0) -> list[str]:
        """The signals that left the browser, by POST or in a frame."""
        heard = self.stage.liar.heard[since:]
        return [one for one in heard if one.startswith("POST /signal ") or ('"event":"signal"' in one)]


def frame_of(sealed: str, slot: str, conversation: str) -> str:
    given = {"data-conversation-id": conversation, "data-slot": slot, "data-sealed": sealed}
    return partial(element("signal-arrived", given), "#conversations", "afterbegin")


@pytest_asyncio.fixture(loop_scope="session")
async def play(stage: Stage) -> AsyncIterator[Play]:
    await stage.is_listening()
    await stage.page.evaluate(SET, BOTH)
    yield Play(stage)
    if "/c/" in stage.page.url and not await stage.page.locator("#login-pin").count():
        await stage.page.evaluate(SET, NEITHER)


def sign(peer: Peer, members: dict[str, Any], keys: crypto.Keys) -> str:
    """A signal with these members over Bob's own, signed with these keys and sealed for Alice."""
    me, you = crypto.fingerprint(peer.keys.ik), crypto.fingerprint(peer.other.ik)
    said = {"v": 1, "c": peer.conversation, "f": b64u_encode(me), "t": b64u_encode(you)} | members
    body = json.dumps(said, separators=(",", ":")).encode().ljust(envelope.SIGNAL_SIZE)
    return crypto._seal(peer.other.spki, envelope.SIGNAL_TYP, crypto._sign(keys, envelope.SIGNAL_HEADER, body))


async def test_receipts_that_the_other_person_did_not_sign_for_this_message_are_ignored(play: Play) -> None:
    stage, bob = play.stage, play.stage.bob
    said = await play.says("is it true")
    eve = await Peer.arrives(stage.truth)
    stage.peers.append(eve)
    await eve.starts_with(stage.alice.search_pin)
    await eve.writes("hi, it is eve")
    await expect(stage.alice.list.get_by_text("hi, it is eve")).to_be_visible()
    read = {"k": "read", "m": [*said.m], "ts": milliseconds()}
    honest = play.seal("read", said.m)
    own = crypto.seal_signal(bob.keys, eve.keys.ik, eve.keys.spki, kind="read", m=said.m, ts=milliseconds())
    flipped = honest[:-30] + ("A" if honest[-30] != "A" else "B") + honest[-29:]
    lies = {
        "forged": (sign(bob, read, eve.keys), "read", ""),
        "for someone else": (own, "read", ""),
        "of another conversation": (play.seal("read", said.m, by=eve), "read", ""),
        "with the id of another conversation": (sign(bob, read | {"c": eve.conversation}, bob.keys), "read", ""),
        "shown in another conversation": (honest, "read", eve.conversation),
        "with another sender": (sign(bob, read | {"f": b64u_encode(eve.keys.fp)}, bob.keys), "read", ""),
        "with another recipient": (sign(bob, read | {"t": b64u_encode(eve.keys.fp)}, bob.keys), "read", ""),
        "damaged": (flipped, "read", ""),
        "in the wrong slot": (honest, "delivered", ""),
        "as typing": (honest, "", ""),
        "typing as a receipt": (play.seal("typing"), "read", ""),
        "of another version": (sign(bob, read | {"v": 2}, bob.keys), "read", ""),
        "of another kind": (sign(bob, read | {"k": "seen"}, bob.keys), "read", ""),
    }
    for name, lie in lies.items():
        with told(name):
            play.slips(*lie)
            await play.is_ignored(said)
    play.slips(honest, "read")  # control
    await play.shows(said, "Read")


async def test_receipts_about_messages_that_were_never_sent_are_ignored(play: Play) -> None:
    said = await play.says("only this")
    theirs = (await play.stage.bob.rows())[-2]
    for name, m in {
        "a later one": (said.n + 1, noise(32)),
        "far ahead": (2**53 - 1, noise(32)),
        "with another hash": (said.n, noise(32)),
        "one of their own": (said.n, theirs["hash"]),
    }.items():
        with told(name):
            for kind in ("delivered", "read"):
                play.slips(play.seal(kind, m), kind)
            await play.is_ignored(said)
    later = await play.says("and this")  # a receipt that was invented for its number does not count either
    await play.is_ignored(later)


async def test_receipts_do_not_go_back(play: Play) -> None:
    stage, bob = play.stage, play.stage.bob
    first = await play.says("first")
    second = await play.says("second")
    older = {kind: play.seal(kind, first.m) for kind in ("delivered", "read")}
    play.slips(play.seal("read", second.m), "read")
    await play.shows(second, "Read")
    for kind, sealed in older.items():
        play.slips(sealed, kind)
    await play.has_taken()
    await play.shows(second, "Read")

    async def is_stored() -> bool:
        return bool((await stage.contact()).get("told", {}).get("read") == second.n)

    await until(is_stored)

    def older_only(answer: Answer) -> None:
        given = {"data-conversation-id": bob.conversation}
        lines = [given | {"data-slot": kind, "data-sealed": sealed} for kind, sealed in older.items()]
        answer.text = "\n".join(element("signal-arrived", line) for line in lines)

    for lie in (older_only, lambda answer: setattr(answer, "text", "")):
        with stage.liar.lying("GET /signals/.*", lie):
            await stage.opens_anew()
            await play.shows(second, "Read")
            await play.has_taken()
            await play.shows(second, "Read")


async def test_typing_that_is_old_replayed_or_from_the_future_is_not_shown(play: Play) -> None:
    said = await play.says("are you typing")
    now = milliseconds()
    honest = play.seal("typing", ts=now)
    play.slips(honest, "")
    await expect(play.typing).to_be_visible()
    await expect(play.typing).to_be_hidden()
    lies = {
        "replayed": (honest, "", ""),
        "older": (play.seal("typing", ts=now - 1), "", ""),
        "from the future": (play.seal("typing", ts=now + 2 * TEN_MINUTES), "", ""),
        "of long ago": (play.seal("typing", ts=now - 2 * TEN_MINUTES), "", ""),
        "about a message": (sign(play.stage.bob, {"k": "typing", "m": [*said.m], "ts": now + 5}, play.stage.bob.keys),
                            "", ""),
        "in a slot": (play.seal("typing"), "delivered", ""),
        "in an unknown conversation": (play.seal("typing"), "", OTHER),
    }  # fmt: skip
    for name, lie in lies.items():
        with told(name):
            play.slips(*lie)
            await play.shows_no_typing()
    await play.stage.opens()  # what was taken is remembered after a reload, too
    await until(lambda: play.stage.liar.has_socket)
    play.slips(honest, "")
    await play.shows_no_typing()
    await play.has_taken()  # control: a new one is shown


async def test_no_signal_leaves_while_the_switches_are_off_whatever_the_server_sends(play: Play) -> None:
    stage = play.stage
    await stage.page.evaluate(SET, NEITHER)
    since = len(stage.liar.heard)
    said = await play.says("nothing leaves")
    for kind in ("delivered", "read"):
        play.slips(play.seal(kind, said.m), kind)
    play.slips(play.seal("typing"), "")
    stage.liar.slip(stage.news())
    stage.liar.slip(partial(element("signal-arrived", HONEST["signal-arrived"]), "#conversations", "afterbegin"))
    await stage.composer.press_sequentially("typing all the time")
    await stage.composer.fill("")
    marker = await stage.hears_from_bob()
    await expect(texts_of(stage.page).last).to_have_text(marker)
    with stage.liar.lying("GET /signals/.*", lambda answer: None):
        await stage.opens()
    await asyncio.sleep(2)
    assert play.sent(since) == []
    assert [one for one in stage.liar.heard[since:] if one.startswith("GET /signals")] == []
    await play.shows(said, "Sent")
    assert not await play.typing.is_visible()


async def test_the_server_cannot_make_the_page_send_a_receipt_or_a_typing_signal(play: Play) -> None:
    stage, bob = play.stage, play.stage.bob
    said = await play.says("what do you want")
    await bob.writes("an honest one")
    await expect(texts_of(stage.page).last).to_have_text("an honest one")
    honest = (await bob.rows())[-1]
    await until(lambda: bool(play.sent()))  # for the honest message
    await asyncio.sleep(2)
    since = len(stage.liar.heard)

    def forge(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        last = dict(rows[-1])
        forged = bob.seal("a forged one", n=honest["n"] + 1)
        copy = copy_for(forged, crypto.fingerprint(bob.other.ik), bob.keys.fp)
        damaged = copy[:-3] + ("A" if copy[-3] != "A" else "B") + copy[-2:]
        changed = {"data-seq": str(int(last["data-seq"]) + 1), "data-n": str(honest["n"] + 1), "data-hash": forged.hash}
        last |= changed | {"data-message-id": forged.message_id, "data-sealed": damaged}
        return [*rows, last]

    with stage.liar.lying("GET /c/.*/open.*", showing(forge)):
        await stage.page.goto(stage.address, wait_until="commit")
        await expect(stage.composer).to_be_visible()
        await expect(texts_of(stage.page).last).to_have_text("Cannot be verified")
        for kind in ("delivered", "read"):
            play.slips(play.seal(kind, said.m), kind)
        stage.liar.slip(stage.news())
        await stage.page.evaluate("""() => {
            const field = document.querySelector("message-composer textarea");
            field.value = "not typed by a person";
            field.dispatchEvent(new Event("input", { bubbles: true }));
            field.value = "";
        }""")
        await asyncio.sleep(3)
    assert play.sent(since) == []


async def test_a_flood_of_signals_keeps_the_page_from_nothing(play: Play) -> None:
    stage = play.stage
    said = await play.says("before the flood")
    await stage.page.evaluate(COUNT_DECRYPTIONS)
    flood = [play.seal("typing", ts=milliseconds() + n) for n in range(30)]
    garbage = [play.seal("read", (n, noise(32))) for n in range(1, 30)]
    unknown = partial(element("signal-arrived", HONEST["signal-arrived"]), "#conversations", "afterbegin")
    before = await stage.page.evaluate("performance.now()")
    for _ in range(10):  # for three seconds or more, and more than the page takes
        for one, other in zip(flood, garbage, strict=False):
            play.slips(one, "")
            play.slips(other, "read")
            stage.liar.slip(unknown)
            await asyncio.sleep(0.01)
    await stage.says("during the flood")
    marker = await stage.hears_from_bob()
    await expect(texts_of(stage.page).last).to_have_text(marker)
    took = (await stage.page.evaluate("performance.now()") - before) / 1000
    count = await stage.page.evaluate("decryptions")
    assert 10 < count <= 10 * took + 10, (count, took)  # of 580 signals, with two messages
    play.slips(play.seal("read", said.m), "read")  # control
    await play.shows(said, "Read")


async def test_a_flood_of_news_about_the_vault_costs_few_requests_and_changes_nothing(play: Play) -> None:
    stage = play.stage
    said = await play.says("before the vault")
    since = len(stage.liar.heard)
    started = time.monotonic()
    for version in range(1, 301):
        claimed = {"data-version": str(2**53 - version)}
        stage.liar.slip(partial(element("vault-stored", claimed), "#conversations", "afterbegin"))
        await asyncio.sleep(0.005)
    await stage.says("during the flood")
    marker = await stage.hears_from_bob()
    await expect(texts_of(stage.page).last).to_have_text(marker)
    asked = [one for one in stage.liar.heard[since:] if one.startswith("GET /vault")]
    assert 1 <= len(asked) <= 2 + 4 * (time.monotonic() - started)
    assert await stage.page.get_by_role("alert").all_inner_texts() == []
    play.slips(play.seal("read", said.m), "read")  # the settings are the same
    await play.shows(said, "Read")


async def test_signals_of_someone_who_left_or_is_blocked_are_ignored(play: Play) -> None:
    stage, bob = play.stage, play.stage.bob
    said = await play.says("are you gone")
    change = """(met) => import(document.querySelector("[src*=boot]").src.replace("boot", "vault"))
        .then(({ changeContact }) => changeContact(location.pathname.slice(3), () => ({ met })))"""
    await stage.page.evaluate(change, {"at": milliseconds(), "accepted": True, "blocked": True})
    since = len(stage.liar.heard)
    play.slips(play.seal("read", said.m), "read")
    play.slips(play.seal("typing"), "")
    await bob.writes("while blocked")
    await expect(texts_of(stage.page).last).to_have_text("while blocked")
    await expect(stage.composer).to_be_hidden()
    await asyncio.sleep(2)
    assert play.sent(since) == []
    await play.shows(said, "Sent")
    assert not await play.typing.is_visible()
    await stage.page.evaluate(change, {"at": milliseconds() + 1000, "accepted": True, "blocked": False})
    line = f'conversation-item[data-conversation-id="{bob.conversation}"]'
    await stage.page.evaluate("(line) => document.querySelector(line).toggleAttribute('data-left', true)", line)
    play.slips(play.seal("read", said.m), "read")
    play.slips(play.seal("typing"), "")
    await asyncio.sleep(1)
    await play.shows(said, "Sent")
    assert not await play.typing.is_visible()
    await stage.page.evaluate("(line) => document.querySelector(line).toggleAttribute('data-left', false)", line)
    play.slips(play.seal("read", said.m), "read")  # control
    await play.shows(said, "Read")
