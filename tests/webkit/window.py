"""A WebKitGTK window for one person: what they see, and what they do."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from selenium.common.exceptions import InvalidSessionIdException, WebDriverException
from selenium.webdriver import WebKitGTK, WebKitGTKOptions
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.webkitgtk.service import Service

from tests.conftest import skip_or_fail

DRIVER = shutil.which("WebKitWebDriver")
MISSING = "WebKitGTK is missing (Debian: apt install webkit2gtk-driver xvfb)"
ENTER, SHIFT = "\ue007", "\ue008"
PATIENCE = 60  # seconds to wait on a busy machine
SLICE = 5  # of them, in which the page itself looks again and again: a look from outside costs as much as a hundred

# Calls `find` in the page until it finds something, or this time is over.
LOOKING = f"""const done = arguments[arguments.length - 1], ends = performance.now() + {SLICE * 1000};
    const look = async () => {{
        const found = await find();
        if (found || performance.now() > ends) done(["", pack(found)]);
        else setTimeout(again, 50);
    }};
    const again = () => look().catch((error) => done([`${{error}}`, null]));
    again();"""

# The browser's own toolbar would be wider than a phone.
NARROW = "* { min-width: 0; min-height: 0; margin: 0; padding: 0; border: 0; font-size: 1px; }"

# Finds an interactive element by its role and name. Runs in the page.
FIND = """([role, name, scope]) => {
    const KINDS = {
        button: "button", checkbox: "[type=checkbox]", link: "a[href]",
        textbox: "textarea, [type=text], [type=password]", heading: "h1, h2, h3",
    };
    const nameOf = (element) => element.ariaLabel || element.labels?.[0]?.textContent || element.textContent;
    return [...document.querySelectorAll(KINDS[role])].find((element) =>
        nameOf(element).includes(name) && element.checkVisibility() && element.matches(`${scope} *`)) ?? null;
}"""
TEXTS = """() => [...document.querySelectorAll("message-row sealed-text:not([data-sealed])")]
    .map((element) => element.textContent)"""


class Window:
    """A separate browser: it shares nothing with other windows."""

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
        with suppress(WebDriverException):  # it may have crashed
            self.driver.quit()

    def resize(self, width: int, height: int) -> None:
        """Make the viewport exactly this large."""
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
        """Reload the page."""
        self.driver.refresh()

    @property
    def path(self) -> str:
        """The path of the current URL."""
        return str(self.run("() => location.pathname"))

    def run(self, script: str, given: Any = None) -> Any:
        """Call a JavaScript function in the page, and await its result.

        Arguments and results travel as ASCII: the driver garbles other text.
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

    def _look(self, find: str, pack: str) -> Any:
        """What a JavaScript function finds in the page, as `pack` returns it; falsy if it found nothing for a while."""
        wrong, found = self.driver.execute_async_script(f"const find = {find}, pack = {pack}; {LOOKING}")
        assert not wrong, wrong
        return found

    async def evaluate(self, script: str, given: Any = None) -> Any:
        """Like `evaluate` of a Playwright page."""
        return self.run(script, given)

    def until(self, script: str, given: Any = None) -> Any:
        """Wait until a JavaScript function returns a truthy value, and return it."""
        find = f"() => ({script.strip().rstrip(';')})(JSON.parse({json.dumps(json.dumps(given))}))"
        return until(lambda: json.loads(self._look(find, "(found) => JSON.stringify(found ?? null)")), script)

    def element(self, role: str, name: str, scope: str = "body") -> WebElement:
        """Return the first usable element with this role whose name contains `name`."""
        find = f"""() => {{
            const found = ({FIND})({json.dumps([role, name, scope])});
            return found?.matches(":disabled") ? null : found;
        }}"""
        return cast(WebElement, until(lambda: self._look(find, "(found) => found"), f"{role} {name!r}"))

    def has(self, role: str, name: str) -> bool:
        """Whether the element is visible, usable or not."""
        return bool(self.run(f"(given) => ({FIND})(given) !== null", [role, name, "body"]))

    def press(self, name: str, role: str = "button", scope: str = "body") -> None:
        """Click the element, and retry while it is being redrawn."""

        def clicked() -> bool:
            self.element(role, name, scope).click()
            return True

        until(clicked, f"a click on {role} {name!r}")

    def fill(self, name: str, text: str) -> None:
        """Type into an empty field."""
        self.element("textbox", name).send_keys(text)

    def sees(self, *texts: str) -> None:
        """Wait for exactly these messages, in order."""
        try:
            self.until("(texts) => JSON.stringify((" + TEXTS + ")()) === JSON.stringify(texts)", list(texts))
        except AssertionError as error:
            said = self.run("() => document.body.innerText")
            raise AssertionError(f"it shows {self.run(TEXTS)} instead of {texts}; the page says: {said}") from error

    def reads(self, words: str, where: str = "body") -> None:
        """Wait until these words are visible."""
        self.until(
            "([words, where]) => [...document.querySelectorAll(where)].some((one) => one.innerText.includes(words))",
            [words, where],
        )


def until(look: Callable[[], Any], what: str) -> Any:
    """Wait until `look` returns a truthy value, and return it; errors while a page unloads are ignored."""
    last: object = None
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            last = look()
        except InvalidSessionIdException:
            raise  # the browser itself has crashed
        except WebDriverException as error:
            last = error
        if last and not isinstance(last, WebDriverException):
            return last
        time.sleep(0.05)
    raise AssertionError(f"it did not become true: {what} ({last!r})")
