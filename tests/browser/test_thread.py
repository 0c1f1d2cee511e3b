"""How a conversation reads: where it opens, its days and times, and what is in a bubble."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from ezdms import crypto
from tests.browser.home import Home
from tests.browser.lies.peers import Peer, milliseconds
from tests.support.hostile import Hostile, alter
from tests.support.someone import Someone, texts_of, until

MINUTE, DAY = 60_000, 86_400_000
SCROLL_UP = "(log, pixels) => { log.scrollTop = -pixels; }"
TOP = "(row) => row.getBoundingClientRect().top"


def row(page: Page, text: str) -> Locator:
    """The row of the message with this text."""
    return page.locator("message-row").filter(has=page.get_by_text(text, exact=True))


async def box_of(found: Locator) -> Any:
    """Where it is."""
    box = await found.bounding_box()
    assert box is not None
    return box


async def talk(home: Home, *texts: str) -> tuple[Someone, Peer]:
    """Alice at her list, and a program that has written to her."""
    alice, peer = await home.person("alice"), await home.peer()
    await peer.starts_with(alice.search_pin)
    for text in texts:
        await peer.writes(text)
    return alice, peer


async def move(home: Home, peer: Peer, *ago: int) -> None:
    """Their conversation's messages were stored so many milliseconds ago."""
    for seq, each in enumerate(ago, 1):
        moved = "UPDATE messages SET created_at = ? WHERE conversation_id = ? AND seq = ?"
        Hostile(home.server).run(moved, milliseconds() - each, peer.conversation, seq)


@pytest.mark.firefox_too
async def test_a_conversation_opens_at_the_first_new_message_below_a_divider(home: Home) -> None:
    alice, bob = await talk(home, *(f"line {number}" for number in range(1, 71)))  # more than a page
    page, down = alice.page, alice.page.get_by_role("button", name="New messages")
    await alice.opens(bob.name)
    divider = page.locator(".new")
    await expect(divider).to_have_text("70 new messages")
    for text in ("70 new messages", "line 1"):
        await expect(page.get_by_role("log").get_by_text(text, exact=True)).to_be_in_viewport()
    await expect(page.get_by_role("log").get_by_text("line 70", exact=True)).not_to_be_in_viewport()
    await expect(down).to_contain_text("70")
    await bob.writes("one more")
    await expect(down).to_contain_text("71")
    await expect(divider).to_have_text("70 new messages")  # it stays
    await alice.writes("an answer")
    await expect(page.get_by_role("log").get_by_text("an answer", exact=True)).to_be_in_viewport()
    await expect(divider).to_have_count(0)
    await expect(down).to_be_hidden()


async def test_the_divider_is_there_after_a_load_and_after_a_switch_until_one_leaves(home: Home) -> None:
    alice, bob = await talk(home, "old")
    carol = await home.peer()
    await carol.starts_with(alice.search_pin)
    page, divider = alice.page, alice.page.locator(".new")
    await alice.opens(bob.name)
    await expect(divider).to_have_text("1 new message")
    await page.goto(alice.address)
    for text in ("one", "two"):
        await bob.writes(text)
    await page.goto(f"{alice.address}/c/{bob.conversation}")  # its list comes later
    await expect(divider).to_have_text("2 new messages")
    await expect(divider.locator("xpath=..").locator("sealed-text")).to_have_text("one")
    await alice.opens(carol.name)
    await bob.writes("three")
    await expect(alice.list.get_by_role("link", name=bob.name)).to_contain_text("1 unread")
    await alice.opens(bob.name)  # which was put away as it was
    await expect(divider).to_have_text("1 new message")
    await expect(divider.locator("xpath=..").locator("sealed-text")).to_have_text("three")
    await alice.opens(carol.name)
    await alice.opens(bob.name)
    await expect(texts_of(page).last).to_have_text("three")
    await expect(divider).to_have_count(0)
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    await bob.writes("nobody looks")
    await expect(divider).to_have_text("1 new message")


