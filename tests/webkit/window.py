"""A window of WebKitGTK, for one person: what they see, and what they do."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import WebKitGTK, WebKitGTKOptions
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.webkitgtk.service import Service

from tests.conftest import skip_or_fail

DRIVER = shutil.which("WebKitWebDriver")
MISSING = "WebKitGTK is missing (Debian: apt install webkit2gtk-driver xvfb)"
ENTER, SHIFT = "\ue007", "\ue008"
PATIENCE = 30  # seconds that something may take to become true on a busy machine

# The browser's own bar would be wider than a phone.
NARROW = "* { min-width: 0; min-height: 0; margin: 0; padding: 0; border: 0; font-size: 1px; }"

# What people can do something with, by its role and its name. Runs in the page.
FIND = """([role, name, scope]) => {
    const KINDS = {
        button: "button", checkbox: "[type=checkbox]", link: "a[href]", textbox: "textarea, [type=text]",
        heading: "h1, h2, h3",
    };
    const nameOf = (element) => element.ariaLabel || element.labels?.[0]?.textContent || element.textContent;
    return [...document.querySelectorAll(KINDS[role])].find((element) =>
        nameOf(element).includes(name) && element.checkVisibility() && element.matches(`${scope} *`)) ?? null;
}"""
TEXTS = """() => [...document.querySelectorAll("message-row sealed-text:not([data-sealed])")]
    .map((element) => element.textContent)"""


class Window:
    """A browser of its own: nothing in it is shared with another window."""

    def __init__(self, display: str, folder: Path) -> None:
        if DRIVER is None:
            skip_or_fail(MISSING)
        alone = {"DISPLAY": display, "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "LIBGL_ALWAYS_SOFTWARE": "1"}
        alone |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
        alone |= {"DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        (folder / "gtk-3.0").mkdir()
        (folder / "gtk-3.0" / "gtk.css").write_text(NARROW)
        service = Service(str(DRIVER), log_output=str(folder / "driver.log"), env=os.environ | alone)
        self.driver = WebKitGTK(options=WebKitGTKOptions(), service=service)
        self.driver.set_script_timeout(PATIENCE)
        self.resize(1280, 800)

    def close(self) -> None:
        """End the browser, and the driver that started it."""
        self.driver.quit()

    def resize(self, width: int, height: int) -> None:
        """Make what the page has exactly that large."""
        sizes = "() => [innerWidth, innerHeight, outerWidth - innerWidth, outerHeight - innerHeight]"

        def fits() -> bool:
            *inner, beside, above = self.run(sizes)
            if inner != [width, height]:
                self.driver.set_window_size(width + beside, height + above)
            return bool(inner == [width, height])

        until(fits, f"{width} by {height}")

    def open(self, address: str) -> None:
        """Go to a page."""
        self.driver.get(address)

    def reload(self) -> None:
        """The same page, anew."""
        self.driver.refresh()

    @property
    def path(self) -> str:
        """Where one is."""
        return str(self.run("() => location.pathname"))

    def run(self, script: str, given: Any = None) -> Any:
        """Call a function of JavaScript in the page, and wait for what it promises.

        Both ways go as ASCII: the driver has its own idea of what is text.
        """
        expression = script.strip().rstrip(";")
        answer = self.driver.execute_async_script(
            f"""const done = arguments[arguments.length - 1];
            const found = ({expression}
            );
            const given = JSON.parse({json.dumps(json.dumps(given))});
            Promise.resolve(typeof found === "function" ? found(given) : found)
                .then((value) => JSON.stringify(value === globalThis ? null : value) ?? "null")
                .then((text) => done(["", text]), (error) => done([`${{error}}`, ""]));"""
        )
        wrong, value = cast(list[str], answer)
        assert not wrong, wrong
        return json.loads(value)

    async def evaluate(self, script: str, given: Any = None) -> Any:
        """The same as Playwright's pages have it."""
        return self.run(script, given)

    def until(self, script: str, given: Any = None) -> Any:
        """Wait until a function of JavaScript gives something true, and give that."""
        return until(lambda: self.run(script, given), script)

    def element(self, role: str, name: str, scope: str = "body") -> WebElement:
        """The first that has this role and this in its name, once it is there to be used."""
        given = json.dumps([role, name, scope])
        script = f"const found = ({FIND})({given}); return found && !found.matches(':disabled') ? found : null;"
        return cast(WebElement, until(lambda: self.driver.execute_script(script), f"{role} {name!r}"))

    def has(self, role: str, name: str) -> bool:
        """Whether it is there to be seen, usable or not."""
        return bool(self.run(f"(given) => ({FIND})(given) !== null", [role, name, "body"]))

    def press(self, name: str, role: str = "button", scope: str = "body") -> None:
        """Click on it, once it can be clicked: what is drawn anew in that moment cannot."""

        def clicked() -> bool:
            self.element(role, name, scope).click()
            return True

        until(clicked, f"a click on {role} {name!r}")

    def fill(self, name: str, text: str) -> None:
        """Type into an empty field."""
        self.element("textbox", name).send_keys(text)

    def sees(self, *texts: str) -> None:
        """Wait for exactly these messages, in order."""
        self.until("(texts) => JSON.stringify((" + TEXTS + ")()) === JSON.stringify(texts)", list(texts))

    def reads(self, words: str, where: str = "body") -> None:
        """Wait until these words stand there to be read."""
        self.until(
            "([words, where]) => [...document.querySelectorAll(where)].some((one) => one.innerText.includes(words))",
            [words, where],
        )


def until(look: Callable[[], Any], what: str) -> Any:
    """Wait until it gives something true, and give that; while a page is left there is nothing to be asked."""
    last: object = None
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            last = look()
        except WebDriverException as error:
            last = error
        if last and not isinstance(last, WebDriverException):
            return last
        time.sleep(0.02)
    raise AssertionError(f"it did not become true: {what} ({last!r})")
