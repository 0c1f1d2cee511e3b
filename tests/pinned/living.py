"""What users do on a page and what they see, regardless of who serves it."""

from __future__ import annotations

import json

from tests.browser.lies.peers import Peer
from tests.pinned.windows import Window
from tests.support.someone import until

# What Firefox says about a page that closes: of scripts still loading, the SHA-256 of empty input; of a socket still
# opening, that there is no connection.
OF_CLOSING = ("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "establish a connection to the server at ws://")
LOG = "[role=log] sealed-text"


def text_of(selector: str) -> str:
    """A JavaScript expression: the text of all visible matches. `innerText` alone would include hidden elements."""
    seen = f"[...document.querySelectorAll({json.dumps(selector)})].filter((e) => e.checkVisibility())"
    return f"{seen}.map((e) => e.innerText).join(' | ')"


async def shows(window: Window, selector: str, words: str) -> None:
    """Wait until the element shows these words."""

    said = f"{text_of(selector)}.includes({json.dumps(words)})"

    try:
        await until(lambda: window.becomes(said))
    except AssertionError:
        seen = [await window.read(one) for one in ("location.href", text_of("body"))]
        raise AssertionError(f"{selector} never shows {words!r}; the page: {seen}; {window.said}") from None


def complaints(window: Window, since: int = 0) -> list[str]:
    """The console messages, without what Firefox says about pages that close."""
    return [one for one in window.said[since:] if not any(words in one for words in OF_CLOSING)]


async def registers(window: Window, name: str) -> dict[str, str]:
    """Register on the front page and confirm that the PINs are saved; returns them."""
    await shows(window, "h1", "EZ-DMS")
    await window.type("#username", name)
    await window.press("create-account [type=submit]")
    await shows(window, "[data-testid=search-pin]", "-")
    pins = {kind: str(await window.read(text_of(f"[data-testid={kind}-pin]"))) for kind in ("login", "search")}
    await window.type("#proof", pins["login"][-4:])
    await window.press("welcome-card [type=submit]")
    return pins


async def talks(window: Window, bob: Peer, search_pin: str, text: str) -> None:
    """Bob writes first, and the user answers."""
    await bob.starts_with(search_pin)
    await bob.writes("hello from elsewhere")
    await shows(window, "#conversations", bob.name)
    await window.press(f'a[href="/c/{bob.conversation}"]')
    await shows(window, LOG, "hello from elsewhere")
    await window.type("#message", text)
    await window.press("message-composer [type=submit]")
    await shows(window, LOG, text)
    assert (await bob.last()).text == text


async def changes_pin(window: Window, origin: str, login_pin: str) -> str:
    """Change the Login PIN; returns the new one."""
    await window.goto(f"{origin}/account")
    await until(lambda: window.read("document.querySelector('change-pin fieldset')?.disabled === false"))
    await window.type("#old-pin", login_pin)
    await window.press("change-pin [type=submit]")
    await shows(window, "change-pin [data-testid=login-pin]", "-")
    new_pin = str(await window.read(text_of("change-pin [data-testid=login-pin]")))
    await window.type("#new-proof", new_pin[-4:])
    await window.press("change-pin .new-pin [type=submit]")
    await shows(window, "change-pin [role=status]", "Your new Login PIN is in use")
    return new_pin
