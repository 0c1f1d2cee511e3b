"""Responses that never end: they time out, the page says so in its own words, and requests them again."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import Stage
from tests.support.someone import texts_of

# Shortens timeouts of half a minute to two seconds.
SOONER = "const { timeout } = AbortSignal; AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 15);"


@pytest.mark.parametrize("is_first", [True, False], ids=["by address", "by the list"])
async def test_a_response_that_never_ends_times_out(anywhere: Stage, is_first: bool) -> None:
    held: list[Answer] = []

    def hold(answer: Answer) -> None:
        answer.body, answer.rest = b"", answer.body
        held.append(answer)

    page = await anywhere.alice.new_tab()
    with anywhere.liar.lying("GET /c/.*/open", hold):
        if is_first:
            await page.add_init_script(SOONER)
            await page.goto(anywhere.address)
        else:
            await page.goto(anywhere.liar.url)
            line = page.locator(f'a[href="/c/{anywhere.bob.conversation}"]')
            await expect(line).to_be_visible()
            await page.evaluate(SOONER)  # from here on: earlier requests keep their full time
            await line.click()
        await expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    for answer in held:
        answer.go_on.set()
    await page.get_by_role("button", name="Try again").click()
    await expect(texts_of(page)).not_to_have_count(0)
    await expect(page.get_by_role("textbox", name="Message")).to_be_enabled()
    await page.close()
