"""Requests, blocks and reports: only the user's vault says what is accepted and who is blocked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser.lies.answers import NO_JSON, saying
from tests.browser.lies.peers import milliseconds
from tests.browser.lies.rows import SHOWN, facts
from tests.browser.lies.stage import OUT_OF_PLACE, Stage, told
from tests.support.hostile import Hostile
from tests.support.someone import texts_of, until

SET = """async (wanted) => {
    const { changeSettings } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeSettings(wanted);
}"""
OF_ALICE = "conversation_id = ? AND user_id <> ?"
DAY = 86_400_000  # ms


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(anywhere: Stage) -> AsyncIterator[Stage]:
    """Someone new wrote to Alice, who looks at it. The server says that she has accepted them."""
    await anywhere.meets_a_new_contact("see https://example.org")
    [row] = accepted(anywhere)
    assert row["accepted"] == 1
    yield anywhere
    await anywhere.comes_back()


def accepted(stage: Stage) -> list[dict[str, int]]:
    """What the server has of Alice's side."""
    asked = f"SELECT accepted, blocked FROM participants WHERE {OF_ALICE}"  # noqa: S608
    return [dict(row) for row in Hostile(stage.truth).run(asked, stage.bob.conversation, stage.bob.user_id)]


def card(stage: Stage) -> Locator:
    return stage.page.locator("request-card")


async def test_the_page_believes_no_acceptance_that_the_user_did_not_give(stranger: Stage) -> None:
    await stranger.opens_anew()
    await stranger.page.evaluate(SET, {"receipts": True, "typing": True})
    try:
        for _ in range(2):
            await expect(card(stranger).get_by_role("button", name="Accept")).to_be_visible()
            await expect(stranger.page.locator("sealed-text a")).to_have_count(0)
            here = stranger.page.locator(f'conversation-item[data-conversation-id="{stranger.bob.conversation}"]')
            await expect(here).to_contain_text("Request")
            await stranger.composer.press_sequentially("to nobody")
            await stranger.page.wait_for_timeout(1500)  # as long as receipts take
            heard = [one for one in stranger.liar.heard if stranger.bob.conversation in one]  # others get theirs
            assert [one for one in heard if "POST /signal" in one or '"signal"' in one] == []
            assert stranger.bob.conversation not in str(await stranger.contact())
            await stranger.composer.clear()
            await stranger.opens()
    finally:
        await stranger.page.evaluate(SET, {"receipts": False, "typing": False})


async def test_nothing_of_a_blocked_person_is_shown_although_the_server_drops_the_block(stranger: Stage) -> None:
    await stranger.opens_anew()
    await card(stranger).get_by_role("button", name="Block").click()
    await expect(card(stranger).get_by_role("button", name="Unblock")).to_be_visible()
    await until(lambda: accepted(stranger)[0]["blocked"] == 1)
    drop = f"UPDATE participants SET blocked = 0, kept_seq = NULL WHERE {OF_ALICE}"  # noqa: S608
    Hostile(stranger.truth).run(drop, stranger.bob.conversation, stranger.bob.user_id)
    await stranger.bob.writes("while blocked")
    counted = "A message came while this person was blocked."
    for _ in range(2):
        await expect(texts_of(stranger.page)).to_have_text(["see https://example.org", counted])
        await expect(stranger.composer).to_be_hidden()
        words = await stranger.page.content()
        assert "while blocked" not in words
        await card(stranger).get_by_role("button", name="Report").click()
        await expect(stranger.page.locator("report-messages .check .text")).to_have_text(["see https://example.org"])
        await stranger.page.goto(stranger.address)
    await expect(texts_of(stranger.page)).to_have_count(2)
    await stranger.bob.edits("see https://example.org", "changed meanwhile")
    await expect(texts_of(stranger.page).last).to_have_text("2 messages came while this person was blocked.")
    assert "changed meanwhile" not in await stranger.page.content()
    await stranger.page.goto(stranger.liar.url)
    line = stranger.page.locator(f'conversation-item[data-conversation-id="{stranger.bob.conversation}"]')
    await expect(line).to_contain_text("Blocked")
    assert "while blocked" not in await stranger.page.content()


async def test_how_one_was_found_is_said_to_be_the_servers_word(stranger: Stage) -> None:
    how, now = card(stranger).locator(".how"), milliseconds()
    pin = "The server says that they found you by your Search PIN"
    for found_by, made, said in (
        (None, None, "The server does not say how they found you."),
        ("search_pin", None, f"{pin}."),
        ("search_pin", now - 40 * DAY, f"{pin}, which was made 40 days ago."),
        ("search_pin", now + 400 * DAY, f"{pin}."),
        ("search_pin", 0, f"{pin}."),
    ):
        with (
            told(said),
            stranger.liar.lying(SHOWN, facts(found_by=found_by, pin_at=None if made is None else str(made))),
        ):
            await stranger.opens_anew()
            await expect(how).to_have_text(said)
    with stranger.liar.lying(SHOWN, facts(found_by="your friend Carol")):
        await stranger.opens_anew(is_well=False)
        await expect(stranger.warning).to_contain_text(OUT_OF_PLACE)
    assert "your friend Carol" not in await stranger.page.content()


async def test_a_report_answered_wrongly_is_never_said_to_be_taken(stranger: Stage) -> None:
    await stranger.opens_anew()
    await card(stranger).get_by_role("button", name="Report").click()
    dialog = stranger.page.locator("report-messages")
    reason = dialog.get_by_role("textbox", name="Reason")
    await dialog.get_by_role("checkbox").check()
    await reason.fill("they threaten me")
    answers = NO_JSON | {
        "more than was sent": '{"reported": 7}',
        "nothing": '{"reported": 0}',
        "words": '{"reported": "1"}',
    }
    lies = {name: saying(text, 201) for name, text in answers.items()}
    lies |= {"refused": saying('{"code": "original"}', 422), "an error": saying("", 500)}
    for name, lie in lies.items():
        with told(name), stranger.liar.lying("POST /report", lie):
            await dialog.get_by_role("button", name="Report").click()
            await expect(dialog.get_by_role("button", name="Report")).to_be_visible()
            await expect(dialog.get_by_role("alert")).not_to_be_empty()
            await expect(dialog.locator(".done")).to_be_empty()
            await expect(reason).to_have_value("they threaten me")
            await expect(dialog.get_by_role("checkbox")).to_be_checked()
    await dialog.get_by_role("button", name="Report").click()
    await expect(dialog.get_by_role("status")).to_have_text("The operator has your report, with 1 message.")
