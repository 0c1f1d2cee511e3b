"""Message requests, blocks and reports on the page."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.support import requests
from tests.support.access import faults_in_every_look
from tests.support.people import JSON
from tests.support.someone import Someone, texts_of, until

ROUND = "() => { dispatchEvent(new Event('online')); }"  # otherwise every ten seconds
SWITCH_ON = """async () => {
    const { changeSettings } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeSettings({ receipts: true, typing: true });
}"""
# Gives a contact a nickname.
CALL = """async ([conversation, nick]) => {
    const { changeContact } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeContact(conversation, () => ({ prefs: { at: Date.now(), nick } }));
}"""
# What the vault that the server has says of the contact with this conversation.
VAULT = """async (conversation) => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [C, K] = await Promise.all([import(at("crypto")), import(at("keystore"))]);
    const { blob } = await (await fetch("/vault", { headers: { Accept: "application/json" } })).json();
    const { contacts } = blob ? await C.openVault(await K.loadAccount(), blob) : { contacts: {} };
    const { met, blocks } = contacts[conversation] ?? {};
    return conversation in contacts ? { ...met, blocks: blocks ?? null } : null;
}"""


@pytest.fixture(autouse=True)
def _nobody_accepts(home: Home) -> Iterator[None]:
    requests.accept_none(home.server.data_dir)
    yield
    requests.accept_all(home.server.data_dir)


def card(page: Page) -> Locator:
    return page.locator("request-card")


def button(page: Page, name: str) -> Locator:
    return card(page).get_by_role("button", name=name, exact=True)


def field(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message")


async def chooses(page: Page, name: str) -> None:
    """Choose this in the menu of the conversation."""
    await page.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name=name, exact=True).click()


async def asked(home: Home, *texts: str, name: str = "") -> tuple[Someone, Peer]:
    """Someone new has written this to Alice, who opens it."""
    alice, bob = await home.person("alice", is_kept=True), await home.peer(name)
    alice.accepts = False
    await alice.page.emulate_media(reduced_motion="reduce")
    await bob.starts_with(alice.search_pin)
    for text in texts:
        await bob.writes(text)
    await alice.goes_to(f"/c/{bob.conversation}")
    await expect(card(alice.page)).to_be_visible()
    return alice, bob


def states(home: Home, conversation: str) -> list[tuple[int, int]]:
    """[accepted, blocked] of both sides at the server."""
    path = f"file:{home.server.data_dir / 'ezdms.db'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as connection:
        asked = "SELECT accepted, blocked FROM participants WHERE conversation_id = ?"
        return sorted(connection.execute(asked, (conversation,)).fetchall())


async def kept(page: Page, conversation: str) -> dict[str, Any] | None:
    found = await page.evaluate(VAULT, conversation)
    return None if found is None else dict(found)


async def test_a_request_is_quiet_and_plain_until_it_is_accepted(home: Home) -> None:
    alice, bob = await asked(home, "see https://example.org and `code`", "🎉")
    page, line = alice.page, alice.list.get_by_role("link", name=bob.name)
    await page.evaluate(SWITCH_ON)
    await expect(card(page)).to_contain_text("Message request")
    await expect(card(page).get_by_role("heading")).to_have_text(re.compile(rf"{bob.name} key [0-9A-F]{{4}}"))
    await expect(card(page)).to_contain_text("they found you by your Search PIN, which was made today")
    await expect(card(page)).not_to_contain_text("same name")
    await expect(card(page).locator(".avatar")).to_have_attribute("data-hue", str(bob.keys.ik[0] % 12))
    await expect(texts_of(page)).to_have_text(["see https://example.org and `code`", "🎉"])
    await expect(page.locator("sealed-text a, sealed-text code, [data-emoji]")).to_have_count(0)
    await expect(line).to_contain_text("Request")
    await alice.goes_to("/")
    await bob.writes("still there?")
    await expect(line).to_contain_text("1 unread")
    await expect(page).to_have_title("EZ-DMS")  # no number that asks for attention
    await alice.opens(bob.name)
    await page.locator("message-row").last.hover()
    await page.locator("message-row").last.get_by_role("button", name="Message actions").click()
    await expect(page.get_by_role("menuitem", name="Reply")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="React")).to_be_hidden()
    await page.keyboard.press("Escape")
    await field(page).press_sequentially("typing")
    await page.wait_for_timeout(1500)  # as long as receipts take
    assert await bob.ask("GET", f"/signals/{bob.conversation}") == []
    assert await kept(page, bob.conversation) is None  # not before something was decided
    assert states(home, bob.conversation) == [(0, 0), (1, 0)]

    await button(page, "Accept").click()
    await expect(card(page)).to_be_hidden()
    await expect(field(page)).to_be_focused()
    await expect(page.locator("sealed-text a")).to_have_attribute("href", "https://example.org")
    await expect(line).not_to_contain_text("Request")
    await until(lambda: states(home, bob.conversation) == [(1, 0), (1, 0)])

    async def is_told() -> bool:
        return [one["slot"] for one in await bob.ask("GET", f"/signals/{bob.conversation}")] == ["read"]

    await until(is_told)
    met = await kept(page, bob.conversation)
    assert met is not None
    assert (met["accepted"], met["blocked"]) == (True, False)
    await page.reload()
    await expect(field(page)).to_have_value("typing")
    await expect(card(page)).to_be_hidden()
    await field(page).clear()


async def test_replying_accepts_also_offline_and_on_another_device(home: Home, browser: Browser) -> None:
    alice, bob = await asked(home, "hello")
    page, device = alice.page, await alice.on_another_device(browser)
    device.accepts = False
    await device.opens(bob.name)
    await expect(card(device.page)).to_be_visible()
    await alice.context.set_offline(True)
    await alice.writes("hi")
    await expect(card(page)).to_be_hidden()
    await expect(page.locator(".pending")).to_contain_text("You are offline")
    await alice.context.set_offline(False)
    await page.evaluate(ROUND)
    await bob.sees("hello", "hi")
    assert states(home, bob.conversation) == [(1, 0), (1, 0)]
    await expect(card(device.page)).to_be_hidden()  # her own message tells
    await device.page.reload()
    await expect(field(device.page)).to_be_enabled()
    await expect(card(device.page)).to_be_hidden()


async def test_accepting_and_blocking_offline_hold_at_once_and_the_server_is_told_later(home: Home) -> None:
    alice, bob = await asked(home, "hello")
    page = alice.page
    await alice.context.route("**/conversations/*/*", lambda route: route.abort())
    await button(page, "Accept").click()
    await expect(card(page).get_by_role("alert")).to_contain_text("will be told that you accepted")
    await expect(button(page, "Accept")).to_be_hidden()
    await chooses(page, "Block")
    await expect(card(page).get_by_role("alert")).to_contain_text("Blocked on this device")
    await button(page, "Unblock").click()
    await expect(card(page).get_by_role("alert")).to_contain_text("They are still blocked.")
    assert states(home, bob.conversation) == [(0, 0), (1, 0)]
    await alice.context.unroute_all(behavior="wait")
    await page.reload()  # nothing of it is lost
    await page.evaluate(ROUND)
    await until(lambda: (1, 1) in states(home, bob.conversation))
    await expect(card(page)).to_contain_text("You blocked")
    await button(page, "Unblock").click()
    await expect(card(page)).to_be_hidden()
    await until(lambda: states(home, bob.conversation) == [(1, 0), (1, 0)])


async def test_a_namesake_of_a_contact_is_said_to_be_someone_else_and_a_deleted_request_is_not_accepted(
    home: Home,
) -> None:
    alice = await home.person("alice", is_kept=True)
    friend = await home.peer("robert")
    await alice.starts_with(friend.search_pin)
    where = alice.page.url.split("/")[-1]
    _, twin = await asked(home, "it is me", name="R0bert")
    await expect(card(alice.page)).to_contain_text("one that looks like it, but another key")
    heading = card(alice.page).get_by_role("heading")
    await expect(alice.page.locator(".partner h1")).to_have_text(await heading.inner_text())  # with its key
    await alice.page.evaluate(CALL, [where, "my brother"])
    await alice.page.reload()  # also if Alice calls her friend by another name
    await expect(alice.list).to_contain_text("my brother")
    await expect(card(alice.page)).to_contain_text("one that looks like it, but another key")
    page, line = alice.page, alice.page.locator(f"#conversations [data-conversation-id='{twin.conversation}']")
    await button(page, "Delete").click()
    asks = page.get_by_role("dialog", name="Delete this conversation?")
    await asks.get_by_role("button", name="Cancel").click()
    await expect(card(page)).to_be_visible()
    await button(page, "Delete").click()
    await asks.get_by_role("button", name="Delete conversation").click()
    await expect(line).to_have_count(0)
    await expect(page).to_have_url(f"{alice.address}/")
    await expect(alice.list.get_by_role("link").first).to_be_focused()
    assert states(home, twin.conversation) == [(0, 0), (1, 0)]
    await twin.writes("it is still me")
    await expect(line).to_contain_text("Request")
    await alice.goes_to(f"/c/{twin.conversation}")
    await expect(texts_of(page)).to_have_text(["it is still me"])
    await expect(button(page, "Accept")).to_be_visible()


async def test_what_a_blocked_person_sends_is_counted_once_and_does_not_come_back(home: Home) -> None:
    alice, bob = await asked(home, "hello")
    page, line = alice.page, alice.list.get_by_role("link", name=bob.name)
    await field(page).fill("a draft")
    await button(page, "Block").click()
    await expect(button(page, "Unblock")).to_be_focused()
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    await field(page).clear()
    await expect(field(page)).to_be_hidden()
    await expect(line).to_contain_text("Blocked")
    await until(lambda: (0, 1) in states(home, bob.conversation))
    await bob.writes("one")
    await bob.writes("two")
    await page.reload()
    await expect(texts_of(page)).to_have_text(["hello", "2 messages came while this person was blocked."])
    await expect(page).to_have_title(re.compile("^(?!.*[(])"))
    await button(page, "Unblock").click()
    await expect(button(page, "Accept")).to_be_visible()  # a request again
    await expect(field(page)).to_be_visible()
    met = await kept(page, bob.conversation)
    assert met is not None
    assert (met["accepted"], met["blocked"], len(met["blocks"])) == (False, False, 1)
    await button(page, "Accept").click()
    await until(lambda: states(home, bob.conversation) == [(1, 0), (1, 0)])
    await bob.writes("three")
    await expect(texts_of(page).last).to_have_text("three")
    await page.reload()
    await expect(texts_of(page)).to_have_text(["hello", "2 messages came while this person was blocked.", "three"])
    await expect(page.locator(".withheld")).to_be_hidden()


async def test_blocked_people_are_listed_in_settings_and_unblocked_there(home: Home) -> None:
    alice, bob = await asked(home, "hello")
    page = alice.page
    await chooses(page, "Block")
    await expect(button(page, "Unblock")).to_be_visible()
    await page.goto(f"{alice.address}/settings")
    people = page.get_by_role("group", name="Blocked people")
    unblock = people.get_by_role("button", name=f"Unblock {bob.name}")
    await expect(people.get_by_role("listitem").filter(has_text=bob.name)).to_have_count(1)
    assert await faults_in_every_look(page, "main") == []
    await alice.context.route("**/unblock", lambda route: route.abort())
    await unblock.click()
    await expect(people.get_by_role("alert")).to_contain_text("They are still blocked.")
    await alice.context.unroute_all(behavior="wait")
    await unblock.focus()
    await page.keyboard.press("Enter")
    await expect(unblock).to_have_count(0)
    await until(lambda: (0, 0) in states(home, bob.conversation))
    await page.goto(f"{alice.address}/c/{bob.conversation}")
    await expect(button(page, "Accept")).to_be_visible()


def reports(home: Home) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of each report the reason, and (message_id, jws) of its messages."""
    path = f"file:{home.server.data_dir / 'ezdms.db'}?mode=ro"
    with closing(sqlite3.connect(path, uri=True)) as connection:
        told = connection.execute("SELECT report_id, reason FROM reports ORDER BY created_at").fetchall()
        of = "SELECT message_id, jws FROM reported_messages WHERE report_id = ? ORDER BY seq"
        return [(reason, connection.execute(of, (one,)).fetchall()) for one, reason in told]


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name=re.compile("^Report messages from "))


