"""A browser tab with or without a pin: Chromium through Playwright, Firefox ESR through WebDriver BiDi."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile

import httpx
from playwright.async_api import BrowserContext, Error, Page, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import CHROMIUM_FLAGS, FIREFOX, skip_or_fail
from tests.support.someone import until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless=new", "--enable-unsafe-extension-debugging", *CHROMIUM_FLAGS[1:]]
LONGEST_LOAD = 10_000  # ms; a page that stops its own loading never reports that it has loaded
FLAGS.remove("--disable-background-networking")  # it would prevent prerendering
SOON = """async (is_so) => {
    for (const ends = performance.now() + 1000; performance.now() < ends;) {
        if (is_so()) return true;
        await new Promise((done) => setTimeout(done, 50));
    }
    return false;
}"""
KEPT = {"xpinstall.signatures.required": "false", "extensions.autoDisableScopes": "0"}
NOT_USED_BY_REAL_BROWSERS = [
    "--disable-background-networking", "--disable-back-forward-cache", "--disable-extensions",
    "--disable-component-extensions-with-background-pages",
]  # fmt: skip


class Window(Protocol):
    """One tab. `said` has its console messages and errors."""

    @property
    def said(self) -> list[str]:
        """What was said until now."""

    async def goto(self, url: str) -> None:
        """Navigate; returns when the page has loaded or failed, or after a while."""

    async def read(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; None if it fails."""

    async def becomes(self, condition: str) -> bool:
        """Whether a JavaScript expression is true in the page now or soon."""

    async def press(self, selector: str) -> None:
        """Click the element if it is visible."""

    async def type(self, selector: str, text: str) -> None:
        """Type into a field."""

    async def back(self) -> None:
        """Go back in history."""

    async def install(self, extension: Path) -> None:
        """Install an extension."""

    async def run_first(self, script: str) -> None:
        """Run this script in every later document of this tab, before the document's own."""

    def tab(self) -> AbstractAsyncContextManager[Window]:
        """Another tab of the same browser, in the foreground; it is closed at the end."""

    async def close(self) -> None:
        """Close the browser."""


async def chromium(profile: Path, extension: Path | None) -> ChromiumWindow:
    """Start Chromium with this profile."""
    if CHROMIUM is None:
        skip_or_fail("Chromium with its windows is missing (Debian: apt install chromium)")
    playwright = await async_playwright().start()
    context = await playwright.chromium.launch_persistent_context(
        profile, executable_path=CHROMIUM, headless=False, args=FLAGS, ignore_default_args=NOT_USED_BY_REAL_BROWSERS
    )
    window = ChromiumWindow(playwright, context, context.pages[0])
    if extension:
        await window.install(extension)
    return window


async def keep(name: str, profile: Path, extension: Path) -> None:
    """Install the extension into a profile permanently, as "Load unpacked" does."""
    manifest = json.loads((extension / "manifest.json").read_text())
    if name == "firefox":
        gecko = manifest["browser_specific_settings"]["gecko"]["id"]
        (profile / "extensions").mkdir(parents=True)
        (profile / "user.js").write_text(
            "".join(f"user_pref({json.dumps(key)}, {value});\n" for key, value in KEPT.items())
        )
        with ZipFile(profile / "extensions" / f"{gecko}.xpi", "w") as archive:
            for file in filter(Path.is_file, extension.iterdir()):
                archive.write(file, file.name)
        return
    number = "".join(chr(ord("a") + int(digit, 16)) for digit in hashlib.sha256(bytes(extension)).hexdigest()[:32])
    may = {"api": manifest["permissions"], "explicit_host": manifest["host_permissions"], "manifest_permissions": []}
    may["scriptable_host"] = manifest["content_scripts"][0]["matches"]
    loaded = {"path": str(extension), "location": 4, "active_permissions": may, "granted_permissions": may}
    (profile / "Default").mkdir(parents=True)
    settings = {"settings": {number: loaded}, "ui": {"developer_mode": True}}
    (profile / "Default" / "Preferences").write_text(json.dumps({"extensions": settings}))
    window = await chromium(profile, None)
    await window.goto("chrome://extensions/")  # its rules are read when it is reloaded there
    assert await window.read(f"chrome.developerPrivate.reload('{number}').then(() => true)")
    await until(
        lambda: window.read(
            f"chrome.developerPrivate.getExtensionInfo('{number}').then((one) => one.state === 'ENABLED')"
        )
    )
    await window.close()


