"""A tab of a real browser, with a pin or without: Chromium through Playwright, Firefox ESR through WebDriver BiDi."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from playwright.async_api import BrowserContext, Error, Page, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import CHROMIUM_FLAGS, skip_or_fail

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


AS_PEOPLE_HAVE_IT = ["--disable-background-networking", "--disable-back-forward-cache"]


class Window(Protocol):
    """One tab. `said`: what came to its console, and every error."""

    said: list[str]

    async def goto(self, url: str) -> None:
        """Go there; returns when it is loaded, or is not going to be, or after 30 seconds."""

    async def read(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; None if it cannot be had."""

    async def press(self, selector: str) -> None:
        """Click it, as a person does, if it is there."""

    async def type(self, selector: str, text: str) -> None:
        """Into a field."""

    async def back(self) -> None:
        """To where one was before."""

    async def close(self) -> None:
        """And the browser."""


async def chromium(profile: Path, extension: Path | None) -> ChromiumWindow:
    """Chromium with a profile of its own."""
    if CHROMIUM is None:
        skip_or_fail("Chromium with its windows is missing (Debian: apt install chromium)")
    playwright = await async_playwright().start()
    flags = ["--headless=new", "--disable-features=DisableLoadExtensionCommandLineSwitch", *CHROMIUM_FLAGS[1:]]
    flags.remove("--disable-background-networking")  # or nothing is drawn before one goes there
    if extension:
        flags += [f"--load-extension={extension}", f"--disable-extensions-except={extension}"]
    context = await playwright.chromium.launch_persistent_context(
        profile, executable_path=CHROMIUM, headless=False, args=flags, ignore_default_args=AS_PEOPLE_HAVE_IT
    )
    if extension and not context.service_workers:
        await context.wait_for_event("serviceworker")
    return ChromiumWindow(playwright, context, context.pages[0])


class ChromiumWindow:
    """See Window."""

    def __init__(self, playwright: Any, context: BrowserContext, page: Page) -> None:
        self.playwright, self.context, self.page = playwright, context, page
        self.said: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    async def goto(self, url: str) -> None:
        """See Window."""
        with suppress(Error):  # a download, a redirect without end, or the extension's page came in between
            await self.page.goto(url)

    async def read(self, expression: str) -> Any:
        """See Window."""
        try:
            return await self.page.evaluate(expression)
        except Error:
            return None

    async def press(self, selector: str) -> None:
        """See Window."""
        if await self.page.locator(selector).count():
            await self.page.locator(selector).first.click()

    async def type(self, selector: str, text: str) -> None:
        """See Window."""
        await self.page.locator(selector).fill(text)

    async def back(self) -> None:
        """See Window."""
        await self.page.go_back()

    async def close(self) -> None:
        """See Window."""
        await self.context.close()
        await self.playwright.stop()


async def firefox(profile: Path, extension: Path | None) -> FirefoxWindow:
    """Firefox with a profile of its own."""
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
        await window.call("webExtension.install", extensionData={"type": "path", "path": str(extension)})
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
        self.said: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command. Raises LookupError with what Firefox says against it."""
        number = next(self.numbers)
        await self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(60):
            while True:
                answer = json.loads(await self.socket.recv())
                if answer.get("id") == number:
                    break
                if answer.get("method") == "log.entryAdded":
                    self.said.append(str(answer["params"]["text"]))
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

    async def _point(self, selector: str) -> dict[str, Any] | None:
        place = await self.read(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return ''; "
            "e.scrollIntoView({ block: 'center' }); const b = e.getBoundingClientRect(); "
            "return `${Math.round(b.x + b.width / 2)} ${Math.round(b.y + b.height / 2)}`; })()"
        )
        if not place:
            return None
        x, y = map(int, place.split())
        return {
            "type": "pointer",
            "id": "mouse",
            "actions": [
                {"type": "pointerMove", "x": x, "y": y},
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
        await self.call("browsingContext.traverseHistory", context=self.context, delta=-1)

    async def close(self) -> None:
        """See Window."""
        await self.socket.close()
        self.process.terminate()
        await self.process.wait()
        await self.drain