async def aborted(route: Route) -> None:
    await route.abort()


async def refused(route: Route) -> None:
    policy = {"Content-Security-Policy": "default-src 'none'; base-uri 'none'"}
    await route.fulfill(status=507, body=json.dumps({"code": "reports"}), headers=policy)


async def test_a_report_hands_over_what_was_chosen_even_if_it_was_deleted_meanwhile(home: Home) -> None:
    alice, bob = await asked(home, "a threat", "an insult")
    page, before = alice.page, len(reports(home))
    await alice.writes("leave me alone")
    await bob.writes("first")
    await bob.edits("first", "second")
    await expect(texts_of(page).filter(has_text="second")).to_be_visible()
    await bob.deletes("a threat")
    await expect(page.get_by_role("log")).to_contain_text("deleted this message")
    await chooses(page, "Report")
    host = page.url.split("/")[2]
    await expect(dialog(page)).to_contain_text(f"They go to whoever runs this server: EZ-DMS ({host}).")
    for said in (
        "the signed original: the text, when it was written and received, its number, both of your keys",
        "Of a file, they get the name, the preview and the key, so they can open it as long as it is on this server.",
        "The operator keeps this until they discard it, also if a message is deleted or disappears here.",
    ):
        await expect(dialog(page)).to_contain_text(said)
    picks = dialog(page).get_by_role("checkbox")
    await expect(dialog(page).locator("label.check .text")).to_have_text(["a threat", "an insult", "first", "second"])
    await expect(dialog(page).locator("label.check .state")).to_have_text(["deleted", "", "", "edited"])
    await dialog(page).get_by_role("button", name="Report").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("Choose the messages to report.")
    await picks.nth(0).check()
    await picks.nth(3).check()
    reason = dialog(page).get_by_role("textbox", name="Reason")
    await reason.fill("😀" * 501)
    await dialog(page).get_by_role("button", name="Report").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("at most 500 characters. Yours has 501.")
    await reason.fill("they threaten me")
    for how, said in ((aborted, "cannot be reached"), (refused, "has not looked at your earlier reports")):
        await page.route("**/report", how)
        await dialog(page).get_by_role("button", name="Report").click()
        await expect(dialog(page).get_by_role("alert")).to_contain_text(said)
        await page.unroute("**/report")
    await expect(reason).to_have_value("they threaten me")  # nothing typed is lost
    await page.keyboard.press("Escape")
    await chooses(page, "Report")
    await expect(picks.nth(3)).to_be_checked()
    await dialog(page).get_by_role("button", name="Report").click()
    await expect(dialog(page).get_by_role("status")).to_have_text("The operator has your report, with 2 messages.")
    [(told, messages)] = reports(home)[before:]
    assert told == "they threaten me"
    assert messages == [(sent.message_id, sent.jws) for sent in (bob.sent[0], bob.sent[3])]
    await expect(reason).to_be_empty()
    await page.reload()  # only what the page has shown is kept, and only until it is closed
    await expect(page.get_by_role("log")).to_contain_text("deleted this message")
    await chooses(page, "Report")
    await expect(dialog(page).locator("label.check .text")).to_have_text(["an insult", "second"])
    await page.keyboard.press("Escape")