@asynccontextmanager
async def begun(name: str, profile: Path, *urls: str) -> AsyncIterator[None]:
    """A browser that opens a tab for each address at startup, without automation: Firefox like by another program,
    Chromium as its settings say. It would exit by itself without the port.
    """
    if name == "firefox":
        command = [FIREFOX, "--headless", "--no-remote", "--profile", profile, *urls]
    else:
        command = [CHROMIUM, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        settings = json.loads((profile / "Default" / "Preferences").read_text())
        settings["session"] = {"restore_on_startup": 4, "startup_urls": urls}
        (profile / "Default" / "Preferences").write_text(json.dumps(settings))
    if command[0] is None:
        skip_or_fail(f"{name} is missing (Debian: apt install chromium firefox-esr)")
    nowhere, home = asyncio.subprocess.DEVNULL, {"HOME": str(profile), "PATH": "/usr/bin:/bin"}
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=nowhere, stderr=nowhere, env=home)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def lead(profile: Path, url: str) -> None:
    """Navigate a Chromium that was started by `begun`, without any other automation.

    Playwright would hold prerendered pages.
    """
    port_file = profile / "DevToolsActivePort"
    await until(port_file.exists)
    async with httpx.AsyncClient() as http:
        tabs = (await http.get(f"http://127.0.0.1:{port_file.read_text().split()[0]}/json/list")).json()
        page = next(one for one in tabs if one["type"] == "page")
    async with connect(page["webSocketDebuggerUrl"]) as socket:
        await socket.send(json.dumps({"id": 1, "method": "Page.navigate", "params": {"url": url}}))
        await socket.recv()


class ChromiumWindow:
    """See Window."""

    def __init__(self, playwright: Any, context: BrowserContext, page: Page) -> None:
        self.playwright, self.context, self.page = playwright, context, page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    async def goto(self, url: str) -> None:
        """See Window."""
        with suppress(Error):  # a download, an endless redirect, or the extension's page interrupted it
            await self.page.goto(url, timeout=LONGEST_LOAD)

    async def read(self, expression: str) -> Any:
        """See Window."""
        try:
            return await self.page.evaluate(expression)
        except Error:
            return None

    async def becomes(self, condition: str) -> bool:
        """See Window. The page itself looks, for a second: being asked costs a hundred times as much."""
        return await self.read(f"({SOON})(() => {condition})") is True

    async def press(self, selector: str) -> None:
        """See Window."""
        if await self.page.locator(selector).first.is_visible():
            await self.page.locator(selector).first.click()

    async def type(self, selector: str, text: str) -> None:
        """See Window."""
        await self.page.locator(selector).fill(text)

    async def back(self) -> None:
        """See Window."""
        with suppress(Error):  # a page from the back/forward cache fires no load event
            await self.page.go_back(wait_until="commit", timeout=5_000)

    async def install(self, extension: Path) -> None:
        """See Window."""
        assert self.context.browser is not None
        before = len(self.context.service_workers)
        session = await self.context.browser.new_browser_cdp_session()
        await session.send("Extensions.loadUnpacked", {"path": str(extension)})
        await until(lambda: len(self.context.service_workers) > before)
        await session.detach()

    async def run_first(self, script: str) -> None:
        """See Window."""
        await self.page.add_init_script(script)

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Window]:
        """See Window."""
        page = await self.context.new_page()
        yield ChromiumWindow(self.playwright, self.context, page)
        await page.close()

    async def close(self) -> None:
        """See Window."""
        await self.context.close()
        await self.playwright.stop()


