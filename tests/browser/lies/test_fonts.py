"""A font outside the release, which could draw one word as another, is not used."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from ezdms.views import assets
from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import Stage
from tests.browser.lies.watching import FORGED
from tests.support.someone import texts_of, until

LATIN, MORE = "inter-latin-wght-normal.woff2", "inter-latin-ext-wght-normal.woff2"
FACES = """[...document.fonts].filter(({ family }) => family === "Inter")
    .map((face) => face.unicodeRange.slice(0, 6)).sort().join()"""


async def has(page: Page, *faces: str) -> None:
    """Wait until the page has loaded exactly these halves of the font."""

    async def is_so() -> bool:
        return str(await page.evaluate(FACES)) == ",".join(faces)

    await until(is_so)


def is_another(answer: Answer) -> None:
    """A lie: a valid font with the same letters and one changed byte in its last table."""
    answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


@pytest.mark.parametrize("file", [LATIN, MORE])
async def test_a_font_substituted_by_the_server_is_not_used(lied_to: Browser, stage: Stage, file: str) -> None:
    context = await lied_to.new_context()
    page = await context.new_page()
    notice = lambda answer: setattr(  # noqa: E731
        answer, "text", answer.text.replace('data-notice=""', f'data-notice="{FORGED} ł"')
    )
    with stage.liar.lying("GET /", notice), stage.liar.lying(rf"GET /static/.*/{file}", is_another):
        async with page.expect_console_message(lambda message: file in message.text) as said:
            await page.goto(stage.liar.url)
            await expect(page.get_by_label("Login PIN", exact=True)).to_be_enabled()
        assert "integrity" in (await said.value).text
        await has(page, "U+100-" if file == LATIN else "U+0-FF")
    await context.close()


async def test_each_half_of_the_font_is_fetched_once_when_it_is_needed(lied_to: Browser, stage: Stage) -> None:
    """Control without a lie: a preloaded half counts once too."""
    context = await lied_to.new_context()
    page = await context.new_page()
    since = len(stage.liar.heard)
    await page.goto(stage.liar.url)
    await has(page, "U+0-FF")
    assert await page.evaluate("document.fonts.check('16px Inter', 'Login PIN')")
    fonts = [one.split()[1] for one in stage.liar.heard[since:] if "/fonts/" in one.split()[1]]
    assert fonts == [assets.address_of(f"fonts/{LATIN}")]
    await context.close()
    await stage.opens()
    await stage.bob.writes("na zdrowie, Łukasz")
    await expect(texts_of(stage.page).last).to_have_text("na zdrowie, Łukasz")
    await has(stage.page, "U+0-FF", "U+100-")
