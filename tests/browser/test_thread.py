"""How a conversation reads: where it opens, its days and times, and what is in a bubble."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from ezdms import crypto
from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.support.hostile import alter
from tests.support.someone import Someone, texts_of, until

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
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


async def talk(home: Home, *texts: str, ago: Sequence[int] = ()) -> tuple[Someone, Peer]:
    """Alice at her list, and a program that has written to her. `ago`: how long (ms), if that makes a difference."""
    alice, peer = await home.person("alice", is_kept=True), await home.peer()
    await peer.starts_with(alice.search_pin)
    if ago:
        peer.wrote(*texts, ago=ago)
        await alice.page.reload()
    elif texts:
        peer.wrote(*texts[:-1])
        await peer.writes(texts[-1])  # of which her page is told; it loads the others when it opens them
    return alice, peer


def lines(count: int) -> list[str]:
    return [f"line {number}" for number in range(1, count + 1)]


@pytest.mark.firefox_too
async def test_a_conversation_opens_where_one_stopped_and_keeps_its_place_and_counts_what_is_new(
    home: Home, browser_name: str
) -> None:
    many = 60 if browser_name == "chromium" else 30  # more than a page, where a load takes a third of the time
    alice, bob = await talk(home, *lines(many))
    page, log = alice.page, alice.page.get_by_role("log")
    newest, new = [page.get_by_role("button", name=name) for name in ("Newest messages", "New messages")]

    def line(text: str) -> Locator:
        return log.get_by_text(text, exact=True)

    # It opens at the first new message, below a divider.
    await alice.opens(bob.name)
    divider = page.locator(".new")
    await expect(divider).to_have_text(f"{many} new messages")
    for text in (f"{many} new messages", "line 1"):
        await expect(line(text)).to_be_in_viewport()
    await expect(line(f"line {many}")).not_to_be_in_viewport()
    await expect(new).to_contain_text(str(many))
    await bob.writes("one more")
    await expect(new).to_contain_text(str(many + 1))
    await expect(divider).to_have_text(f"{many} new messages")  # it stays
    await alice.writes("an answer")
    await expect(line("an answer")).to_be_in_viewport()
    await expect(divider).to_have_count(0)
    await expect(new).to_be_hidden()

    # A reload, and going to the settings and back, keep the reading position, also on an earlier page.
    await log.evaluate(SCROLL_UP, 1300)
    first = row(page, "line 5")
    await first.evaluate("(row) => row.scrollIntoView()")
    top = await first.evaluate(TOP)

    async def is_kept() -> None:
        await expect(first).to_be_in_viewport()
        await page.wait_for_function(
            "([text, top]) => [...document.querySelectorAll('message-row')].some((row) =>"
            " row.querySelector('sealed-text').textContent === text"
            " && Math.abs(row.getBoundingClientRect().top - top) < 3)",
            arg=["line 5", top],
            polling=100,
        )

    await page.reload()
    await is_kept()
    await page.goto(f"{alice.address}/account")
    await expect(page.get_by_role("heading", name="Account")).to_be_visible()
    await page.go_back()
    await is_kept()

    # The button counts what arrives while one reads above.
    for count in (1, 2):
        await bob.writes(f"news {count}")
        await expect(new).to_have_text(re.compile(rf"\b{count}\b"))
        await expect(line(f"news {count}")).not_to_be_in_viewport()
    await new.click()
    await expect(line("news 2")).to_be_in_viewport()
    await expect(new).to_be_hidden()
    await bob.writes("read at once")
    await expect(line("read at once")).to_be_in_viewport()
    await log.evaluate(SCROLL_UP, 900)
    await expect(newest).to_be_visible()
    await expect(newest).not_to_contain_text("2")
    await alice.writes("my own")
    await expect(line("my own")).to_be_in_viewport()
    await expect(alice.alert).to_have_count(0)


DAYS = [9 * DAY] * 5 + [3 * DAY] * 10 + [DAY] * 20 + [0] * 50 + [DAY, 3 * DAY] + [0] * 33  # as the server claims


async def test_each_day_has_one_pill_and_what_is_older_loads_as_one_scrolls_up(home: Home) -> None:
    alice, bob = await talk(home, *lines(len(DAYS)), ago=DAYS)  # more than two pages
    page, log = alice.page, alice.page.get_by_role("log")
    await alice.opens(bob.name)
    weekday, date = await page.evaluate(
        """(days) => days.map(([ago, how]) => new Intl.DateTimeFormat(undefined, how).format(Date.now() - ago))""",
        [[3 * DAY, {"weekday": "long"}], [9 * DAY, {"weekday": "long", "day": "numeric", "month": "long"}]],
    )
    await expect(page.locator(".day")).to_have_text([date, weekday, "Yesterday", "Today"])

    # At the end, it opens at the end, with one page; older ones load as one scrolls up.
    await page.get_by_role("button", name="New messages").click()
    await expect(log.get_by_text("line 120", exact=True)).to_be_in_viewport()
    await page.reload()
    await expect(log.get_by_text("line 120", exact=True)).to_be_in_viewport()
    await expect(page.locator(".new")).to_have_count(0)
    assert await texts_of(page).count() < 100
    for text in ("line 40", "line 1"):  # 50 messages at a time
        await log.evaluate("element => { element.scrollTop = -element.scrollHeight }")
        await expect(log.get_by_text(text, exact=True)).to_be_attached()
    await alice.sees(*lines(120))
    await expect(page.locator(".day")).to_have_text([date, weekday, "Yesterday", "Today"])
    await expect(alice.alert).to_have_count(0)


async def test_the_divider_is_there_after_a_load_and_after_a_switch_and_a_lie_only_misplaces_it(home: Home) -> None:
    alice, bob = await talk(home, "old")
    carol = await home.peer()
    await carol.starts_with(alice.search_pin)
    page, divider = alice.page, alice.page.locator(".new")
    await alice.opens(bob.name)
    await expect(divider).to_have_text("1 new message")
    await page.goto("about:blank")
    bob.wrote("one", "two")
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
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    await bob.writes("nobody looks")
    await expect(divider).to_have_text("1 new message")
    await page.evaluate("delete document.hidden")

    # What the server says of unread messages when a conversation is loaded.
    for lie, told in (("9007199254740991", "3 new messages"), ("1", "1 new message"), ("0", None)):
        other = await home.peer()
        await other.starts_with(alice.search_pin)
        other.wrote("one", "two", "three")
        change = lambda text, lie=lie: re.sub(r'data-unread="\d+"', f'data-unread="{lie}"', text)  # noqa: E731
        await alter(page, f"**/c/{other.conversation}/open", change)
        await alice.opens(other.name)
        await expect(texts_of(page)).to_have_text(["one", "two", "three"])
        await expect(page.locator(".new"), lie).to_have_text([told] if told else [])
        await expect(alice.alert, lie).to_have_count(0)
    await page.unroute_all()


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


EMOJI = ["😀", "👍🏽 ❤️", "👩🏽‍❤️‍👨🏿🇩🇪👨‍👩‍👧‍👦", "1️⃣"]
SPLIT_IN_MANY_WAYS = "\u200d".join(["👨\u200d👧"] * 120) + "!"  # each pair could be one emoji or two
NOT_EMOJI = ["😀😀😀😀", "😀!", "1", "©", "🇩", SPLIT_IN_MANY_WAYS]


BLOCK = '<b>bold</b>\n  const link = "https://example.org/x";'
CODE = [f"Run `ls <i>` now:\n```\n{BLOCK}\n```\nthen https://example.org/y", "`` ` ``` ```", "a `b\nc`"]


@pytest.mark.firefox_too
async def test_links_code_and_emoji_are_found_in_texts_and_nothing_becomes_markup(home: Home) -> None:
    alice, bob = await talk(home, *LINKS, *EMOJI, *NOT_EMOJI, *CODE)
    await alice.opens(bob.name)
    texts = texts_of(alice.page)
    await expect(texts).to_have_count(len(LINKS) + len(EMOJI) + len(NOT_EMOJI) + len(CODE))
    await expect(alice.page.locator("sealed-text:empty")).to_have_count(0)
    shown = await texts.evaluate_all(SHOWN)

    # A link shows where it leads, and ends where the address ends.
    for one, (said, links) in zip(shown, LINKS.items(), strict=False):
        assert one["links"] == [[text, href or text] for text, href in links], said

    # One to three emoji alone are large.
    emoji = shown[len(LINKS) : -len(CODE)]
    assert [one["text"] for one in emoji] == [*EMOJI, *NOT_EMOJI]
    assert [one["size"] > 30 for one in emoji] == [True] * len(EMOJI) + [False] * len(NOT_EMOJI)

    # Code is set apart, and nothing in it or around it becomes markup.
    first, *others = shown[-len(CODE) :]
    assert [one["others"] for one in shown] == [0] * len(shown)
    assert first["code"] == [["ls <i>", "inline", "pre-wrap"], [BLOCK, "block", "pre-wrap"]]
    assert first["links"] == [["https://example.org/y", "https://example.org/y"]]
    assert first["text"] == f"Run ls <i> now:{BLOCK}then https://example.org/y"
    assert [(one["text"], one["code"]) for one in others] == [(text, []) for text in CODE[1:]]


# What is drawn of each text: its links and code, how many other elements, its size in pixels.
SHOWN = """(texts) => texts.map((text) => ({
    text: text.textContent, size: parseInt(getComputedStyle(text).fontSize),
    links: [...text.querySelectorAll("a")].map((one) => [one.textContent, one.href]),
    code: [...text.querySelectorAll("code")].map((one) => {
        const { display, whiteSpace } = getComputedStyle(one);
        return [one.textContent, display, whiteSpace];
    }),
    others: text.querySelectorAll("*:not(code, a)").length,
}))"""

LONG = "more words than fit into a single line of any bubble, whatever its width, so that a second one is short"
SHORT_ENDS = ["short", f"{LONG} ok", "שלום", "\n".join("abc")]
TALL, LINES = "\n".join(f"line {number}" for number in range(1, 31)), "\n".join("abcdefghijklmnopqrst")  # 20 lines
BLANK = ["\n" * 200 + "end", "start" + "\n" * 200, "😀" + "\n" * 200 + "😀", "`" * 490]
MARKS = ["above", "Z" + "\u0301\u0316" * 249, "below"]


async def test_bubbles_are_no_larger_than_they_need_to_be_and_cover_no_other(home: Home) -> None:
    runs = ["theirs", "a minute later", "and at once"]
    apart = [(30 - 2 * place) * MINUTE for place in range(len(SHORT_ENDS) + 2)]
    ago = [HOUR] * 7 + apart + [10 * MINUTE, 9 * MINUTE - 1000, 9 * MINUTE - 2000]
    alice, bob = await talk(home, *MARKS, *BLANK, LINES, TALL, *SHORT_ENDS, *runs, ago=ago)
    page = alice.page
    await alice.opens(bob.name)
    await alice.writes("mine")
    await alice.writes("mine too")
    await expect(page.locator(".pending")).to_have_count(0)
    texts, rows = texts_of(page), page.locator("message-row")
    await expect(texts).to_have_count(18)

    # A run shows its time, and that it was sent, once, but tells each to screen readers.
    metas = (await rows.locator(".meta").all())[-5:]
    assert [(await box_of(meta))["width"] > 10 for meta in metas] == [True, False, True, False, True]
    for text, is_own in (("theirs", False), ("and at once", False), ("mine", True), ("mine too", True)):
        told = await row(page, text).aria_snapshot()
        assert re.search(r"\d:\d\d", told)
        assert ("Sent by you" in told, bool(re.search(r"Sent\b(?! by)", told))) == (is_own, is_own)
    await expect(row(page, "mine too").locator(".sent")).to_contain_text("✓")

    # The time takes no line of its own if the last one has room.
    for place, said in enumerate(SHORT_ENDS, 9):
        each = rows.nth(place).locator(".bubble")
        whole, text, time = [
            await box_of(found) for found in (each, each.locator("sealed-text"), each.locator(".meta"))
        ]
        assert time["y"] + time["height"] < text["y"] + text["height"] + 10, said
        assert whole["height"] < text["height"] + 30, said
        assert whole["x"] < time["x"], said
        assert time["x"] + time["width"] < whole["x"] + whole["width"], said
        if said == "שלום":
            assert time["x"] + time["width"] < text["x"]  # its line ends on the left

    # A message of more than 20 lines can be unfolded and folded.
    more, less = [rows.nth(8).get_by_role("button", name=name) for name in ("Show more", "Show less")]
    await expect(more).to_have_attribute("aria-expanded", "false")
    await expect(rows.nth(7).get_by_role("button", name="Show more")).to_have_count(0)
    folded = (await box_of(texts.nth(8)))["height"]
    assert folded == pytest.approx((await box_of(texts.nth(7)))["height"], abs=8)  # 20 lines
    await more.click()
    await expect(less).to_have_attribute("aria-expanded", "true")
    assert (await box_of(texts.nth(8)))["height"] > folded * 1.4
    await less.click()
    await expect(more).to_be_visible()
    await expect(texts.nth(8)).to_have_text(TALL)

    # Blank lines and large emoji are folded like any others.
    await page.set_viewport_size({"width": 390, "height": 844})
    for place in range(3, 7):
        await expect(rows.nth(place).get_by_role("button", name="Show more")).to_be_visible()
    heights = await page.locator(".bubble").evaluate_all("(all) => all.map((one) => one.clientHeight)")
    await page.set_viewport_size({"width": 1280, "height": 720})
    assert [height < 25 * 24 for height in heights[3:7]] == [True] * 4

    # Hundreds of combining marks stay inside their bubble, in a font that piles them up; the page's own does not, so
    # shadows stand for such piles.
    middle = rows.nth(1).locator(".bubble")
    await middle.locator("sealed-text").evaluate("(text) => { text.style.textShadow = '0 -2.5em red, 0 2.5em red'; }")

    async def drawn(visibility: str) -> list[bytes]:
        await middle.evaluate("(bubble, visibility) => { bubble.style.visibility = visibility; }", visibility)
        return [await rows.nth(place).screenshot(animations="disabled") for place in (0, 2)]

    async def are_untouched() -> bool:
        """Drawn alike with and without it, while nothing else changes."""
        return await drawn("visible") == await drawn("hidden") == await drawn("visible")

    await until(are_untouched, within=1)
    assert await texts.nth(1).evaluate("(text) => text.textContent.length") == 499


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
