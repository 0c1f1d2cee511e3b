"""What a conversation shows of edits, deletions, reactions, replies and disappearing messages, and what it forgets."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.browser.home import Home
from tests.browser.lies.peers import milliseconds
from tests.browser.test_thread import DAY, lines, talk
from tests.support.access import faults_in_every_look
from tests.support.hostile import Hostile, contact_of
from tests.support.someone import Someone, texts_of, until

SECRET = "zyxgone"  # part of every text that must be nowhere afterwards; never passed into the page by a test
# What the page holds of its rows, as far as a script can reach it.
HELD = """() => JSON.stringify([document.documentElement.outerHTML,
    ...[...document.querySelectorAll("message-row")].map(({ fact, shown, dataset }) => [fact, shown, dataset]),
    document.querySelector("message-thread")?.facts])"""


async def heap_of(page: Page) -> str:
    """Every string in the memory of the page (Chromium)."""
    session = await page.context.new_cdp_session(page)
    chunks: list[str] = []
    session.on("HeapProfiler.addHeapSnapshotChunk", lambda event: chunks.append(event["chunk"]))
    await session.send("HeapProfiler.collectGarbage")
    await session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    await session.detach()
    return "".join(chunks)


async def is_nowhere(someone: Someone) -> None:
    """The secret is nowhere in the page, and in Chromium nowhere in its memory."""
    assert "fact" not in SECRET
    assert SECRET not in await someone.page.evaluate(HELD)
    if someone.context.browser and someone.context.browser.browser_type.name == "chromium":
        heap = await heap_of(someone.page)
        assert "message-thread" in heap  # control
        assert SECRET not in heap


def last_of(someone: Someone, name: str) -> Locator:
    """What the list says of this person's newest message."""
    return someone.list.locator("conversation-item").filter(has_text=name).locator(".last")


async def is_drawn(page: Page, count: int) -> None:
    """Wait until so many texts are on the page, without saying which."""
    await expect(page.locator("message-row sealed-text:not([data-sealed])")).to_have_count(count)


async def test_edits_deletions_and_reactions_change_their_message_everywhere_and_leave_nothing(home: Home) -> None:
    alice, bob = await talk(home, "hello", f"{SECRET} typo", f"{SECRET} and more", "one")
    page = alice.page
    await bob.edits("one", "first")
    await bob.reacts(bob.named["hello"], "\u2764\ufe0f")
    await alice.opens(bob.name)
    await is_drawn(page, 4)
    await expect(page.locator(".new")).to_have_text("4 new messages")  # changes are none
    assert SECRET in await page.evaluate(HELD)  # control

    reaction = page.locator(".reaction")
    await expect(reaction).to_have_attribute("aria-label", f"\u2764\ufe0f 1: {bob.name}")
    await bob.reacts(bob.named["hello"], "\U0001f44d")
    await expect(reaction).to_have_text("\U0001f44d")
    await bob.reacts(bob.named["hello"], "")
    await expect(reaction).to_have_count(0)
    await is_drawn(page, 4)  # a reaction is no message

    await bob.writes("what was that?", reference=bob.named[f"{SECRET} and more"])
    await expect(page.locator(".quote")).to_have_count(1)
    first = await bob.edits(f"{SECRET} typo", f"{SECRET} second try")
    await bob.deletes(f"{SECRET} and more")
    await bob.edits(f"{SECRET} typo", "as meant", first.hash)
    shown = ["hello", "as meant", f"{bob.name} deleted this message for both of you.", "first", "what was that?"]
    await expect(texts_of(page)).to_have_text(shown)
    edited = page.locator(".edited")
    await expect(edited).to_have_count(2)
    await expect(edited.first).to_contain_text(await page.evaluate("() => `${new Date().getFullYear()}`"))
    await expect(page.locator(".quote")).to_contain_text("Message deleted")
    await bob.edits("what was that?", "what is that?")
    shown[4] = "what is that?"
    await expect(texts_of(page)).to_have_text(shown)
    await expect(last_of(alice, bob.name)).to_have_text("what is that?")
    assert SECRET not in await page.evaluate(HELD)

    await page.reload()  # until then the page keeps what was signed, so that it can be reported
    await expect(texts_of(page)).to_have_text(shown)
    await is_nowhere(alice)
    await expect(page.locator(".note:not(:empty), [role=alert]:not(:empty), .withheld:not([hidden])")).to_have_count(0)


