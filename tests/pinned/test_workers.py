"""A service worker registered before the pin would answer instead of the server: the pin removes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.browser.lies.liar import Liar
from tests.pinned.conftest import BROWSERS
from tests.pinned.scripts import DOCUMENT, alone, page, stolen, telling, there
from tests.support.someone import until

BROWSER = "chromium"
WORKER = f"""
addEventListener("install", (event) => event.waitUntil(skipWaiting()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {{
    if (event.request.mode === "navigate") {{
        const headers = {{ "content-type": "text/html" }};
        event.respondWith(new Response({page("worker")!r}, {{ headers }}));
    }}
}});
"""
REGISTER = "<script>navigator.serviceWorker.register('/sw.js')</script>"
IS_THERE = "navigator.serviceWorker.getRegistrations().then((all) => all.length && all[0].active ? 1 : 0)"


IS_HONEST = "document.querySelector('#login-pin') !== null"


@pytest.mark.asyncio(loop_scope="session")
async def test_the_pin_removes_existing_service_workers(
    liar: Liar, extension: Path, tmp_path: Path, browser_name: str
) -> None:
    window = await BROWSERS[browser_name](tmp_path / "profile", None)

    async def is_registered() -> bool:
        return bool(await window.read(IS_THERE))

    async def is_honest() -> bool:
        return bool(await window.read(IS_HONEST))

    with telling(liar, {DOCUMENT: alone(REGISTER), r"GET /sw\.js": there(WORKER, "text/javascript")}):
        await window.goto(liar.url)
        await until(is_registered)
    since = len(liar.heard)
    await window.goto(liar.url)  # the server is honest again, but gets no request
    await until(lambda: bool(stolen(liar, since)))
    await window.install(extension)
    await until(is_honest)  # the open tab is reloaded
    since = len(liar.heard)
    await window.goto(liar.url)
    await asyncio.sleep(1)
    assert not stolen(liar, since)
    assert await is_honest()
    assert not await is_registered()
    await window.close()