async def test_a_lie_about_unread_messages_only_misplaces_the_divider(home: Home) -> None:
    alice, bob = await talk(home, "one", "two")
    await bob.writes("three")
    page = alice.page
    for lie, told in (("9007199254740991", "3 new messages"), ("1", "1 new message"), ("0", None)):
        change = lambda text, lie=lie: re.sub(r'data-unread="\d+"', f'data-unread="{lie}"', text)  # noqa: E731
        await alter(page, "**/c/*/open", change)
        await page.goto(f"{alice.address}/c/{bob.conversation}")
        await expect(texts_of(page)).to_have_text(["one", "two", "three"])
        await expect(page.locator(".new")).to_have_text([told] if told else [])
        await expect(alice.alert).to_have_count(0)
        await page.unroute_all()


async def test_the_down_button_counts_what_arrives_while_one_reads_above(home: Home) -> None:
    alice, bob = await talk(home, *(f"line {number}\nand more\nof it" for number in range(30)))
    await alice.opens(bob.name)
    page, log = alice.page, alice.page.get_by_role("log")
    newest, new = [page.get_by_role("button", name=name) for name in ("Newest messages", "New messages")]
    await new.click()  # they were unread
    await expect(new).to_be_hidden()
    await log.evaluate(SCROLL_UP, 900)
    await expect(newest).to_be_visible()
    for count in (1, 2):
        await bob.writes(f"news {count}")
        await expect(new).to_have_text(re.compile(rf"\b{count}\b"))
    await new.click()
    await expect(page.get_by_role("log").get_by_text("news 2", exact=True)).to_be_in_viewport()
    await log.evaluate(SCROLL_UP, 900)
    await expect(newest).not_to_contain_text("2")


@pytest.mark.firefox_too
async def test_going_back_from_settings_and_a_reload_keep_the_reading_position(home: Home) -> None:
    alice, bob = await talk(home, *(f"line {number}" for number in range(1, 121)))
    page, log = alice.page, alice.page.get_by_role("log")
    await alice.opens(bob.name)
    await expect(page.get_by_text("120 new messages", exact=True)).to_be_in_viewport()
    await page.get_by_role("button", name="New messages").click()
    await log.evaluate(SCROLL_UP, 2600)
    first = row(page, "line 60")
    await first.evaluate("(row) => row.scrollIntoView()")
    top = await first.evaluate(TOP)

    async def is_kept() -> None:
        await expect(first).to_be_in_viewport()
        await page.wait_for_function(
            "([text, top]) => [...document.querySelectorAll('message-row')].some((row) =>"
            " row.querySelector('sealed-text').textContent === text"
            " && Math.abs(row.getBoundingClientRect().top - top) < 3)",
            arg=["line 60", top],
        )

    await page.reload()
    await is_kept()
    await page.goto(f"{alice.address}/account")
    await expect(page.get_by_role("heading", name="Account")).to_be_visible()
    await page.go_back()
    await is_kept()
    await page.get_by_role("button", name="Newest messages").click()
    await page.reload()
    await expect(page.get_by_role("log").get_by_text("line 120", exact=True)).to_be_in_viewport()
    await expect(page.locator(".new")).to_have_count(0)


async def test_each_day_has_one_pill_also_at_page_boundaries_and_whatever_the_server_claims(home: Home) -> None:
    alice, bob = await talk(home, *(f"line {number}" for number in range(1, 121)))
    days = [9 * DAY] * 5 + [3 * DAY] * 10 + [DAY] * 20 + [0] * 50 + [DAY, 3 * DAY] + [0] * 33
    await move(home, bob, *days)
    page = alice.page
    await alice.opens(bob.name)
    await expect(page.get_by_text("120 new messages", exact=True)).to_be_in_viewport()  # all pages are loaded
    weekday, date = await page.evaluate(
        """(days) => days.map(([ago, how]) => new Intl.DateTimeFormat(undefined, how).format(Date.now() - ago))""",
        [[3 * DAY, {"weekday": "long"}], [9 * DAY, {"weekday": "long", "day": "numeric", "month": "long"}]],
    )
    await expect(page.locator(".day")).to_have_text([date, weekday, "Yesterday", "Today"])