async def firefox(profile: Path, extension: Path | None) -> FirefoxWindow:
    """Start Firefox with this profile."""
    if FIREFOX is None:
        skip_or_fail("Firefox is missing (Debian: apt install firefox-esr)")
        raise AssertionError
    profile.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(FIREFOX, "--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(profile)),
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={"HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1", "PATH": "/usr/bin:/bin"},
    )
    assert process.stderr is not None
    line = ""
    while "WebDriver BiDi listening on" not in line:
        line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
        assert line, "Firefox ended"
    drain = asyncio.create_task(_drain(process.stderr))
    socket = await connect(line.split()[-1] + "/session", max_size=None)
    window = FirefoxWindow(process, socket, drain)
    await window.call("session.new", capabilities={})
    await window.call("session.subscribe", events=["log.entryAdded"])
    window.context = (await window.call("browsingContext.getTree"))["contexts"][0]["context"]
    if extension:
        await window.install(extension)
    return window


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


class FirefoxWindow:
    """See Window. Speaks WebDriver BiDi (W3C), one command at a time."""

    def __init__(
        self, process: asyncio.subprocess.Process, socket: ClientConnection, drain: asyncio.Task[None]
    ) -> None:
        self.process, self.socket, self.drain = process, socket, drain
        self.numbers = itertools.count(1)
        self.context = ""
        self.all_said: dict[str, list[str]] = {}  # of every tab

    @property
    def said(self) -> list[str]:
        """See Window."""
        return self.all_said.setdefault(self.context, [])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command. Raises LookupError with Firefox's error."""
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(60):
            while True:
                answer = json.loads(await self.socket.recv())
                if answer.get("id") == number:
                    break
                if answer.get("method") == "log.entryAdded":
                    tab = str(answer["params"]["source"].get("context"))
                    self.all_said.setdefault(tab, []).append(str(answer["params"]["text"]))
        if answer["type"] == "error":
            raise LookupError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def goto(self, url: str) -> None:
        """See Window."""
        with suppress(LookupError, TimeoutError):
            async with asyncio.timeout(30):
                await self.call("browsingContext.navigate", context=self.context, url=url, wait="complete")

    async def read(self, expression: str) -> Any:
        """See Window."""
        try:
            found = await self.call(
                "script.evaluate", expression=expression, target={"context": self.context}, awaitPromise=True
            )
        except LookupError:
            return None
        return found.get("result", {}).get("value")

    async def becomes(self, condition: str) -> bool:
        """See Window. Asks once: Firefox never answers if the page is left meanwhile."""
        return await self.read(condition) is True

    async def _point(self, selector: str) -> dict[str, Any] | None:
        """The actions of a click; None if it is not visible. Firefox finds the place itself, as the layout may move."""
        found = await self.call(
            "script.evaluate",
            expression=f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "if (!e?.checkVisibility()) return null; e.scrollIntoView({ block: 'center' }); return e; })()",
            target={"context": self.context},
            awaitPromise=False,
        )
        node = found.get("result", {}).get("sharedId")
        if node is None:
            return None
        return {
            "type": "pointer",
            "id": "mouse",
            "actions": [
                {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": {"sharedId": node}}},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ],
        }

    async def press(self, selector: str) -> None:
        """See Window."""
        if action := await self._point(selector):
            await self.call("input.performActions", context=self.context, actions=[action])

    async def type(self, selector: str, text: str) -> None:
        """See Window."""
        await self.press(selector)
        keys = [{"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")]
        await self.call(
            "input.performActions",
            context=self.context,
            actions=[{"type": "key", "id": "keys", "actions": keys}],
        )

    async def back(self) -> None:
        """See Window."""
        with suppress(LookupError):  # the extension's page has replaced the only entry
            await self.call("browsingContext.traverseHistory", context=self.context, delta=-1)

    async def install(self, extension: Path) -> None:
        """See Window."""
        await self.call("webExtension.install", extensionData={"type": "path", "path": str(extension)})

    async def run_first(self, script: str) -> None:
        """See Window."""
        await self.call("script.addPreloadScript", functionDeclaration=f"() => {script}", contexts=[self.context])

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Window]:
        """See Window."""
        other = copy(self)
        other.context = (await self.call("browsingContext.create", type="tab"))["context"]
        yield other
        await self.call("browsingContext.close", context=other.context)

    async def close(self) -> None:
        """See Window."""
        await self.socket.close()
        self.process.terminate()
        await self.process.wait()
        await self.drain
