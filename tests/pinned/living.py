"""What a person does at a page, whoever serves it, and what they come to see."""

from __future__ import annotations

import json

from tests.browser.lies.peers import Peer
from tests.pinned.windows import Window
from tests.support.someone import until

NOTHING = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # the SHA-256 of no bytes
LOG = "[role=log] sealed-text"


def text_of(selector: str) -> str:
    """An expression: the words of all that match and are seen; `innerText` has those of a hidden element too."""
    seen = f"[...document.querySelectorAll({json.dumps(selector)})].filter((e) => e.checkVisibility())"
    return f"{seen}.map((e) => e.innerText).join(' | ')"


async def shows(window: Window, selector: str, words: str) -> None:
    """These words come to stand there."""

    async def is_so() -> bool:
        return words in str(await window.read(text_of(selector)))

    try:
        await until(is_so)
    except AssertionError:
        seen = [await window.read(one) for one in ("location.href", text_of("body"))]
        raise AssertionError(f"{selector} does not come to say {words!r}; the page: {seen}; {window.said}") from None


def complaints(window: Window, since: int = 0) -> list[str]:
    """What came to the console, but for Firefox's word on a script whose loading ended with the page that asked."""
    return [one for one in window.said[since:] if NOTHING not in one]


async def registers(window: Window, name: str) -> dict[str, str]:
    """From the front page on, until the PINs are said to be saved; returns them."""
    await shows(window, "h1", "EZ-DMS")
    await window.type("#username", name)
    await window.press("create-account [type=submit]")
    await shows(window, "[data-testid=search-pin]", "-")
    pins = {kind: str(await window.read(text_of(f"[data-testid={kind}-pin]"))) for kind in ("login", "search")}
    await window.press("[type=checkbox]")
    await window.press("welcome-card [type=submit]")
    return pins


async def talks(window: Window, bob: Peer, search_pin: str, text: str) -> None:
    """Bob writes first, and is answered."""
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
    """Returns the new Login PIN."""
    await window.goto(f"{origin}/account")
    await until(lambda: window.read("document.querySelector('change-pin fieldset')?.disabled === false"))
    await window.type("#old-pin", login_pin)
    await window.press("change-pin [type=submit]")
    await shows(window, "change-pin [data-testid=login-pin]", "-")
    new_pin = str(await window.read(text_of("change-pin [data-testid=login-pin]")))
    await window.press("change-pin .new-pin [type=checkbox]")
    await window.press("change-pin .new-pin [type=submit]")
    await shows(window, "change-pin [role=status]", "Your new Login PIN is in use")
    return new_pin