async def test_quotes_and_changes_lead_to_their_message_even_on_an_earlier_page(home: Home) -> None:
    alice, bob = await talk(home, "the very first", "the very frist", *lines(60))
    # An edit that was replaced by a later one: without the message that both are about, nothing proves that.
    first = await bob.edits("the very frist", "the very 1st")
    await bob.edits("the very frist", "the very second", first.hash)
    await bob.writes("about that", reference=bob.named["the very first"])
    await alice.opens(bob.name)
    await expect(texts_of(alice.page)).to_have_count(63)  # it opened at the first unread message
    for name, text in (("Load earlier messages", "the very second"), ("In reply to", "the very first")):
        page = await alice.new_tab()
        await page.goto(alice.page.url)
        await expect(texts_of(page).last).to_have_text("about that")
        await expect(page.locator("older-messages")).to_have_count(1)
        quote = page.get_by_role("button", name="In reply to")
        await expect(quote).to_contain_text("An earlier message")
        await expect(page.get_by_text("This message has not been loaded yet.")).to_be_visible()
        await page.get_by_role("button", name=name).press("Enter")
        target = page.locator("message-row").filter(has_text=text).first
        await expect(target).to_be_focused()
        await expect(target).to_be_in_viewport()
        await expect(page.get_by_text("has not been loaded yet")).to_have_count(0)
        await expect(quote).to_have_text(f"In reply to {bob.name} the very first")
        await expect(texts_of(page)).to_have_count(63)
        await page.close()


async def test_a_message_disappears_at_its_time_without_a_server(home: Home) -> None:
    alice, bob = await talk(home)
    await alice.opens(bob.name)
    await alice.writes("hello")  # accepts the conversation
    await expect(texts_of(alice.page)).to_have_text("hello")
    await bob.writes("300", kind="timer")
    timer = f"{bob.name} set messages to disappear 5 minutes after they are sent."
    await expect(texts_of(alice.page)).to_have_text(["hello", timer])
    await bob.writes(f"{SECRET} for a moment", x=8)
    await bob.writes("an answer", x=300, reference=bob.named[f"{SECRET} for a moment"])
    await expect(alice.page.get_by_role("timer")).to_have_count(2)
    await expect(alice.page.get_by_role("timer", name="Disappears in 5 minutes")).to_have_text("5 min")
    assert await alice.page.evaluate("() => document.querySelector('message-thread').timer") == 300
    await alice.context.set_offline(True)
    gone = "This message has disappeared."
    await expect(texts_of(alice.page)).to_have_text(["hello", timer, gone, "an answer"])
    await expect(alice.page.locator(".quote")).to_contain_text("Message disappeared")
    await is_nowhere(alice)
    await alice.context.set_offline(False)
    await until(lambda: _knows_the_timer(alice))
    await alice.page.reload()
    await expect(texts_of(alice.page)).to_have_text(["hello", timer, gone, "an answer"])  # proven by the timer


async def _knows_the_timer(someone: Someone) -> bool:
    return milliseconds() - int((await contact_of(someone.page)).get("timed", 0)) < 60_000


async def _has_stored(someone: Someone, n: int) -> bool:
    return bool(((await contact_of(someone.page))["theirs"] or [0])[0] == n)


async def test_the_list_shows_the_newest_message_as_it_is_now(home: Home) -> None:
    """The conversation was never opened."""
    alice, bob = await talk(home, f"{SECRET} typo")
    last = last_of(alice, bob.name)
    await expect(last.locator(".words")).not_to_be_empty()
    first = await bob.edits(f"{SECRET} typo", f"{SECRET} again wrong")
    await expect(last).to_contain_text("again wrong")
    await bob.edits(f"{SECRET} typo", "as meant", first.hash)
    await expect(last).to_have_text("as meant")
    await bob.reacts(bob.named[f"{SECRET} typo"], "\U0001f44d")
    await expect(last).to_have_text("Reacted \U0001f44d to a message")
    await bob.writes("3600", kind="timer")
    await expect(last).to_have_text("Disappearing messages: 1 hour")
    await bob.writes(f"{SECRET} is short", x=5)
    await expect(last).to_have_text("Message disappeared")
    await bob.writes(f"{SECRET} again")
    await expect(last.locator(".words")).to_contain_text("again")
    await bob.deletes(f"{SECRET} again")
    await expect(last).to_have_text("Message deleted")
    await is_nowhere(alice)


