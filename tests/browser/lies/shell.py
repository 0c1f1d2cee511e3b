"""The page's check of its own document, alone: hundreds of documents are judged in the time of one page load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from ezdms.views.assets import address_of
from tests.browser.lies.documents import Edit

HARNESS = Path(__file__).with_name("shell.js").read_text("utf-8")
REMOVED, IGNORED, NOT_SHOWN = "removed", "ignored", "refused"  # verdicts: see `judgeOf`


def difference(html: str, changed: str) -> tuple[int, int, str]:
    """Where a text differs from the honest one: from here to there, in a browser's units, it has this instead."""
    start = same(html, changed)
    most = min(len(html), len(changed)) - start
    end = min(same(html[::-1], changed[::-1]), most)
    where = [len(html[:place].encode("utf-16-le")) // 2 for place in (start, len(html) - end)]
    return where[0], where[1], changed[start : len(changed) - end]


def same(one: str, other: str) -> int:
    """How many characters are the same at the beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


class Shell:
    """The real shell.js in an empty page."""

    def __init__(self, page: Page, html: str) -> None:
        self.page = page
        self.html = html  # the honest document

    @classmethod
    async def opens(cls, browser: Browser, url: str) -> Shell:
        """Load them, and the honest document, from a server."""
        page = await browser.new_page()
        answer = await page.request.get(url, headers={"Accept": "text/html"})
        shell = cls(page, await answer.text())
        await page.route(f"{url}/empty", lambda route: route.fulfill(content_type="text/html", body=""))
        await page.goto(f"{url}/empty")
        await page.evaluate(HARNESS)
        scripts = address_of("js/shell.js").replace("shell.js", "*.js")
        await page.evaluate("([scripts, html]) => load(scripts, html)", [scripts, shell.html])
        return shell

    async def judges(self, edits: Mapping[str, Edit]) -> dict[str, str]:
        """Return the verdict about each changed document."""
        documents = {name: edit(self.html) for name, edit in edits.items()}
        assert self.html not in documents.values()
        differences = {name: difference(self.html, html) for name, html in documents.items()}  # a whole one is large
        return dict(await self.page.evaluate("(differences) => judgeAll(differences)", differences))

    async def judges_shadowed(self, edits: Mapping[str, tuple[str, Edit]]) -> dict[str, str]:
        """The same, each with a property of the document that an element's name shadows."""
        documents = {
            name: [shadowed, difference(self.html, edit(self.html))] for name, (shadowed, edit) in edits.items()
        }
        return dict(await self.page.evaluate("(documents) => judgeShadowed(documents)", documents))

    async def judges_every_change(self) -> tuple[dict[str, int], list[str]]:
        """Make every change of shell.js to every node; return how many of each kind, and what is wrong."""
        found: dict[str, Any] = await self.page.evaluate("() => judgeEveryChange()")
        return found["counts"], found["wrong"]
