"""What the user made of a conversation is theirs: no server can mute, bring back, or undo the deletion of one."""

from __future__ import annotations

import re

from playwright.async_api import Locator, expect

from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import Stage
from tests.browser.lies.test_names import LIST, OPEN
from tests.support.hostile import Hostile
from tests.support.someone import texts_of

PREVIEWS = "GET /previews.*"
MUTE = "UPDATE participants SET muted_until = 253402300799999 WHERE conversation_id = ?"


def line_in(stage: Stage, place: str = "#conversations") -> Locator:
    """Bob's line in one of the two lists."""
    return stage.page.locator(f"{place} [data-conversation-id='{stage.bob.conversation}']")


async def choose(stage: Stage, option: str) -> None:
    """Choose an item of the menu of the open conversation."""
    await stage.page.get_by_role("button", name="Conversation options").click()
    await stage.page.get_by_role("menuitem", name=option, exact=True).click()


async def test_a_deleted_conversation_stays_deleted_whatever_the_server_shows(stage: Stage) -> None:
    await stage.meets_bob()
    await stage.says("the harbour at nine")
    await stage.remembers()
    kept: dict[str, str] = {}

    def keep(name: str) -> object:
        return lambda answer: kept.setdefault(name, answer.text)

    def show(name: str) -> object:
        return lambda answer: setattr(answer, "text", kept[name])

    def leave_out(answer: Answer) -> None:
        its = rf'<conversation-item data-conversation-id="{stage.bob.conversation}"[^>]*></conversation-item>'
        answer.text = re.sub(its, "", answer.text)

    lies = {LIST: "list", OPEN: "open", PREVIEWS: "previews"}
    for address, path in ((OPEN, stage.address), (PREVIEWS, stage.liar.url)):
        with stage.liar.lying(LIST, keep("list")), stage.liar.lying(address, keep(lies[address])):  # type: ignore[arg-type]
            await stage.page.goto(path)
            await expect(line_in(stage)).to_contain_text("the harbour at nine")
    await stage.opens()
    await choose(stage, "Delete conversation")
    await stage.page.get_by_role("dialog").get_by_role("button", name="Delete conversation").click()
    await expect(line_in(stage)).to_have_count(0)

    with stage.liar.lying(LIST, leave_out):  # nothing of it is missing
        await stage.page.goto(stage.liar.url)
        await expect(stage.page.get_by_role("navigation")).to_be_visible()
        await stage.page.wait_for_timeout(1500)
        await expect(stage.warning).to_have_count(0)
    with (
        stage.liar.lying(LIST, show("list")),  # type: ignore[arg-type]
        stage.liar.lying(OPEN, show("open")),  # type: ignore[arg-type]
        stage.liar.lying(PREVIEWS, show("previews")),  # type: ignore[arg-type]
    ):
        await stage.page.goto(stage.liar.url)
        await expect(line_in(stage)).to_be_visible()
        await stage.page.wait_for_timeout(500)
        assert "harbour" not in await line_in(stage).inner_text()
        await line_in(stage).get_by_role("link").click()
        await expect(stage.page.get_by_text("No messages yet")).to_be_visible()
        await expect(texts_of(stage.page)).to_have_count(0)
        assert "harbour" not in await stage.page.content()
    await stage.page.goto(stage.address)
    await stage.bob.writes("here again")
    await expect(texts_of(stage.page)).to_have_text(["here again"])
    await stage.says("and so am I")
    await stage.remembers()
    with stage.liar.lying(LIST, leave_out):  # what came later is missed
        await stage.page.goto(stage.liar.url)
        await expect(stage.warning).to_contain_text("no longer lists your conversation with bob")
    await stage.meets_bob()


async def test_a_conversation_that_only_the_server_calls_muted_is_not(stage: Stage) -> None:
    Hostile(stage.truth).run(MUTE, stage.bob.conversation)
    await stage.page.goto(stage.liar.url)
    await stage.bob.writes("psst")
    await expect(line_in(stage)).to_contain_text("psst")
    await expect(line_in(stage).locator(".muted")).to_be_hidden()
    await expect(stage.page).to_have_title(re.compile(r"^\(\d+\) "))
    await stage.opens()


async def test_an_archived_conversation_comes_back_only_with_a_new_verified_message(stage: Stage) -> None:
    await stage.says("until later")
    await choose(stage, "Archive")
    await expect(line_in(stage, "#archived")).to_have_count(1)

    def newer(answer: Answer) -> None:
        answer.text = re.sub(r'data-unread="\d+"', 'data-unread="7"', answer.text)
        answer.text = re.sub(r'(data-last-seq=|data-seq=)"(\d+)"', r'\1"9\g<2>"', answer.text)

    with stage.liar.lying(LIST, newer), stage.liar.lying(PREVIEWS, newer):
        await stage.page.goto(stage.liar.url)
        await expect(line_in(stage, "#archived")).to_have_attribute("data-unread", "7")
        await stage.page.wait_for_timeout(1500)
        await expect(line_in(stage, "#archived")).to_have_count(1)
        assert any(one.startswith("GET /previews") for one in stage.liar.heard)
        await expect(stage.warning).to_have_count(0)
    await stage.page.goto("about:blank")
    await stage.bob.writes("a new one")  # while nobody is there
    await stage.page.goto(stage.liar.url)
    await expect(line_in(stage)).to_contain_text("a new one")
    await stage.opens()