async def test_a_conversation_with_all_of_it_is_accessible(home: Home) -> None:
    alice, bob = await talk(home, "Lunch at 12?", "gone", "typo heer", "empty")
    page = alice.page
    await alice.opens(bob.name)
    await alice.writes("Yes, see you there")
    await expect(texts_of(page).last).to_have_text("Yes, see you there")
    a = (1, (await bob.newest())[1])
    await bob.deletes("gone", a=a)
    await bob.edits("typo heer", "typo here", a=a)
    await bob.reacts(await bob.own_of(1), "\U0001f44d", a=a)
    await bob.reacts(bob.named["Lunch at 12?"], "\u2764\ufe0f", a=a)
    await bob.writes("300", kind="timer", a=a)
    await bob.writes("and this answers what is gone", reference=bob.named["gone"], x=300, a=a)
    empty = "UPDATE messages SET sealed_a = NULL, sealed_b = NULL WHERE conversation_id = ? AND message_id = ?"
    Hostile(home.server).run(empty, bob.conversation, bob.named["empty"][0])
    await page.reload()
    await expect(texts_of(page).last).to_have_text("and this answers what is gone")
    await expect(page.locator(".reaction")).to_have_count(2)
    await expect(page.locator(".withheld")).to_be_visible()
    await page.emulate_media(reduced_motion="reduce")  # colors change at once
    assert await faults_in_every_look(page) == []


# Counts what the page asks of WebCrypto.
COUNT = """() => {
    globalThis.asked = {};
    for (const name of ["decrypt", "verify", "importKey", "digest"]) {
        const real = SubtleCrypto.prototype[name];
        SubtleCrypto.prototype[name] = function count(...given) {
            globalThis.asked[name] = (globalThis.asked[name] ?? 0) + 1;
            return real.apply(this, given);
        };
    }
}"""


async def test_plain_messages_cost_no_more_cryptography(home: Home) -> None:
    asked: list[dict[str, int]] = []
    alice = await home.person("alice")
    page = await alice.new_tab()
    await page.add_init_script(f"({COUNT})()")
    peers = {10: await home.peer(), 50: await home.peer()}
    for count, bob in peers.items():
        await bob.starts_with(alice.search_pin)
        bob.wrote(*lines(count))
    await page.goto(alice.address)
    for count, bob in peers.items():
        line = page.get_by_role("navigation", name="Conversations").get_by_role("link", name=bob.name)
        await expect(line).to_contain_text(f"line {count}")
        await page.wait_for_function("() => !document.querySelector('.words:empty')")
        await page.evaluate("() => { globalThis.asked = {}; }")
        await line.click()
        await expect(texts_of(page)).to_have_count(count)
        await expect(texts_of(page).first).to_have_text("line 1")
        asked.append(await page.evaluate("() => globalThis.asked"))
    more: dict[str, Any] = {name: asked[1][name] - asked[0][name] for name in asked[0]}
    assert (more["decrypt"], more["verify"]) == (80, 40)  # of forty messages: content key, content, signature
    assert more["importKey"] <= 40
    assert more["digest"] <= 40


async def test_a_device_that_wakes_drops_what_expired_while_it_slept_and_renames_the_days(home: Home) -> None:
    alice, bob = await talk(home, "hello", "today", ago=[DAY, 0])
    page = home.people.pop("alice").page  # nobody else may have her: the clock is that of a whole context
    await page.clock.install()
    await page.reload()
    await alice.opens(bob.name)
    days = page.locator(".day")
    await expect(days).to_have_text(["Yesterday", "Today"])
    for text in ("one", "two", "three"):
        await bob.writes(f"{SECRET} {text}", x=3600)
    await is_drawn(page, 5)
    await until(lambda: _has_stored(alice, 5))  # afterwards, nothing else makes the page look
    await page.clock.fast_forward("02:00:00")
    await expect(texts_of(page)).to_have_text(["hello", "today", "3 messages have disappeared."])
    await expect(last_of(alice, bob.name)).to_have_text("Message disappeared")
    assert SECRET not in await page.evaluate(HELD)
    await page.clock.fast_forward("22:00:00")
    weekday = await page.evaluate(
        f"() => new Intl.DateTimeFormat(undefined, {{ weekday: 'long' }}).format(Date.now() - {2 * DAY})"
    )
    await expect(days).to_have_text([weekday, "Yesterday"])