async def test_the_names_of_days_change_at_midnight_without_a_reload(home: Home) -> None:
    someone = await Someone.is_in(home.browser, home.server, "sleepless")  # the clock is that of a whole context
    bob = await home.peer()
    await bob.starts_with(someone.search_pin)
    for text in ("yesterday", "today"):
        await bob.writes(text)
    await move(home, bob, DAY, 0)
    page = someone.page
    await page.clock.install()
    await page.goto(f"{someone.address}/c/{bob.conversation}")
    pills = page.locator(".day")
    await expect(pills).to_have_text(["Yesterday", "Today"])
    await page.clock.fast_forward(DAY)
    weekday = await page.evaluate(
        f"() => new Intl.DateTimeFormat(undefined, {{ weekday: 'long' }}).format(Date.now() - {2 * DAY})"
    )
    await expect(pills).to_have_text([weekday, "Yesterday"])


async def test_a_run_shows_its_time_and_that_it_was_sent_once_but_tells_each_to_screen_readers(home: Home) -> None:
    alice, bob = await talk(home, "theirs", "a minute later", "and at once")
    await move(home, bob, 10 * MINUTE, 9 * MINUTE - 1000, 9 * MINUTE - 2000)
    page = alice.page
    await alice.opens(bob.name)
    await alice.writes("mine")
    await alice.writes("mine too")
    await expect(page.locator(".pending")).to_have_count(0)
    await expect(texts_of(page)).to_have_count(5)
    shown = [(await box_of(meta))["width"] > 10 for meta in await page.locator("message-row .meta").all()]
    assert shown == [True, False, True, False, True]
    for text, is_own in (("theirs", False), ("and at once", False), ("mine", True), ("mine too", True)):
        told = await row(page, text).aria_snapshot()
        assert re.search(r"\d:\d\d", told)
        assert ("Sent by you" in told, bool(re.search(r"Sent\b(?! by)", told))) == (is_own, is_own)
    await expect(row(page, "mine too").locator(".sent")).to_contain_text("✓")


async def test_the_time_takes_no_line_of_its_own_if_the_last_one_has_room(home: Home) -> None:
    long = "more words than fit into a single line of any bubble, whatever its width, so that a second one is short"
    alice, bob = await talk(home, "short", f"{long} ok", "שלום", "\n".join("abc"))
    await move(home, bob, 9 * MINUTE, 7 * MINUTE, 5 * MINUTE, 3 * MINUTE)
    await alice.opens(bob.name)
    await expect(texts_of(alice.page).last).to_have_text("a\nb\nc")
    for each in await alice.page.locator("message-row .bubble").all():
        whole, text, time = [
            await box_of(found) for found in (each, each.locator("sealed-text"), each.locator(".meta"))
        ]
        assert time["y"] + time["height"] < text["y"] + text["height"] + 10
        assert whole["height"] < text["height"] + 30
        assert whole["x"] < time["x"]
        assert time["x"] + time["width"] < whole["x"] + whole["width"]
    time, text = [await box_of(row(alice.page, "שלום").locator(name)) for name in (".meta", "sealed-text")]
    assert time["x"] + time["width"] < text["x"]  # its line ends on the left


