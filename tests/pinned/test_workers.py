"""A service worker registered before the pin would answer instead of the server: the pin removes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.browser.lies.liar import Liar
from tests.browser.lies.watching import STOLEN
from tests.pinned.conftest import BROWSERS
from tests.pinned.test_pinned import DOCUMENT, PAGE, alone, stolen, there
from tests.pinned.windows import Window
from tests.support.someone import until

BROWSER = "chromium"
WORKER = f"""
addEventListener("install", (event) => event.waitUntil(skipWaiting()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {{
    if (event.request.mode === "navigate") {{
        const headers = {{ "content-type": "text/html" }};
        event.respondWith(new Response({PAGE!r}, {{ headers }}));
    }}
}});
"""
REGISTER = "<script>navigator.serviceWorker.register('/sw.js')</script>"
IS_THERE = "navigator.serviceWorker.getRegistrations().then((all) => all.length && all[0].active ? 1 : 0)"


async def is_registered(window: Window) -> bool:
    """Whether the service worker is active."""
    return bool(await window.read(IS_THERE))


@pytest.mark.asyncio(loop_scope="session")
async def test_the_pin_removes_existing_service_workers(
    liar: Liar, extension: Path, tmp_path: Path, browser_name: str
) -> None:
    profile = tmp_path / "profile"
    window = await BROWSERS[browser_name](profile, None)
    with liar.lying(DOCUMENT, alone(REGISTER)), liar.lying(r"GET /sw\.js", there(WORKER, "text/javascript")):
        await window.goto(liar.url)
        await until(lambda: is_registered(window))
    since = len(liar.heard)
    await window.goto(liar.url)  # the server is honest again, but gets no request
    await until(lambda: stolen(liar, since))
    await window.close()
    window = await BROWSERS[browser_name](profile, extension)
    await asyncio.sleep(2)
    since = len(liar.heard)
    await window.goto(liar.url)
    await asyncio.sleep(1)
    assert not stolen(liar, since)
    assert f"/{STOLEN}" not in str(await window.read("document.documentElement.outerHTML"))
    assert await window.read("document.querySelector('#login-pin') !== null")
    await window.close()
