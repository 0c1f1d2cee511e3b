"""The server changes order, times or the end of a conversation, and the page notices from the signed content."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.async_api import Locator, expect

from tests.browser.lies.answers import saying
from tests.browser.lies.fragments import HONEST, element
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.peers import milliseconds, noise
from tests.browser.lies.rows import SHOWN, Row, Rows, facts, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_rows import GONE, SAID, invented, talk
from tests.support.someone import texts_of, until

__all__ = ["talk"]

BEFORE = r"GET /messages/.*\?before=.*"
CROSSED, LATE, GAP = "Written before seeing the message above", "Out of order", "Messages are missing before this one"
DISORDER, TAKEN_BACK, FORK = "cannot have been written in this order", "no longer shows messages", "tampered with"


def notes(stage: Stage) -> Locator:
    """The notes about the order of messages."""
    return stage.page.locator(".note:not(:empty)")


def moved(number: str, seq: str, **changed: str) -> Change:
    """A lie: the message with this number of one sender is moved to another position."""

    def change(rows: Rows) -> Rows:
        return [row | {"data-seq": seq} if row["data-n"] == number and matches(row, changed) else row for row in rows]

    return showing(change)


def matches(row: Row, wanted: dict[str, str]) -> bool:
    """Whether the row is from the wanted side."""
    return ("data-own" in row) == (wanted.get("side") == "own")


async def is_alarmed(stage: Stage, words: str) -> None:
    """The red alarm is shown, nothing can be sent, and no lie removes it."""
    await expect(stage.page.locator("[data-alarm]")).to_contain_text(words)
    await expect(stage.composer).to_be_disabled()


async def test_crossed_messages_are_marked_and_raise_no_alarm(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("mine")
    await talk.bob.writes("crossed")  # acknowledges nothing
    await expect(notes(talk)).to_have_text([CROSSED + "."])
    await expect(texts_of(talk.page).last).to_have_text("crossed")
    mine = (await talk.bob.rows())[3]
    await talk.bob.writes("after", a=(1, mine["hash"]))
    await expect(texts_of(talk.page).last).to_have_text("after")
    await expect(notes(talk)).to_have_count(1)
    await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)


async def test_a_reply_shown_before_its_question_raises_an_alarm(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("shall we burn it?")
    mine = (await talk.bob.rows())[3]
    await talk.bob.writes("yes, do it", a=(1, mine["hash"]))
    await expect(texts_of(talk.page).last).to_have_text("yes, do it")
    with talk.liar.lying(SHOWN, moved("1", "9", side="own")):
        await talk.opens_anew(is_well=False)
        await is_alarmed(talk, DISORDER)


async def test_swapping_messages_of_different_people_is_noticed(talk: Stage) -> None:
    """A "Yes, do it" moved under another question is marked as crossed."""
    await talk.opens_anew()
    await talk.says("shall we wait?")
    await talk.says("shall we burn it?")
    first, second = (await talk.bob.rows())[3:5]
    await talk.bob.writes("yes, do it", a=(1, first["hash"]))
    await expect(notes(talk)).to_have_text([CROSSED + "."])
    with talk.liar.lying(
        SHOWN, showing(lambda rows: _exchange(rows, second["message_id"], talk.bob.sent[-1].message_id))
    ):
        await talk.opens_anew()
        await expect(texts_of(talk.page).nth(4)).to_have_text("yes, do it")
        await expect(notes(talk)).to_have_text([CROSSED + "."])  # mine does not acknowledge the reply above
        await expect(talk.page.locator("message-row").last.locator(".note")).to_have_text(CROSSED + ".")


def _exchange(rows: Rows, one: str, other: str) -> Rows:
    """Swap the positions and times of two messages."""
    ids = {row["data-message-id"]: row for row in rows}
    if one not in ids or other not in ids:
        return rows
    place = {name: (ids[one][name], ids[other][name]) for name in ("data-seq", "data-at")}
    ids[one] |= {name: theirs for name, (_, theirs) in place.items()}
    ids[other] |= {name: mine for name, (mine, _) in place.items()}
    return rows


@pytest.mark.parametrize("claimed", [1, 2])
async def test_acknowledging_a_message_that_is_not_here_raises_an_alarm(talk: Stage, claimed: int) -> None:
    """1: a different message than the one here. 2: one that does not exist yet, noticed once it does."""
    await talk.opens_anew()
    await talk.says("mine")
    await talk.bob.writes("I have seen another", a=(claimed, noise(32)))
    if claimed == 1:
        await is_alarmed(talk, DISORDER)
    await talk.says_if_it_can("later")
    if claimed == 2:
        await is_alarmed(talk, DISORDER)


def with_each(attributes: Row, rows: Rows) -> Rows:
    """The rows, each with these attributes."""
    return [row | attributes for row in rows]


async def test_a_time_that_differs_from_the_signed_one_is_shown_with_it(talk: Stage) -> None:
    for minutes, is_shown in ((0, False), (9, False), (-9, False), (11, True), (-11, True), (10**6, True)):
        at = {"data-at": str(milliseconds() + minutes * 60_000)}
        with told(f"{minutes} minutes"), talk.liar.lying(SHOWN, showing(partial(with_each, at))):
            await talk.opens_anew()
            await expect(texts_of(talk.page)).to_have_text(SAID)
            signed = talk.page.locator(".signed:not([hidden])")
            await expect(signed).to_have_count(3 if is_shown else 0)
            if is_shown:
                await expect(signed.first).to_contain_text("Signed at a different time")


async def test_a_missing_message_is_reported_in_its_place(talk: Stage) -> None:
    with talk.liar.lying(SHOWN, showing(lambda rows: [row for row in rows if row["data-n"] != "2"])):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text(["one", "three"])
        await expect(notes(talk)).to_contain_text([GAP])
        await talk.says("what came before that?")
    assert (await talk.bob.last()).a == (1, talk.bob.sent[0].hash)  # the message after the gap is acknowledged with it


async def test_a_message_can_be_out_of_order_and_after_a_gap(talk: Stage) -> None:
    await talk.bob.writes("four")

    def change(rows: Rows) -> Rows:
        return [row | {"data-seq": "9"} if row["data-n"] == "3" else row for row in rows if row["data-n"] != "2"]

    with talk.liar.lying(SHOWN, showing(change)):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text(["one", "four", "three"])
        await expect(notes(talk)).to_have_text(["⚠ Out of order, and messages are missing before this one."])


async def test_messages_of_one_person_out_of_order_are_marked(talk: Stage) -> None:
    with talk.liar.lying(SHOWN, moved("1", "7")):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text(["two", "three", "one"])
        await expect(notes(talk)).to_contain_text([LATE])


async def test_only_one_of_two_rows_in_the_same_place_is_shown(talk: Stage) -> None:
    lies: dict[str, Callable[[Rows], Rows]] = {
        "the same": lambda rows: [*rows, *[row | {"data-message-id": noise(16)} for row in rows]],
        "different": lambda rows: [*rows, *[without_copy(invented(row, seq=row["data-seq"])) for row in rows]],
    }
    for name, change in lies.items():
        with told(name), talk.liar.lying(SHOWN, showing(change)):
            await talk.opens_anew()
            await expect(texts_of(talk.page)).to_have_text(SAID)


async def seen(talk: Stage) -> None:
    """Alice has read all three and replied, and her browser has stored the heads."""
    await talk.opens_anew()
    await talk.says("seen")
    assert (await talk.remembers())[1] == [3, talk.bob.sent[-1].hash]


def older(before: int) -> str:
    return element("older-messages", HONEST["older-messages"] | {"data-before": str(before)})


def with_older(change: Change, further: int = 0) -> Change:
    """A lie upon a lie: there is more to load before the first row, or before a row that does not exist."""

    def lie(answer: Answer) -> None:
        change(answer)
        if not re.search(r"\?after=", answer.request):
            first = re.compile(r'<message-row data-seq="(\d+)"')
            answer.text = first.sub(lambda row: older(int(row[1]) + further) + row[0], answer.text, count=1)

    return lie


TAIL: dict[str, Change] = {
    "the last of theirs": showing(lambda rows: [row for row in rows if row["data-n"] != "3"]),
    "all of theirs": showing(lambda rows: [row for row in rows if "data-own" in row]),
    "the last of mine": showing(lambda rows: [row for row in rows if "data-own" not in row]),
    "everything": showing(lambda rows: []),
}


async def test_withholding_a_seen_message_raises_an_alarm(talk: Stage) -> None:
    """Even if the server claims that there is more to load, and then delivers nothing."""
    await seen(talk)
    lies = TAIL | {f"{name}, more to load": with_older(change) for name, change in TAIL.items()}
    for name, change in lies.items():
        with told(name), talk.liar.lying(SHOWN, change):
            await talk.opens_anew(is_well=False)
            await is_alarmed(talk, TAKEN_BACK)
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page)).to_have_text([*SAID, "seen"])
    await expect(talk.page.locator("[data-alarm]")).to_be_empty()


async def test_an_unavailable_earlier_page_does_not_hide_a_withheld_message(talk: Stage) -> None:
    await seen(talk)
    with (
        talk.liar.lying(SHOWN, with_older(TAIL["the last of theirs"])),
        talk.liar.lying(BEFORE, saying("", 503)),
    ):
        await talk.opens_anew(is_well=False)
        await is_alarmed(talk, TAKEN_BACK)


async def test_seen_messages_stay_known_after_the_user_continues(talk: Stage) -> None:
    await seen(talk)
    with talk.liar.lying(SHOWN, TAIL["the last of theirs"]):
        await talk.opens_anew(is_well=False)
        await is_alarmed(talk, TAKEN_BACK)
        await talk.page.get_by_role("button", name="Continue anyway").click()
        await talk.says("and now?")
        assert (await talk.remembers())[1] == [3, talk.bob.sent[-1].hash]


async def test_a_seen_message_on_an_earlier_page_raises_no_alarm(talk: Stage) -> None:
    """Five own messages, three of theirs, then two more and an unsigned row. The earlier page does not arrive."""
    await talk.opens_anew()
    for number in range(5):
        await talk.says(f"mine {number}")
    assert (await talk.remembers())[1] == [3, talk.bob.sent[-1].hash]
    await talk.page.goto(f"{talk.liar.url}/account")
    for text in ("four", "five"):
        await talk.bob.writes(text)

    def change(rows: Rows) -> Rows:
        return [*rows[-2:], without_copy(invented(rows[-1], n="1", seq="50"))] if len(rows) > 1 else rows

    with (
        talk.liar.lying(SHOWN, with_older(showing(change))),
        talk.liar.lying(BEFORE, saying("", 503)),
    ):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_text(["four", "five", GONE])
        await expect(talk.page.get_by_role("button", name="Try again")).to_be_visible()
        last = talk.bob.sent[-1].hash

        async def is_noted() -> bool:
            return bool((await talk.contact())["theirs"] == [5, last])

        await until(is_noted)
        await expect(talk.page.locator("[data-alarm]")).to_be_empty()
        await expect(talk.composer).to_be_enabled()
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page).first).to_have_text("one")


@pytest.mark.parametrize(("further", "asked"), [(0, 1), (1, 0)], ids=["itself", "elsewhere"])
async def test_an_earlier_page_that_refers_to_itself_is_not_requested_endlessly(
    talk: Stage, further: int, asked: int
) -> None:
    """The last row, and every earlier page is this row again."""
    kept: Rows = []

    def change(rows: Rows) -> Rows:
        kept.extend(rows[-1:] if not kept else [])
        return kept

    with talk.liar.lying("GET /(c/.*/open|messages/.*before=.*)", with_older(showing(change), further)):
        await talk.opens_anew()
        await talk.is_listening()
        await talk.page.wait_for_timeout(500)
    before = [one for one in talk.liar.heard[talk.watch.since :] if re.match(BEFORE, one)]
    assert len(before) == asked


async def test_emptying_seen_messages_does_not_count_as_withholding_them(talk: Stage) -> None:
    await seen(talk)
    with talk.liar.lying(SHOWN, showing(lambda rows: [without_copy(row) for row in rows])):
        await talk.opens_anew()
        await expect(texts_of(talk.page)).to_have_count(4)
        await expect(talk.page.locator("[data-alarm]")).to_be_empty()


FACTS: dict[str, Change] = {
    "another key": facts(statement=None),
    "a conversation that does not exist": facts(conversation_id="ABCDEFGHJKMNPQRSTVWXYZ01"),
    "they left": facts(statement=None, left=""),
    "own number far ahead": facts(own_n=str(2**52 - 2), own_hash=noise(32)),
    "no messages": facts(last_seq="0"),
    "very many messages": facts(last_seq=str(2**53 - 1)),
}


async def test_false_facts_about_a_conversation_open_no_other(talk: Stage) -> None:
    await seen(talk)
    for name, change in FACTS.items():
        with told(name), talk.liar.lying("GET /c/.*/open", change):
            await talk.opens_anew(is_well=False)
            if name == "they left":  # the server can claim this of anyone; the pinned key stays
                await expect(talk.page.get_by_text("deleted their account")).to_be_visible()
                await expect(texts_of(talk.page)).to_have_text([*SAID, "seen"])
            elif name in ("another key", "a conversation that does not exist"):
                await expect(talk.composer).to_be_disabled()
                await expect(texts_of(talk.page).filter(has_text="one")).to_have_count(0)
            else:
                await expect(texts_of(talk.page)).to_have_text([*SAID, "seen"])
    await talk.opens_anew()
    await expect(texts_of(talk.page)).to_have_text([*SAID, "seen"])
    await expect(talk.composer).to_be_enabled()


async def test_a_contact_reported_as_deleted_before_their_key_was_known_is_not_verified(talk: Stage) -> None:
    with talk.liar.lying("GET /c/.*/open", facts(statement=None, left="")):
        await talk.opens_anew(is_well=False)
        await expect(talk.page.locator("[data-alarm]")).to_contain_text(
            "deleted their account before this browser knew their key"
        )
        await expect(texts_of(talk.page)).to_have_text(["Not decrypted"] * 3)
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page)).to_have_text(SAID)
