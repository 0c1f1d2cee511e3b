"""Takes the README's pictures from the real page: .venv-test/bin/python docs/make_picture.py (after bin/test)."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import CHROMIUM, CHROMIUM_FLAGS, Server  # noqa: E402
from tests.support.someone import Someone  # noqa: E402

DESKTOP, PHONE = {"width": 1100, "height": 720}, {"width": 360, "height": 720}
TALK = [
    ("grace", "Is this the messenger you set up on the old laptop?"),
    ("ada", "Yes, it hums away under my desk."),
    ("ada", "I run the server, and I still cannot read what you write to anyone."),
    ("grace", "How do I know that?"),
    ("ada", "Your browser encrypts every message before it leaves. And anyone can check that."),
    ("grace", "Fair enough. Sunday at four?"),
]


async def main() -> None:
    """Two people talk, one at a desktop and one on a phone; both screens, in light and dark."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), server_name="Ada's server")
        server.start()
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
                people = {
                    name: await Someone.is_in(
                        browser, server, name, viewport=size, device_scale_factor=1.5, locale="en-US"
                    )
                    for name, size in (("ada", DESKTOP), ("grace", PHONE), ("alan", DESKTOP))
                }
                ada, grace, alan = people.values()
                await alan.starts_with(ada.search_pin)
                await alan.writes("Lunch?")
                await ada.starts_with(grace.search_pin)
                await grace.starts_with(ada.search_pin)
                for i, (name, text) in enumerate(TALK, 1):
                    await people[name].writes(text)
                    for one in (ada, grace):
                        await one.sees(*(said for _, said in TALK[:i]))
                pictures = ROOT / "docs" / "pictures"
                pictures.mkdir(exist_ok=True)
                for scheme in ("light", "dark"):
                    for someone, where in ((ada, "desktop"), (grace, "phone")):
                        await someone.page.emulate_media(color_scheme=scheme)
                        await someone.page.screenshot(path=pictures / f"{where}-{scheme}.png")
                await browser.close()
        finally:
            server.kill()


asyncio.run(main())
