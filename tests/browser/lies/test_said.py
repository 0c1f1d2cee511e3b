"""Warnings stay above the page: no other message and no other page removes them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.lies.answers import saying
from tests.browser.lies.documents import ATTRIBUTES, on
from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import OUT_OF_PLACE, TAMPERED, Stage
from tests.browser.lies.test_documents import DOCUMENT, FIELD
from tests.browser.lies.watching import FORGED
from tests.support.someone import until

LIST, OPENED = r"GET /conversations/.*", r"GET /c/.*/open"
NO_SESSION = saying('{"code": "no_session"}', 401)


def change(answer: Answer) -> None:
    """A lie: a document with active content."""
    answer.text = on(FIELD, answer.text, ATTRIBUTES["name"])


async def test_a_warning_stays_when_others_follow(stage: Stage) -> None:
    await stage.says("are you there?")
    await stage.remembers()
    with stage.liar.lying(DOCUMENT, change), stage.liar.lying(LIST, saying("")):
        await stage.page.goto(stage.liar.url)
        await expect(stage.warning).to_contain_text(re.compile("no longer lists your conversation with (.*, )?bob"))
    await expect(stage.warning).to_contain_text(TAMPERED)

    async def is_told() -> bool:
        stage.liar.slip(f"<p>{FORGED}</p>")  # again and again: the page may still be connecting
        return OUT_OF_PLACE in await stage.warning.inner_text()

    await until(is_told)
    await until(is_told)
    await expect(stage.warning.locator("p")).to_have_count(3)  # each once
    await expect(stage.warning).to_contain_text(TAMPERED)


@pytest.mark.parametrize("asked", [OPENED, "GET /me"])
async def test_a_warning_stays_above_the_login_field(stage: Stage, asked: str) -> None:
    """The server claims that the session has ended, so the front page with its PIN field is shown."""
    with stage.liar.lying(DOCUMENT, change), stage.liar.lying(asked, NO_SESSION):
        await stage.page.goto(stage.address)
        await expect(stage.page.get_by_label("Login PIN", exact=True)).to_be_enabled()
        await expect(stage.warning).to_contain_text(TAMPERED)
        await expect(stage.warning).to_be_visible()
        await expect(stage.page.locator("body > :first-child")).to_have_id("page-alert")


async def test_a_list_that_arrives_after_the_session_ended_reports_nobody_missing(stage: Stage) -> None:
    await stage.says("are you still there?")
    await stage.remembers()
    with stage.liar.lying(OPENED, NO_SESSION):
        async with stage.page.expect_response("**/conversations/*") as asked:
            await stage.page.goto(stage.address)
            await expect(stage.page.get_by_label("Login PIN", exact=True)).to_be_enabled()
        await (await asked.value).finished()
        await stage.page.wait_for_timeout(500)  # time for a warning to appear
        await expect(stage.warning).to_have_count(0)
