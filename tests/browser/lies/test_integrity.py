"""Scripts outside the release do not run, even if the server sends them from its own address."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from ezdms.views.assets import integrity
from tests.browser.lies.documents import in_head
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.stage import TAMPERED, Visitor
from tests.browser.lies.test_documents import DOCUMENT
from tests.browser.lies.watching import STOLEN
from tests.support.someone import until

STEAL = f"fetch('/{STOLEN}');"
SECURITY_HEADERS = {"content-security-policy", "integrity-policy"}


def stolen(visitor: Visitor) -> bool:
    return any(one.startswith(f"GET /{STOLEN}") for one in visitor.liar.heard[visitor.watch.since :])


def also(text: str) -> Change:
    """A lie: this script does something else too."""

    def change(answer: Answer) -> None:
        answer.text += f"\n{text}"
        answer.set("cache-control", "no-store")

    return change


def without_integrity(answer: Answer) -> None:
    """A lie: a document without integrity attributes and security headers."""
    answer.headers = [pair for pair in answer.headers if pair[0] not in SECURITY_HEADERS]
    answer.text = re.sub(r' integrity="[^"]*"', "", re.sub('<script type="importmap">.*?</script>', "", answer.text))


SCRIPTS = {"the entry": "boot", "one that it imports": "server", "one beside it": "first"}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_changed_script_does_not_run_and_the_page_says_it_has_not_started(visitor: Visitor, name: str) -> None:
    path = rf"GET /static/[0-9a-f]{{12}}/js/{SCRIPTS[name]}\.js"
    browser = visitor.page.context.browser
    assert browser
    page = await browser.new_page()  # the script is not cached, and will not be
    with visitor.liar.lying(path, also(STEAL)):
        with visitor.liar.lying(DOCUMENT, without_integrity):  # control: it would run
            await page.goto(visitor.liar.url)
            await until(lambda: stolen(visitor))
        visitor.watch.since = len(visitor.liar.heard)
        await page.goto(visitor.liar.url, wait_until="load")
        await expect(page.get_by_text("EZ-DMS has not started.")).to_be_visible()
        await expect(page.locator("input, textarea")).to_have_count(0)
        assert not stolen(visitor)
        assert any(re.match(path, one) for one in visitor.liar.heard[visitor.watch.since :])  # control: it was sent
    await page.close()
    await visitor.opens()
    await visitor.types_and_nothing_leaves()


MORE = {"by its address": "", "with its true integrity": f' integrity="{integrity(STEAL.encode())}"'}


@pytest.mark.parametrize("name", MORE)
async def test_a_script_added_from_the_servers_own_origin_does_not_run(visitor: Visitor, name: str) -> None:
    def serve(answer: Answer) -> None:
        answer.status, answer.text = 200, STEAL
        answer.set("content-type", "text/javascript")

    def add(answer: Answer) -> None:
        answer.text = in_head(answer.text, f'<script src="/more.js"{MORE[name]}></script>')

    def strip_headers(answer: Answer) -> None:
        answer.headers = [pair for pair in answer.headers if pair[0] not in SECURITY_HEADERS]

    with visitor.liar.lying(r"GET /more\.js", serve), visitor.liar.lying(DOCUMENT, add):
        with visitor.liar.lying(DOCUMENT, strip_headers):  # control: it would run
            await visitor.page.goto(visitor.liar.url)
            await until(lambda: stolen(visitor))
        visitor.watch.since = len(visitor.liar.heard)
        await visitor.opens()
        visitor.watch.asked.clear()  # the parser's own request
        await expect(visitor.warning).to_contain_text(TAMPERED)
        await visitor.types_and_nothing_leaves()
        assert not stolen(visitor)


async def test_a_browser_without_import_map_integrity_runs_the_release(visitor: Visitor) -> None:
    """Simulated: imported scripts were loaded before, by links with their own integrity."""

    def forget(answer: Answer) -> None:
        answer.text = re.sub('<script type="importmap">.*?</script>', "", answer.text)

    with visitor.liar.lying(DOCUMENT, forget):
        await visitor.opens()
        await visitor.types_and_nothing_leaves()
