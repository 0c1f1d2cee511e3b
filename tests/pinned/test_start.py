"""What opens with the browser, or before one goes there, is under the pin as everything else is."""

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
READY = 3.0  # seconds that a browser has for its extensions, before one goes anywhere
AFTERWARDS = 1.0  # seconds in which something would still run
RULES = '{"prerender": [{"urls": ["/next.html"], "eagerness": "immediate"}]}'
NEXT = f"<!doctype html><script>if (document.prerendering) fetch('/{STOLEN}')</script>"


def prerendering(answer: Answer) -> None:
    """A lie: a page that asks for the next one in the header and in itself."""
    alone(f"<script type=speculationrules>{RULES}</script><p>Please wait.</p>")(answer)
    answer.set("speculation-rules", '"/rules.json"')


LIES: dict[str, Change] = {
    "a page": there(PAGE, "text/html"),
    "a picture": there(SVG, "image/svg+xml"),
    "XHTML": there(XHTML, "application/xhtml+xml"),
}


async def opens(liar: Liar, name: str, profile: Path, sign: str, *, at_once: bool = True) -> bool:
    """Open the server's page as the browser starts, or then, until it asks for this; true if a script of its ran."""
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
    """Its extension asks the server for its release once it has found that this is not the pinned page.

    In Firefox no script has run until then. Chromium can be quicker to open a page than to have its extensions.
    """
    await keep(browser_name, tmp_path / "pinned", extension)
    with liar.lying(DOCUMENT, LIES[name]):
        assert await opens(liar, browser_name, tmp_path / "bare", STOLEN), "the control: it runs without a pin"
        has_run = await opens(liar, browser_name, tmp_path / "pinned", "deployment")
        assert not has_run or browser_name == "chromium"


@pytest.mark.asyncio(loop_scope="session")
async def test_prerendered_pages_run_no_script_of_the_server(
    liar: Liar, extension: Path, tmp_path: Path, browser_name: str
) -> None:
    """Chromium renders ahead what a page or a header says; nobody has to go there."""
    await keep(browser_name, tmp_path / "pinned", extension)
    with (
        liar.lying(DOCUMENT, prerendering),
        liar.lying(r"GET /next\.html", there(NEXT, "text/html")),
        liar.lying(r"GET /rules\.json", there(RULES, "application/speculationrules+json")),
    ):
        assert await opens(liar, browser_name, tmp_path / "bare", STOLEN, at_once=False), "the control: it runs"
        assert not await opens(liar, browser_name, tmp_path / "pinned", "deployment", at_once=False)