LINKS = {  # the text: what is shown of each link, and where it leads if that differs
    "www.example.org/a, www.example and me@www.example.org": [("www.example.org/a", "https://www.example.org/a")],
    "(https://example.org/a_(b)) [http://example.org/[c]] https://example.org/d)": [
        ("https://example.org/a_(b)", ""),
        ("http://example.org/[c]", ""),
        ("https://example.org/d", ""),
    ],
    "見てhttps://example.org/路。次は「https://example.org/道」、（https://例え.jp/）": [
        ("https://example.org/路", "https://example.org/%E8%B7%AF"),
        ("https://example.org/道", "https://example.org/%E9%81%93"),
        ("https://例え.jp/", "https://xn--r8jz45g.jp/"),
    ],
    "https://\u0430pple.com/x https://\u0430\u0440\u0440\u04cf\u0435.com/ https://paypal.com%2eevil.example/": [
        ("https://xn--pple-43d.com/x", ""),
        ("https://xn--80ak6aa92e.com/", ""),
        ("https://paypal.com.evil.example/", ""),
    ],
    "https://bank.example@evil.example www.bank.example@evil.example https://bank.example:443@evil.example": [],
    "https://evil.example/\u202egro.elpmaxe https://exam\u200bple.org \u2066https://example.org/\u2069": [],
}


async def test_a_link_shows_where_it_leads_and_ends_where_the_address_ends(home: Home) -> None:
    alice, bob = await talk(home, *LINKS)
    await alice.opens(bob.name)
    await expect(texts_of(alice.page)).to_have_count(len(LINKS))
    for text, (said, links) in zip(await texts_of(alice.page).all(), LINKS.items(), strict=True):
        await expect(text).not_to_be_empty()
        found = await text.locator("a").evaluate_all("(all) => all.map((one) => [one.textContent, one.href])")
        assert found == [[shown, href or shown] for shown, href in links], said


EMOJI = ["😀", "👍🏽 ❤️", "👩🏽‍❤️‍👨🏿🇩🇪👨‍👩‍👧‍👦", "1️⃣"]
SPLIT_IN_MANY_WAYS = "\u200d".join(["👨\u200d👧"] * 120) + "!"  # each pair could be one emoji or two
NOT_EMOJI = ["😀😀😀😀", "😀!", "1", "©", "🇩", SPLIT_IN_MANY_WAYS]


@pytest.mark.firefox_too
async def test_one_to_three_emoji_alone_are_large(home: Home) -> None:
    alice, bob = await talk(home, *EMOJI, *NOT_EMOJI)
    await alice.opens(bob.name)
    await expect(texts_of(alice.page)).to_have_text([*EMOJI, *NOT_EMOJI])
    sizes = await texts_of(alice.page).evaluate_all(
        "(all) => all.map((one) => parseInt(getComputedStyle(one).fontSize))"
    )
    assert [size > 30 for size in sizes] == [True] * len(EMOJI) + [False] * len(NOT_EMOJI)


async def test_code_is_set_apart_and_nothing_in_it_or_around_it_becomes_markup(home: Home) -> None:
    block = '<b>bold</b>\n  const link = "https://example.org/x";'
    alice, bob = await talk(
        home, f"Run `ls <i>` now:\n```\n{block}\n```\nthen https://example.org/y", "`` ` ``` ```", "a `b\nc`"
    )
    await alice.opens(bob.name)
    texts = texts_of(alice.page)
    await expect(texts).to_have_count(3)
    await expect(texts.locator("code")).to_have_text(["ls <i>", block])
    await expect(texts.locator("*:not(code, a)")).to_have_count(0)
    await expect(texts.locator("a")).to_have_text(["https://example.org/y"])
    first, *others = await texts.evaluate_all("(all) => all.map((one) => one.textContent)")
    assert first == f"Run ls <i> now:{block}then https://example.org/y"
    assert others == ["`` ` ``` ```", "a `b\nc`"]
    code = texts.locator("code").last
    assert await code.evaluate("(code) => [getComputedStyle(code).display, getComputedStyle(code).whiteSpace]") == [
        "block",
        "pre-wrap",
    ]


