"""Draws the PNG icons of an installed page from icon.svg: .venv-test/bin/python docs/make_icons.py (after bin/test)."""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path

from playwright.async_api import async_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.conftest import CHROMIUM, CHROMIUM_FLAGS  # noqa: E402

STATIC = ROOT / "ezdms" / "static"
# The size in pixels of each icon, and the share of its width for the mark. A platform may crop a maskable icon to the
# circle of 80% of its width (W3C Web Application Manifest, "Icon masks and safe zone"), and iOS rounds the corners.
ICONS = {"icon-192": (192, 1.0), "icon-512": (512, 1.0), "maskable-512": (512, 0.56), "apple-touch-180": (180, 0.66)}


async def draw() -> dict[str, bytes]:
    """Each icon as PNG, by name. Those that may be cropped have a white background, the others none."""
    mark = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()
    drawn = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        for name, (size, share) in ICONS.items():
            page = await browser.new_page(viewport={"width": size, "height": size})
            ground = "transparent" if share == 1 else "#fff"
            await page.set_content(
                f'<body style="margin: 0; height: 100vh; display: grid; place-content: center; background: {ground}">'
                f'<img src="data:image/svg+xml;base64,{mark}" width="{round(size * share)}" alt="">'
            )
            drawn[name] = await page.screenshot(omit_background=share == 1)
            await page.close()
        await browser.close()
    return drawn


if __name__ == "__main__":
    for name, octets in asyncio.run(draw()).items():
        (STATIC / "icons" / f"{name}.png").write_bytes(octets)
