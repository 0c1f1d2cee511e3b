"""Disappearing messages: how the timer is set, what carries it, and what becomes of an unsent message that is old."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, Route, expect

from tests.browser.home import Home
from tests.browser.test_changing import ROUND, gets, messages, row, talks
from tests.support.hostile import Hostile, contact_of
from tests.support.someone import until

LATER = "(ms) => { const now = Date.now; Date.now = () => now() + ms; }"
HOUR = 3_600_000  # ms


async def opens_timer(page: Page) -> Locator:
    """Open the dialog."""
    await page.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name="Disappearing messages").click()
    dialog = page.get_by_role("dialog", name="Disappearing messages")
    await expect(dialog).to_be_visible()
    return dialog


async def sets_timer(page: Page, name: str) -> None:
    """Choose a time in the dialog."""
    dialog = await opens_timer(page)
    await dialog.get_by_role("button", name=name, exact=True).click()
    await dialog.get_by_role("button", name="Set", exact=True).click()
    await expect(dialog).to_be_hidden()


async def test_the_timer_is_set_in_the_options_and_what_is_written_carries_it_also_offline(
    home: Home,
) -> None:
    alice, bob = await talks(home, "stays")
    page = alice.page
    dialog = await opens_timer(page)
    await expect(dialog.get_by_role("button", name="Off")).to_have_attribute("aria-pressed", "true")
    await dialog.get_by_role("button", name="1 hour").click()
    await expect(dialog.get_by_text("Messages disappear 1 hour after they are sent, read or not.")).to_be_visible()
    await dialog.get_by_role("button", name="Set", exact=True).click()
    await expect(dialog).to_be_hidden()
    await gets(bob, "timer", "3600", x=0)
    await expect(page.locator("message-composer .lifetime")).to_have_text(
        "Messages disappear 1 hour after they are sent."
    )
    await alice.writes("goes")
    await gets(bob, "text", "goes", x=3600)
    rows = await bob.rows()
    assert [one["expires_in"] for one in rows] == [0, 0, 3600]
    for text, x in (("stays", 0), ("goes", 3600)):  # a reaction lives as long as its message
        await row(page, text).hover()
        await row(page, text).get_by_role("button", name="Message actions").click()
        await page.get_by_role("menuitem", name="👍").click()
        await gets(bob, "react", "👍", x=x)
        await expect(row(page, text).get_by_role("button", name="👍")).to_be_visible()
    await sets_timer(page, "Off")
    await gets(bob, "timer", "0")
    await expect(page.locator("message-composer .lifetime")).to_be_empty()
    await alice.writes("stays, too")
    await gets(bob, "text", "stays, too", x=0)

    # Offline, what is written after it carries it, too.
    await page.route("**/send_message", lambda route: route.abort())
    await sets_timer(page, "1 day")
    await expect(page.locator(".pending")).to_contain_text("Disappearing messages: 1 day")
    await alice.writes("for a day")
    await expect(page.locator(".pending")).to_have_count(2)
    await page.unroute("**/send_message")
    await page.evaluate(ROUND)
    await gets(bob, "text", "for a day", x=86400)


async def test_a_custom_time_has_limits_and_what_was_typed_stays(home: Home) -> None:
    alice, bob = await talks(home, is_kept=True)
    page = alice.page
    dialog = await opens_timer(page)
    await dialog.get_by_role("button", name="Custom").click()
    count, alert = dialog.get_by_role("textbox", name="Custom time"), dialog.get_by_role("alert")
    for typed, unit, sentence in (
        ("4", "seconds", "The shortest time is 5 seconds."),
        ("366", "days", "The longest time is 365 days."),
        ("a week", "days", "Enter a whole number, for example 12."),
        ("1.5", "hours", "Enter a whole number, for example 12."),
        ("", "hours", "Enter a whole number, for example 12."),
    ):
        await count.fill(typed)
        await dialog.get_by_role("button", name=unit, exact=True).click()
        await dialog.get_by_role("button", name="Set", exact=True).click()
        await expect(alert).to_have_text(sentence)
        await expect(count).to_have_value(typed)
    await count.fill("90")
    await dialog.get_by_role("button", name="minutes", exact=True).click()
    await expect(dialog.get_by_text("Messages disappear 90 minutes after they are sent")).to_be_visible()
    await count.press("Enter")
    await expect(dialog).to_be_hidden()
    await gets(bob, "timer", "5400")
    await expect(page.locator("message-composer .lifetime")).to_contain_text("90 minutes")
    dialog = await opens_timer(page)
    await expect(dialog.get_by_role("button", name="Custom")).to_have_attribute("aria-pressed", "true")
    await expect(count).to_have_value("90")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(dialog).to_be_hidden()
    assert [message.kind for message in await messages(bob)] == ["timer"]


async def test_nobody_can_make_a_page_forget_the_timer_by_writing_a_page_of_texts_without_it(home: Home) -> None:
    alice, bob = await talks(home, is_kept=True)
    page, conversation = alice.page, f"{alice.address}/c/{bob.conversation}"
    await sets_timer(page, "1 hour")
    await gets(bob, "timer", "3600")
    await alice.writes("under the timer")
    await gets(bob, "text", "under the timer", x=3600)

    async def is_remembered() -> bool:
        return bool((await contact_of(page)).get("timed"))

    await until(is_remembered)
    for count, is_own_there in ((49, 1), (50, 0)):  # a page has fifty
        await page.goto("about:blank")  # which shows none of what comes, one after the other
        for number in range(count):
            await bob.writes(f"for ever {count} {number}")
        read = """UPDATE participants SET read_seq = (SELECT last_seq FROM conversations c
            WHERE c.conversation_id = participants.conversation_id) WHERE conversation_id = ?"""
        Hostile(home.server).run(read, bob.conversation)  # so that it opens at the end
        await page.goto(conversation)
        await expect(row(page, f"for ever {count} {count - 1}")).to_be_visible()
        await expect(row(page, "messages to disappear")).to_have_count(0)
        await expect(row(page, "under the timer")).to_have_count(is_own_there)
        await alice.writes(f"still under it {count}")
        await gets(bob, "text", f"still under it {count}", x=3600)


async def test_bad_changes_are_refused_with_a_sentence_and_not_stored(home: Home) -> None:
    alice, bob = await talks(home, "target", is_kept=True)
    await bob.writes("bob wrote this")
    await expect(row(alice.page, "bob wrote this")).to_be_visible()
    said: Any = await alice.page.evaluate(
        """async (texts) => {
            const thread = document.querySelector("message-thread");
            const [{ fact: { id, hash } }, { fact: theirs }] = thread.querySelectorAll("message-row");
            const { outbox } = thread.querySelector("message-composer");
            const said = (error) => error.message;
            const added = [
                ...texts.map((text) => ({ kind: "react", text, reference: [id, hash] })), { kind: "timer", text: "4" },
                { kind: "edit", text: "x", reference: [id.replace(/./, (one) => (one === "A" ? "B" : "A")), hash] },
                { kind: "edit", text: "x", reference: [theirs.id, theirs.hash] },
                { kind: "delete", text: `${theirs.id} ${theirs.hash}` },
            ];
            const answers = [];
            for (const one of added) answers.push(await outbox.add([one]).then(() => "added", said));
            return answers;
        }""",
        ["a", "👍" * 17],
    )
    assert said == [
        "Expected one emoji.",
        "Expected one emoji.",
        "Expected 0 or 5 to 31536000 seconds.",
        "The message that this is about is not here any more.",
        "Only the person who sent a message can edit it or delete it for both.",
        "Only the person who sent a message can edit it or delete it for both.",
    ]
    await alice.page.reload()
    await expect(row(alice.page, "target")).to_be_visible()
    await expect(alice.page.locator(".pending")).to_have_count(0)
    assert [message.kind for message in await messages(bob)] == ["text", "text"]


async def test_an_old_unsent_message_that_disappears_is_sealed_anew_or_the_person_is_asked(home: Home) -> None:
    alice, bob = await talks(home, is_kept=True)
    page = alice.page
    await sets_timer(page, "4 weeks")
    await gets(bob, "timer", str(28 * 86400))
    await expect(page.locator("message-composer .lifetime")).to_contain_text("4 weeks")
    await page.route("**/send_message", lambda route: route.abort())
    await alice.writes("tried")
    await alice.writes("waited")
    pending = page.locator(".pending")
    await expect(pending).to_have_count(2)
    await page.evaluate(LATER, HOUR + 60_000)
    await page.evaluate(ROUND)
    await expect(pending.first).to_contain_text("more than an hour ago. It may have arrived.")
    await expect(pending.first.get_by_role("button", name="Try again")).to_be_hidden()
    await page.unroute("**/send_message")
    await page.evaluate(ROUND)
    await expect(pending).to_have_count(2)  # nothing is sent before the person decides
    assert [message.kind for message in await messages(bob)] == ["timer"]
    now = await page.evaluate("Date.now()")
    await pending.first.get_by_role("button", name="Send as a new message").click()
    await gets(bob, "text", "waited")
    tried, waited = (await messages(bob))[-2:]
    assert (tried.text, tried.x, waited.x) == ("tried", 28 * 86400, 28 * 86400)
    assert min(tried.ts, waited.ts) >= now  # both were given a new time


async def test_an_old_unsent_message_can_be_discarded_or_turns_out_to_have_arrived(home: Home) -> None:
    alice, bob = await talks(home)
    page = alice.page
    await sets_timer(page, "4 weeks")
    await expect(page.locator("message-composer .lifetime")).to_contain_text("4 weeks")

    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route_web_socket("**/ws", lambda socket: socket.close())
    await page.reload()
    await expect(page.locator("message-composer .lifetime")).to_contain_text("4 weeks")
    await page.route("**/send_message", lose_the_answer)
    await page.route("**/messages/**", lambda route: route.abort())
    pending = page.locator(".pending")
    await alice.writes("arrived")
    await gets(bob, "text", "arrived")
    await expect(pending).to_contain_text("Not sent yet.")
    await page.evaluate(LATER, HOUR + 60_000)
    await page.unroute("**/messages/**")
    await page.evaluate(ROUND)
    await expect(row(page, "arrived")).to_be_visible()  # nobody is asked
    await expect(pending).to_have_count(0)
    await page.route("**/send_message", lambda route: route.abort())
    await alice.writes("lost")
    await expect(pending).to_contain_text("Not sent yet.")
    await page.evaluate(LATER, HOUR + 60_000)
    await page.evaluate(ROUND)
    await expect(pending).to_contain_text("It may have arrived.")  # no longer tried: that cannot be discarded
    await pending.get_by_role("button", name="Discard").click()
    await expect(pending).to_have_count(0)
    await page.unroute("**/send_message")
    await page.evaluate(ROUND)
    assert [message.text for message in await messages(bob)][1:] == ["arrived"]
