"""Identity: false lists, names, keys and Search PIN responses do not make a contact someone else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_encode
from tests.browser.lies.answers import BAD, NO_TEXT, ODD, saying, with_member, wrong
from tests.browser.lies.fragments import HONEST, element
from tests.browser.lies.liar import Change
from tests.browser.lies.peers import Peer, noise
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.watching import FORGED
from tests.support.someone import texts_of

LIST, OPEN, START = "GET /conversations/.*", "GET /c/.*/open", "POST /start_conversation"
LINE = re.compile(r"<conversation-item[^>]*></conversation-item>\s*")
SWAPPED = "does not belong to this Search PIN"


def line(conversation: str, statement: str | None) -> str:
    """Return a well-formed list item."""
    given = HONEST["conversation-item"] | {"data-conversation-id": conversation, "data-statement": statement or ""}
    return element("conversation-item", {name: value for name, value in given.items() if value})


def listing(lines: str) -> Change:
    """A lie: these items are the whole list."""
    return lambda answer: setattr(answer, "text", lines)


def own_statement(name: str) -> tuple[crypto.Keys, str]:
    """Return keys of the server, and their signed statement."""
    keys = crypto.generate_keys()
    return keys, crypto.sign_statement(keys, name, 1, 1_790_000_000_000)


def with_statement(statement: str) -> Change:
    """A lie: the conversation opens with another key statement."""
    return lambda answer: setattr(
        answer, "text", re.sub(r'data-statement="[^"]*"', f'data-statement="{statement}"', answer.text)
    )


async def test_a_contact_left_out_of_the_list_remains_a_contact(stage: Stage) -> None:
    """The list is the server's, but not what this browser and the vault know about Bob."""
    await stage.says("who are you?")
    await stage.remembers()
    with stage.liar.lying(LIST, listing("")):
        await stage.page.goto(stage.liar.url)
        await expect(stage.warning).to_contain_text("no longer lists your conversation with bob")
        await stage.opens()
        assert (await stage.contact())["verified"] == "search-pin"
        await expect(stage.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
        await stage.carries_on()


async def test_a_contact_without_messages_is_not_reported_missing(stage: Stage) -> None:
    await stage.says("who are you?")
    await stage.remembers()
    mallory = await Peer.arrives(stage.truth, "mallory")
    await stage.page.goto(stage.liar.url)
    await stage.alice.starts_with(mallory.search_pin)
    with stage.liar.lying(LIST, listing("")):
        await stage.page.goto(stage.liar.url)
        await expect(stage.warning).to_contain_text("bob")
        await expect(stage.warning).not_to_contain_text("mallory")
    await mallory.leaves()


async def test_the_servers_own_key_under_a_verified_contacts_name_is_not_verified(anywhere: Stage) -> None:
    me = anywhere.bob.other
    keys, statement = own_statement("bob")
    conversation = crypto.conversation_id(crypto.fingerprint(me.ik), keys.fp)
    rows = HONEST["thread-facts"] | {"data-conversation-id": conversation, "data-statement": statement}
    rows |= {"data-last-seq": "0"}
    with (
        anywhere.liar.lying(LIST, listing(line(conversation, statement))),
        anywhere.liar.lying(f"GET /c/{conversation}/open", saying(element("thread-facts", rows))),
    ):
        await anywhere.page.goto(f"{anywhere.liar.url}/c/{conversation}")
        await expect(anywhere.page.get_by_role("heading", name="bob")).to_be_visible()
        await expect(anywhere.page.get_by_role("button", name="Not verified")).to_be_visible()
        await expect(anywhere.page.get_by_role("button", name="Verified by")).to_have_count(0)
        await anywhere.page.get_by_role("button", name="Not verified").click()  # Bob's PIN does not verify it
        await anywhere.page.get_by_role("textbox", name="The PIN they gave you").fill(anywhere.bob.search_pin)
        await anywhere.page.get_by_role("button", name="Check").click()
        await expect(anywhere.page.locator("who-is-this [role=alert]").first).to_contain_text(
            "belongs to someone other"
        )
        await expect(anywhere.page.locator("[data-trust=none]")).to_be_visible()
    await anywhere.opens_anew()
    assert (await anywhere.contact())["verified"] == "search-pin"


NAMELESS = re.compile("^(…|Unknown.*)$")
FALSE_NAMES: dict[str, Callable[[Stage], str | None]] = {
    "an invalid statement": lambda anywhere: HONEST["conversation-item"]["data-statement"],
    "another's statement": lambda anywhere: own_statement(FORGED)[1],
    "no statement": lambda anywhere: None,
}


async def test_the_list_shows_only_signed_names(stage: Stage) -> None:
    """An invented conversation, and Bob's with a statement that is not his: neither shows a name."""
    for name, make in FALSE_NAMES.items():
        statement = make(stage)
        lines = line("ABCDEFGHJKMNPQRSTVWXYZ01", statement) + line(stage.bob.conversation, statement)
        with told(name), stage.liar.lying(LIST, listing(lines)):
            await stage.opens()
            await expect(stage.alice.list.get_by_role("link")).to_have_count(2)
            await expect(stage.alice.list.locator(".who").filter(has_text="bob")).to_have_count(1)
            await expect(stage.alice.list.locator(".who").filter(has_text=NAMELESS)).to_have_count(1)
            nameless = stage.alice.list.get_by_role("listitem").filter(
                has=stage.page.locator(".who", has_text=NAMELESS)
            )
            assert await nameless.locator("[data-hue]").count() == 0
            await stage.shows_nothing_of_it()
            await stage.carries_on()


STATEMENTS: dict[str, Any] = {
    "of another key": lambda peer: own_statement("bob")[1],
    "with another name, unsigned": lambda peer: peer.statement.replace(".", ".A", 1),
    "older": lambda peer: crypto.sign_statement(peer.keys, FORGED, 1, 5),
    "of small order": lambda peer: f"{peer.statement.split('.')[0]}.{_small(peer)}.{'A' * 86}",
}


def _small(peer: Peer) -> str:
    members = {"v": 1, "ik": b64u_encode(bytes(32)), "seq": 1, "ts": 1, "name": FORGED, "suites": [1]}
    members["ek"] = [{"s": 1, "spki": b64u_encode(peer.keys.spki)}]
    return b64u_encode(json.dumps(members, separators=(",", ":")).encode())


async def test_a_different_statement_for_a_verified_contact_raises_an_alarm(anywhere: Stage) -> None:
    for name, make in STATEMENTS.items():
        with told(name), anywhere.liar.lying(OPEN, with_statement(make(anywhere.bob))):
            await anywhere.opens_anew(is_well=False)
            await expect(anywhere.page.locator("[data-alarm]")).not_to_be_empty()
            await expect(anywhere.composer).to_be_disabled()
            assert FORGED not in await anywhere.page.locator("[data-alarm]").inner_text()
            contact = await anywhere.contact()
            assert (contact["verified"], contact["name"]) == ("search-pin", "bob")
    assert anywhere.watch.leaked(anywhere.alice.login_pin) == []
    await anywhere.opens_anew()
    await anywhere.carries_on()


async def test_a_different_statement_for_a_new_contact_raises_an_alarm_and_pins_no_key(anywhere: Stage) -> None:
    """It can only be checked against the conversation id, which is derived from both keys."""
    await anywhere.meets_a_new_contact("hello")
    with anywhere.liar.lying(OPEN, with_statement(own_statement("bob")[1])):
        await anywhere.opens_anew(is_well=False)
        await expect(anywhere.page.locator("[data-alarm]")).to_contain_text("shows a different key")
        await expect(anywhere.composer).to_be_disabled()
        await expect(anywhere.page.get_by_role("button", name="Go on")).to_have_count(0)
    assert await anywhere.contact() is None
    await anywhere.opens_anew()
    await anywhere.comes_back()


FOUND: dict[str, Change] = BAD | wrong("partner_statement", NO_TEXT) | wrong("conversation_id", [*NO_TEXT, "../login"])
FOUND |= wrong("partner_search_salt", [*NO_TEXT, "", "A" * 22]) | {
    "another conversation": with_member("conversation_id", "ABCDEFGHJKMNPQRSTVWXYZ01"),
    "another's statement": lambda answer: with_member("partner_statement", own_statement(FORGED)[1])(answer),
    "a statement that is none": with_member("partner_statement", "a.b.c"),
    "a huge statement": with_member("partner_statement", "A" * 2_000_000),
}


ANOTHER_KEY = (
    'conversation_id="../login"',
    'partner_search_salt=""',
    f'partner_search_salt="{"A" * 22}"',
    "another conversation",
    "another's statement",
)
SAID = dict.fromkeys(FOUND, ODD) | dict.fromkeys(ANOTHER_KEY, SWAPPED)
SAID |= dict.fromkeys(("a statement that is none", "a huge statement"), "What the server sent is not valid.")


async def test_an_invalid_search_pin_response_starts_nothing(stage: Stage) -> None:
    known = await stage.page.evaluate(CONTACTS)
    url = stage.page.url
    with stage.liar.lying(START, saying("")):
        await stage.tries_to_start(stage.bob.search_pin)
        await expect(stage.started).not_to_be_empty()
    for name, lie in FOUND.items():
        with told(name), stage.liar.lying(START, lie):
            asked = len(stage.liar.heard)
            await stage.tries_again()
            assert any(one.startswith(START) for one in stage.liar.heard[asked:])
            await expect(stage.started).to_contain_text(SAID[name])
            assert FORGED not in await stage.started.inner_text()
            assert stage.page.url == url
            assert await stage.page.evaluate(CONTACTS) == known
    await stage.shows_nothing_of_it()
    assert stage.watch.leaked(stage.alice.login_pin) == []


CONTACTS = """async () => {
    const { loadContacts } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    return Object.entries(await loadContacts()).map(([id, { ik, verified }]) => [id, ik, verified]).sort();
}"""


async def test_a_swapped_search_pin_response_is_distinguished_from_a_wrong_pin(stage: Stage) -> None:
    eve = await Peer.arrives(stage.truth)
    stage.peers.append(eve)
    found = await _answer_about(eve, stage)
    with stage.liar.lying(START, lambda answer: setattr(answer, "text", json.dumps(found))):
        await stage.tries_to_start(stage.bob.search_pin)
        await expect(stage.started).to_contain_text(SWAPPED)
    await stage.opens()
    await stage.tries_to_start(stage.bob.search_pin)  # control: no lie
    await expect(stage.started).to_be_empty()
    await expect(stage.page.get_by_text("Verified by Search PIN")).to_be_visible()


async def test_a_different_statement_in_a_search_pin_response_starts_nothing(stage: Stage) -> None:
    known = await stage.page.evaluate(CONTACTS)
    other = crypto.sign_statement(stage.bob.keys, FORGED, 1, 5)
    with stage.liar.lying(START, with_member("partner_statement", other)):
        await stage.tries_to_start(stage.bob.search_pin)
        await expect(stage.started).to_contain_text("two statements of this person's keys")
    assert await stage.page.evaluate(CONTACTS) == known
    await stage.shows_nothing_of_it()


async def _answer_about(eve: Peer, stage: Stage) -> dict[str, str]:
    """Return an honest server's response to Alice entering Eve's PIN: well-formed and consistent."""
    conversation = crypto.conversation_id(eve.keys.fp, crypto.fingerprint(stage.bob.other.ik))
    return {
        "conversation_id": conversation,
        "partner_statement": eve.statement,
        "partner_search_salt": eve.salt,
        "partner_id": noise(16),
        "partner_username": "bob",
    }


async def test_a_linked_pin_verifies_nobody_until_the_user_confirms_who_gave_it(anywhere: Stage) -> None:
    mallory = await Peer.arrives(anywhere.truth, "bob")
    anywhere.peers.append(mallory)
    await anywhere.page.goto("about:blank")
    await anywhere.page.goto(f"{anywhere.liar.url}/#add={mallory.search_pin}")
    await anywhere.page.get_by_role("button", name="Start").click()
    trust = anywhere.page.get_by_role("button", name="Not verified: added by link")
    await expect(trust).to_be_visible()
    await expect(trust).to_have_attribute("data-trust", "none")  # and is styled accordingly
    assert (await anywhere.contact())["verified"] == "link"
    await anywhere.page.reload()
    await expect(trust).to_be_visible()
    await expect(anywhere.page.get_by_text("No messages yet")).to_be_visible()
    await trust.click()
    await anywhere.page.get_by_role("button", name="They gave me the link themselves").click()
    await expect(anywhere.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
    await expect(texts_of(anywhere.page)).to_have_count(0)


@pytest.mark.parametrize("name", ["you", "You", "Sent-by-you"])
async def test_screen_readers_never_announce_a_contact_as_the_user(anywhere: Stage, name: str) -> None:
    """A screen reader announces who wrote each message."""
    await anywhere.meets_a_new_contact("I agree to pay 1000", name=name)
    await anywhere.opens_anew()
    await anywhere.says("no, I do not")
    heard = anywhere.page.locator("message-row .visually-hidden")
    await expect(heard).to_have_text([f"Received from {name}:", "Sent by you:"])
    await anywhere.comes_back()