async def test_a_message_of_more_than_20_lines_can_be_unfolded_and_folded(home: Home) -> None:
    tall, lines = "\n".join(f"line {number}" for number in range(1, 31)), "\n".join("abcdefghijklmnopqrst")
    alice, bob = await talk(home, lines, tall)
    await alice.opens(bob.name)
    more = alice.page.get_by_role("button", name="Show more")
    await expect(more).to_have_count(1)
    await expect(more).to_have_attribute("aria-expanded", "false")
    folded = (await box_of(texts_of(alice.page).last))["height"]
    assert folded == pytest.approx((await box_of(texts_of(alice.page).first))["height"], abs=8)  # 20 lines
    await more.click()
    less = alice.page.get_by_role("button", name="Show less")
    await expect(less).to_have_attribute("aria-expanded", "true")
    assert (await box_of(texts_of(alice.page).last))["height"] > folded * 1.4
    await less.click()
    await expect(more).to_be_visible()
    await expect(texts_of(alice.page).last).to_have_text(tall)


async def test_blank_lines_and_large_emoji_are_folded_like_any_others(home: Home) -> None:
    alice, bob = await talk(home, "\n" * 200 + "end", "start" + "\n" * 200, "😀" + "\n" * 200 + "😀", "`" * 490)
    await alice.page.set_viewport_size({"width": 390, "height": 844})
    await alice.opens(bob.name)
    await expect(alice.page.get_by_role("button", name="Show more")).to_have_count(4)
    heights = await alice.page.locator(".bubble").evaluate_all("(all) => all.map((one) => one.clientHeight)")
    await alice.page.set_viewport_size({"width": 1280, "height": 720})
    assert [height < 25 * 24 for height in heights] == [True] * 4


async def test_hundreds_of_combining_marks_stay_inside_their_bubble(home: Home) -> None:
    """In a font that piles them up; the page's own does not, so shadows stand for such piles."""
    alice, bob = await talk(home, "above", "Z" + "\u0301\u0316" * 249, "below")
    await move(home, bob, 2000, 1000, 0)
    await alice.opens(bob.name)
    await expect(texts_of(alice.page)).to_have_count(3)
    middle = alice.page.locator("message-row .bubble").nth(1)
    neighbors = [row(alice.page, text) for text in ("above", "below")]
    await middle.locator("sealed-text").evaluate("(text) => { text.style.textShadow = '0 -2.5em red, 0 2.5em red'; }")

    async def drawn(visibility: str) -> list[bytes]:
        await middle.evaluate("(bubble, visibility) => { bubble.style.visibility = visibility; }", visibility)
        return [await each.screenshot(animations="disabled") for each in neighbors]

    async def are_untouched() -> bool:
        """Drawn alike with and without it, while nothing else changes."""
        return await drawn("visible") == await drawn("hidden") == await drawn("visible")

    await until(are_untouched, within=1)
    assert await texts_of(alice.page).nth(1).evaluate("(text) => text.textContent.length") == 499


async def test_two_contacts_with_one_name_are_told_apart_by_their_keys_everywhere(home: Home) -> None:
    alice, one = await talk(home, "one")
    page = alice.page
    await alice.opens(one.name)
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(one.name)
    other = await home.peer(one.name.upper())
    await other.starts_with(alice.search_pin)
    fingerprints = [crypto.fingerprint(each.keys.ik).hex().upper() for each in (one, other)]
    length = next(size for size in range(4, 65) if fingerprints[0][:size] != fingerprints[1][:size])
    tags = [f"key {each[:length]}" for each in fingerprints]
    await expect(heading).to_have_text(f"{one.name} {tags[0]}")  # at once, also where it is open
    await expect(page).to_have_title(re.compile(rf"^(\(\d+\) )?{one.name} \({tags[0]}\) · EZ-DMS$"))
    for name, tag in zip((one.name, other.name), tags, strict=True):
        await alice.list.get_by_role("link", name=f"{name} {tag}").click()
        await expect(heading).to_have_text(f"{name} {tag}")
        await expect(page).to_have_title(re.compile(rf"^(\(\d+\) )?{name} \({tag}\) · EZ-DMS$"))
