"""When a server changes the order of messages, or adds some, the page says so in the right place."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from ezdms import crypto
from tests.browser.home import Home, opens_anew
from tests.browser.lies.peers import Peer, milliseconds
from tests.support.hostile import Hostile, alter, contact_of
from tests.support.someone import Someone, texts_of, until

SAID = ["one", "two", "three", "four"]
NOT_VERIFIED = "Cannot be verified"
MISSING = "⚠ Messages are missing before this one."
CROSSED = "Written before seeing the message above."  # honest: a program does not look before it writes


@pytest_asyncio.fixture(loop_scope="session")
async def talk(home: Home) -> tuple[Peer, Someone]:
    """Alice wrote four messages, Bob replied once. The control for all cases: all is shown, with no note or alarm."""
    bob, alice = await home.person("bob", is_kept=True), await home.peer()
    await alice.starts_with(bob.search_pin)
    for text in SAID:
        await alice.writes(text)
    await bob.opens(alice.name)
    await bob.writes("mine")
    await bob.sees(*SAID, "mine")
    await alice.sees(*SAID, "mine")
    await expect(bob.alert).to_have_count(0)
    assert await notes_of(bob.page) == [""] * 5
    return alice, bob


async def notes_of(page: Page) -> list[str]:
    """The note above each message: missing, out of order, or empty."""
    return await page.locator("message-row .note").all_text_contents()


async def can_still_talk(alice: Peer, bob: Someone) -> list[str]:
    """Both can still write, and both see it. Returns what they write."""
    await alice.writes("still here")
    await expect(texts_of(bob.page).last).to_have_text("still here")
    await bob.writes("me too")
    await expect(texts_of(bob.page).last).to_have_text("me too")
    assert (await alice.last()).text == "me too"
    return ["still here", "me too"]


@pytest.mark.firefox_too
async def test_swapped_dropped_and_replayed_messages_are_marked_in_their_place(
    home: Home, talk: tuple[Peer, Someone]
) -> None:
    alice, bob = talk
    hostile = Hostile(home.server, alice.conversation)
    hostile.exchange(2, 4)
    await opens_anew(bob)
    await bob.sees("one", "four", "three", "two", "mine")
    late = "⚠ Out of order: this was written before the ones above."
    await expect(bob.page.locator("message-row").get_by_text(late)).to_have_count(2)
    assert await notes_of(bob.page) == ["", "", late, late, ""]  # none is missing
    said = ["mine", *await can_still_talk(alice, bob)]

    hostile.exchange(2, 4)
    hostile.drop(2)
    await opens_anew(bob)
    await bob.sees("one", "three", "four", *said)
    assert await notes_of(bob.page) == ["", MISSING, "", "", CROSSED, ""]
    said += await can_still_talk(alice, bob)

    # One of the contact and one of the reader, under another number.
    for seq, message_id in ((1, "A" * 22), (4, "B" * 21 + "A")):
        hostile.repeat(seq, message_id=message_id)
    await opens_anew(bob)
    await bob.sees("one", "three", "four", *said, NOT_VERIFIED, NOT_VERIFIED)
    assert await notes_of(bob.page) == ["", MISSING, "", "", CROSSED, "", CROSSED, "", "", ""]
    await can_still_talk(alice, bob)


async def test_a_message_delivered_twice_is_shown_once(talk: tuple[Peer, Someone]) -> None:
    alice, bob = talk

    def twice(html: str) -> str:
        row = re.search(r'<message-row data-seq="1" .*?</message-row>', html)
        assert row
        return html + row[0].replace('data-seq="1"', 'data-seq="600"')  # no number of what is written next

    await alter(bob.page, "**/c/*/open", twice)
    await opens_anew(bob)
    await bob.sees(*SAID, "mine")
    await bob.page.unroute("**/c/*/open")
    await can_still_talk(alice, bob)


async def test_a_message_from_another_conversation_does_not_open(home: Home, talk: tuple[Peer, Someone]) -> None:
    """Not even the user's own, with their genuine signature."""
    alice, bob = talk
    eve = await home.peer()
    await eve.starts_with(bob.search_pin)
    await bob.opens(eve.name)
    await bob.writes("to eve alone")
    await bob.sees("to eve alone")
    assert (await eve.last()).text == "to eve alone"
    hostile = Hostile(home.server, eve.conversation)
    key_id = hostile.user("bob")["key_id"].encode()
    foreign = dict(hostile.here("SELECT * FROM messages WHERE seq = 1")[0])
    copies = [foreign["sealed_a"], foreign["sealed_b"]]
    own = next(copy for copy in copies if key_id in base64.urlsafe_b64decode(copy.split(".")[0] + "=="))
    hostile.insert(
        {**foreign, "conversation_id": alice.conversation, "seq": 6, "n": 2, "sealed_a": own, "sealed_b": own}
    )
    await bob.goes_to(f"/c/{alice.conversation}")
    await opens_anew(bob)
    await bob.sees(*SAID, "mine", NOT_VERIFIED)
    await expect(bob.page.get_by_role("log").get_by_text("to eve alone")).to_have_count(0)


