"""Pages that open at browser startup or are prerendered are pinned, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.browser.lies.liar import Answer, Change, Liar
from tests.browser.lies.watching import STOLEN
from tests.pinned.test_pinned import DOCUMENT, PAGE, SVG, XHTML, alone, stolen, there
from tests.pinned.windows import begin, keep, lead
from tests.support.someone import until

BROWSER = "chromium"
READY = 3.0  # seconds for a browser to load its extensions
AFTERWARDS = 1.0  # seconds in which a script could still run
RULES = '{"prerender": [{"urls": ["/next.html"], "eagerness": "immediate"}]}'
NEXT = f"<!doctype html><script>if (document.prerendering) fetch('/{STOLEN}')</script>"


def prerendering(answer: Answer) -> None:
    """A lie: a page that requests prerendering in a header and in the document."""
    alone(f"<script type=speculationrules>{RULES}</script><p>Please wait.</p>")(answer)
    answer.set("speculation-rules", '"/rules.json"')


LIES: dict[str, Change] = {
    "a page": there(PAGE, "text/html"),
    "an image": there(SVG, "image/svg+xml"),
    "XHTML": there(XHTML, "application/xhtml+xml"),
}


async def opens(liar: Liar, name: str, profile: Path, sign: str, *, at_once: bool = True) -> bool:
    """Open the server's page at browser startup or later, wait for a request for `sign`; true if a script ran."""
    since = len(liar.heard)
    process = await begin(name, profile, f"{liar.url}/" if at_once else "about:blank")
    try:
        if not at_once:
            await asyncio.sleep(READY)
            await lead(profile, f"{liar.url}/")
        await until(lambda: any(one.startswith(f"GET /{sign} ") for one in liar.heard[since:]))
        found = stolen(liar, since)
        since = len(liar.heard)
        await asyncio.sleep(AFTERWARDS)
        assert not stolen(liar, since) or sign == STOLEN
    finally:
        process.terminate()
        await process.wait()
    return found


@pytest.mark.parametrize("name", LIES)
@pytest.mark.asyncio(loop_scope="session")
async def test_pages_opened_at_browser_startup_are_pinned(
    liar: Liar, extension: Path, tmp_path: Path, browser_name: str, name: str
) -> None:
    """The extension requests the server's release when it finds that this is not the pinned page.

    In Firefox, no script has run by then. Chromium can open a page before it has loaded its extensions.
    """
    await keep(browser_name, tmp_path / "pinned", extension)
    with liar.lying(DOCUMENT, LIES[name]):
        assert await opens(liar, browser_name, tmp_path / "bare", STOLEN), "control: it runs without a pin"
        has_run = await opens(liar, browser_name, tmp_path / "pinned", "deployment")
        assert not has_run or browser_name == "chromium"


@pytest.mark.asyncio(loop_scope="session")
async def test_prerendered_pages_run_no_script_of_the_server(
    liar: Liar, extension: Path, tmp_path: Path, browser_name: str
) -> None:
    """Chromium prerenders pages that a document or a header names, without a navigation."""
    await keep(browser_name, tmp_path / "pinned", extension)
    with (
        liar.lying(DOCUMENT, prerendering),
        liar.lying(r"GET /next\.html", there(NEXT, "text/html")),
        liar.lying(r"GET /rules\.json", there(RULES, "application/speculationrules+json")),
    ):
        assert await opens(liar, browser_name, tmp_path / "bare", STOLEN, at_once=False), "control: it runs"
        assert not await opens(liar, browser_name, tmp_path / "pinned", "deployment", at_once=False)