async def test_what_has_disappeared_or_came_during_a_block_cannot_be_reported_nor_more_than_twenty(home: Home) -> None:
    alice, bob = await asked(home, "stays")
    page = alice.page
    await alice.writes("yes")
    await bob.writes("gone in a moment", x=5)
    await expect(texts_of(page).filter(has_text="gone in a moment")).to_be_visible()
    await expect(page.get_by_text("This message has disappeared.")).to_be_visible()
    await chooses(page, "Block")
    await until(lambda: (1, 1) in states(home, bob.conversation))
    await bob.writes("while blocked")
    await page.reload()
    await button(page, "Report").click()
    await expect(dialog(page).locator("label.check .text")).to_have_text(["stays"])
    await page.keyboard.press("Escape")
    await button(page, "Unblock").click()
    await until(lambda: states(home, bob.conversation) == [(1, 0), (1, 0)])
    await expect(button(page, "Unblock")).to_be_hidden()  # the vault knows it, too
    await page.goto("about:blank")
    for number in range(50):
        await bob.writes(f"insult {number}")
    await alice.context.request.get(f"{alice.address}/messages/{bob.conversation}", headers=JSON)  # they are read
    await page.goto(f"{alice.address}/c/{bob.conversation}")  # loads the newest 50
    await expect(texts_of(page).last).to_have_text("insult 49")
    picks, hands_over = dialog(page).get_by_role("checkbox"), dialog(page).get_by_role("button", name="Report")
    await chooses(page, "Report")
    await picks.last.check()
    assert await picks.count() <= 50
    await dialog(page).get_by_role("button", name="Load earlier messages").click()
    await expect(picks).to_have_count(51)
    await expect(dialog(page).get_by_role("button", name="Load earlier messages")).to_be_hidden()
    await expect(picks.last).to_be_checked()  # what was chosen stays so
    for number in range(20):
        await picks.nth(number).check()
    before = len(reports(home))
    await hands_over.click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("at most 20 messages. You chose 21.")
    assert len(reports(home)) == before
    await picks.last.uncheck()
    await hands_over.click()
    await expect(dialog(page).get_by_role("status")).to_have_text("The operator has your report, with 20 messages.")
    [(_, messages)] = reports(home)[before:]
    assert messages[:2] == [(sent.message_id, sent.jws) for sent in (bob.sent[0], bob.sent[3])]
    await page.keyboard.press("Escape")


async def test_the_card_and_the_report_pass_axe_and_work_by_keyboard(home: Home) -> None:
    alice, _ = await asked(home, "hello " * 40)
    page, faults = alice.page, {}
    faults["request"] = await faults_in_every_look(page)
    await button(page, "Report").focus()
    await page.keyboard.press("Enter")
    await expect(dialog(page).get_by_role("heading")).to_be_focused()
    faults["report"] = await faults_in_every_look(page, ":popover-open")
    await dialog(page).get_by_role("checkbox").focus()
    await page.keyboard.press("Space")
    await dialog(page).get_by_role("button", name="Report").focus()
    await page.keyboard.press("Enter")
    await expect(dialog(page).get_by_role("status")).to_have_text("The operator has your report, with 1 message.")
    await page.keyboard.press("Escape")
    await expect(dialog(page)).to_be_hidden()
    await button(page, "Block").focus()
    await page.keyboard.press("Enter")
    await expect(button(page, "Unblock")).to_be_focused()
    faults["blocked"] = await faults_in_every_look(page, "message-thread")
    assert {name: found for name, found in faults.items() if found} == {}
    assert alice.errors == []