@pytest.mark.firefox_too
async def test_a_message_falsely_attributed_to_the_user_raises_a_red_alarm_until_they_continue(
    home: Home, talk: tuple[Peer, Someone]
) -> None:
    alice, bob = talk
    hostile = Hostile(home.server, alice.conversation)
    hostile.here("UPDATE messages SET sender_id = ?, n = 7 WHERE seq = 2", hostile.user("bob")["user_id"])
    await opens_anew(bob)
    await bob.sees("one", NOT_VERIFIED, "three", "four", "mine")
    await expect(bob.alert).to_contain_text("forged signature")  # what happened,
    await expect(bob.alert).to_contain_text("It may be that the server")  # what it may mean,
    await expect(bob.alert).to_contain_text("Ask the other person, in person or by phone")  # and what to do
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await bob.page.get_by_role("button", name="Keep locked").click()
    await expect(bob.alert).to_have_text("This conversation is locked: nothing can be sent until you continue.")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await expect(bob.page.get_by_role("button", name="Continue anyway")).to_be_hidden()
    await bob.page.get_by_role("button", name="Show why").click()
    await expect(bob.alert).to_contain_text("forged signature")
    await bob.page.get_by_role("button", name="Continue anyway").click()
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await expect(bob.alert).to_have_count(0)
    await opens_anew(bob)  # once accepted, the placeholder is enough
    await bob.sees("one", NOT_VERIFIED, "three", "four", "mine")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await expect(bob.alert).to_have_count(0)
    await can_still_talk(alice, bob)


@pytest.mark.firefox_too
async def test_removing_seen_messages_raises_a_red_alarm_until_the_user_continues(
    home: Home, talk: tuple[Peer, Someone]
) -> None:
    alice, bob = talk
    await noted(bob)
    hostile = Hostile(home.server, alice.conversation)
    hostile.here("DELETE FROM messages WHERE seq IN (3, 4, 5)")
    hostile.here("UPDATE conversations SET last_seq = 2 WHERE true")
    hostile.here("UPDATE participants SET read_seq = 2 WHERE true")
    await opens_anew(bob)
    await bob.sees("one", "two")
    await expect(bob.alert).to_contain_text("no longer shows messages that were here before")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await bob.page.get_by_role("button", name="Continue anyway").click()
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await bob.writes("what happened?")
    await expect(texts_of(bob.page).last).to_have_text("what happened?")
    await opens_anew(bob)
    await expect(texts_of(bob.page).last).to_have_text("what happened?")
    await expect(bob.alert).to_have_count(0)


async def noted(bob: Someone) -> None:
    """Wait until Bob's browser has stored how far it has seen the conversation: what it saw before he accepted, at
    once; his own message a moment later."""

    async def is_noted() -> bool:
        contact = await contact_of(bob.page)
        return [(contact[side] or [0])[0] for side in ("own", "theirs")] == [1, 4]

    await until(is_noted)


@pytest.mark.firefox_too
async def test_two_versions_of_one_message_are_a_fork(home: Home, talk: tuple[Peer, Someone]) -> None:
    """The server showed a second browser of Alice an older state, so it wrote another message with the same number."""
    alice, bob = talk
    await noted(bob)
    hostile = Hostile(home.server, alice.conversation)
    first = dict(hostile.here("SELECT * FROM messages WHERE seq = 4")[0])
    forked = alice.seal("the other four", n=4, p=alice.sent[2].hash)
    columns = {**first, "seq": 6, "n": 4, "message_id": forked.message_id, "hash": forked.hash}
    columns |= {"sealed_a": forked.content_for_a, "sealed_b": forked.content_for_b}
    hostile.here("UPDATE messages SET n = 400 WHERE seq = 4")  # each number is unique in the table
    hostile.insert(columns)
    await opens_anew(bob)  # another number 4 was seen first: this one is a fork
    await bob.sees("one", "two", "three", NOT_VERIFIED, "mine", NOT_VERIFIED)
    await expect(bob.alert).to_contain_text("tampered with")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await expect(bob.page.get_by_role("log").get_by_text("the other four")).to_have_count(0)


@pytest.mark.firefox_too
async def test_a_message_forged_in_a_contacts_name_raises_a_red_alarm(home: Home, talk: tuple[Peer, Someone]) -> None:
    """The server, as Eve, seals a message for Bob that Alice never wrote: all is right except the signature."""
    (alice, bob), eve = talk, await home.peer()
    hostile = Hostile(home.server, alice.conversation)
    last = dict(hostile.here("SELECT * FROM messages WHERE seq = 4")[0])

    class Disguised(crypto.Keys):
        """Eve's keys, with the name of Alice's."""

        @property
        def ik(self) -> bytes:
            return alice.keys.ik

    given: dict[str, Any] = {"n": 5, "p": last["hash"], "a": (0, ""), "ts": milliseconds()}
    disguised = Disguised(eve.keys.identity, alice.keys.encryption)
    forged = crypto.seal_message(disguised, alice.other.ik, alice.other.spki, text="send me the money", **given)
    sealed = {"sealed_a": forged.content_for_a, "sealed_b": forged.content_for_b}
    names = {name: getattr(forged, name) for name in ("message_id", "n", "hash")}
    hostile.insert({**last, **sealed, **names, "seq": 6})
    await opens_anew(bob)
    await bob.sees(*SAID, "mine", NOT_VERIFIED)
    await expect(bob.alert).to_contain_text("forged signature")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await expect(bob.page.get_by_role("log").get_by_text("the money")).to_have_count(0)
    await bob.page.get_by_role("button", name="Continue anyway").click()
    await bob.writes("alice, was that you?")
    await expect(texts_of(bob.page).last).to_have_text("alice, was that you?")
    assert (await alice.last()).text == "alice, was that you?"
