"""Pages that open at browser startup or are prerendered are pinned, too."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.browser.lies.liar import Answer, Change, Liar
from tests.pinned.scripts import DOCUMENT, alone, page, steal, stolen, svg, telling, there, xhtml
from tests.pinned.windows import begun, lead
from tests.support.someone import until

BROWSER = "chromium"
READY = 3.0  # seconds for a browser to load its extensions
AFTERWARDS = 1.0  # seconds in which a script could still run
RULES = '{"prerender": [{"urls": ["/next.html"], "eagerness": "immediate"}]}'
NEXT = f"<!doctype html><script>if (document.prerendering) {steal('prerendered')}</script>"


def prerendering(answer: Answer) -> None:
    """A lie: a page that requests prerendering in a header and in the document."""
    alone(f"<script type=speculationrules>{RULES}</script><p>Please wait.</p>")(answer)
    answer.set("speculation-rules", '"/rules.json"')


AT_STARTUP: dict[str, Change] = {
    "/?page": there(page("page"), "text/html"),
    "/?image": there(svg("image"), "image/svg+xml"),
    "/?xhtml": there(xhtml("xhtml"), "application/xhtml+xml"),
}
PRERENDERED: dict[str, Change] = {
    DOCUMENT: prerendering,
    r"GET /next\.html": there(NEXT, "text/html"),
    r"GET /rules\.json": there(RULES, "application/speculationrules+json"),
}


async def judged(liar: Liar, since: int, count: int) -> None:
    """Wait until the extension has found that many pages not to be pinned, and asked for the server's release."""
    await until(lambda: sum(one.startswith("GET /deployment ") for one in liar.heard[since:]) >= count)


@pytest.mark.asyncio(loop_scope="session")
async def test_pages_opened_at_browser_startup_are_pinned(
    liar: Liar, kept: Path, tmp_path: Path, browser_name: str
) -> None:
    """In Firefox, no script has run when they are judged. Chromium can open pages before it has its extensions."""
    urls = [f"{liar.url}{path}" for path in AT_STARTUP]
    startups = [urls] if browser_name == "firefox" else [[url] for url in urls]  # without a window, Chromium opens one
    with telling(liar, {re.escape(f"GET {path}"): change for path, change in AT_STARTUP.items()}):
        since = len(liar.heard)
        async with begun(browser_name, tmp_path / "bare", *startups[0]):
            await until(lambda: len(stolen(liar, since)) == len(startups[0]))  # control
        for opened in startups:
            since = len(liar.heard)
            async with begun(browser_name, kept, *opened):
                await judged(liar, since, len(opened))
                assert not stolen(liar, since) or browser_name == "chromium"
                since = len(liar.heard)
                await asyncio.sleep(AFTERWARDS)
                assert not stolen(liar, since)


@pytest.mark.asyncio(loop_scope="session")
async def test_prerendered_pages_run_no_script_of_the_server(
    liar: Liar, kept: Path, tmp_path: Path, browser_name: str
) -> None:
    """Chromium prerenders pages that a document or a header names, without a navigation."""
    with telling(liar, PRERENDERED):
        since = len(liar.heard)
        async with begun(browser_name, tmp_path / "bare", "about:blank"):
            await lead(tmp_path / "bare", f"{liar.url}/")
            await until(lambda: bool(stolen(liar, since)))  # control
        since = len(liar.heard)
        async with begun(browser_name, kept, "about:blank"):
            await asyncio.sleep(READY)
            await lead(kept, f"{liar.url}/")
            await judged(liar, since, 1)
            await asyncio.sleep(AFTERWARDS)
            assert not stolen(liar, since)
