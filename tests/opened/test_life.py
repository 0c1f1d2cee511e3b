"""`ezdms open` in real browsers: everything works as on the server's own page, or better."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser.lies.liar import Answer, Liar
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.opened.opening import Opening
from tests.pinned import living
from tests.pinned.conftest import BROWSERS
from tests.pinned.living import LOG, changes_pin, complaints, shows, talks
from tests.pinned.test_pinned import CASES, SOON, stolen, visit
from tests.pinned.windows import Window
from tests.support.someone import until

# The front page is complete, with its font, so the layout is stable.
SETTLED = """document.querySelector("#login-pin") !== null && document.readyState === "complete"
    && document.fonts.size > 0 && document.fonts.status === "loaded" """

# The served builds that this browser has recorded.
SERVED = """import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"))
    .then(({ loadVaultState }) => loadVaultState()).then(({ more }) => String(more?.served))"""


@pytest.fixture(params=BROWSERS)
async def window(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Window]:
    """A browser tab with a fresh profile."""
    window = await BROWSERS[request.param](tmp_path / "profile", None)
    yield window
    await window.close()


async def at(window: Window, address: str) -> None:
    """Wait until the tab is at this address."""

    async def is_there() -> bool:
        return str(await window.read("location.href")) == address

    await until(is_there)


async def registers(window: Window, opened: Opening, name: str) -> dict[str, str]:
    """Open the first address and register; returns the PINs."""
    await window.goto(opened.first)
    await at(window, f"{opened.origin}/")
    pins = await living.registers(window, name)
    await at(window, f"{opened.origin}/")
    await shows(window, ".me .name", name)
    return pins


async def hears_hello(window: Window, server: Server, opened: Opening) -> tuple[dict[str, str], Peer]:
    """Register, and open a conversation with Bob, who has written; returns the PINs and Bob."""
    pins = await registers(window, opened, "ada")
    bob = await Peer.arrives(server)
    await bob.starts_with(pins["search"])
    await bob.writes("hello")
    await window.goto(f"{opened.origin}/c/{bob.conversation}")
    await shows(window, LOG, "hello")
    return pins, bob


async def logs_out(window: Window) -> None:
    """Log out and wait for the new page; text typed into the old page would be lost."""
    await window.read("void (globalThis.isBefore = true)")
    await window.press("#log-out")

    async def is_gone() -> bool:
        return await window.read("globalThis.isBefore === undefined") is True

    await until(is_gone)


async def logs_in(window: Window, pin: str) -> None:
    """Log in on the front page when its layout is stable."""
    await shows(window, "log-in h2", "Log in")

    async def is_settled() -> bool:
        return bool(await window.read(SETTLED))

    await until(is_settled)
    await window.type("#login-pin", pin)
    await window.press("log-in [type=submit]")


async def test_the_whole_app_works(window: Window, server: Server, opened: Opening) -> None:
    """Register, exchange messages, reload, change the PIN, log out and in again; the console stays empty."""
    pins = await registers(window, opened, "ada")
    bob = await Peer.arrives(server)
    await talks(window, bob, pins["search"], "from my own page")
    await bob.writes("live")
    await shows(window, LOG, "live")
    await window.goto(f"{opened.origin}/c/{bob.conversation}")
    await shows(window, LOG, "live")
    await window.goto(f"{opened.origin}/search-pin")
    await shows(window, "my-search-pin code", f"{server.url}/#add={pins['search']}")
    await window.goto(f"{opened.origin}/sessions")
    await shows(window, "#devices", "opened with “ezdms open”")
    await shows(window, "served-builds [data-build]", "EZ-DMS")
    new_pin = await changes_pin(window, opened.origin, pins["login"])
    assert await window.read(SERVED) == "undefined"  # no server served this page
    await window.goto(f"{opened.origin}/")
    await shows(window, ".me .name", "ada")
    await logs_out(window)
    await logs_in(window, new_pin)
    await shows(window, ".me .name", "ada")
    await shows(window, "#conversations", bob.name)
    assert complaints(window) == []
    assert await window.read("document.cookie + document.referrer") == ""
    await bob.leaves()
    await asyncio.sleep(0.01)  # lets the loop close connections
    assert new_pin != pins["login"]


async def test_the_page_reports_an_outage_and_loses_nothing(window: Window, server: Server, opened: Opening) -> None:
    _, bob = await hears_hello(window, server, opened)
    server.stop()
    await shows(window, "#connection", "Connection lost")
    await window.type("#message", "written meanwhile")
    await window.press("message-composer [type=submit]")
    await shows(window, ".outbox", "The server cannot be reached")
    await window.goto(f"{opened.origin}/c/{bob.conversation}")
    server.start()
    await shows(window, LOG, "written meanwhile")
    assert (await bob.last()).text == "written meanwhile"
    assert len(await bob.rows()) == 2
    await bob.leaves()
    await asyncio.sleep(0.01)  # lets the loop close connections


async def test_unsent_messages_are_kept_if_the_port_stays_the_same(
    window: Window, server: Server, tmp_path: Path
) -> None:
    with Opening(server.url, tmp_path) as opening:
        pins, bob = await hears_hello(window, server, opening)
        server.stop()
        await window.type("#message", "written in vain")
        await window.press("message-composer [type=submit]")
        await shows(window, ".outbox", "The server cannot be reached")
        await asyncio.to_thread(opening.end)
        server.start()
        opening.flags += ["--port", str(opening.port)]
        opening.start()
        await shows(window, "#connection", "Connection lost")
        await window.goto(opening.first)
        await logs_in(window, pins["login"])
        await shows(window, ".me .name", "ada")
        await window.goto(f"{opening.origin}/c/{bob.conversation}")
        await shows(window, LOG, "written in vain")
        assert (await bob.last()).text == "written in vain"
        await bob.leaves()
        await window.goto("about:blank")
        await asyncio.sleep(0.01)  # lets the loop close connections


async def test_the_page_sends_nothing_to_its_port_after_shutdown(
    window: Window, server: Server, tmp_path: Path
) -> None:
    with Opening(server.url, tmp_path) as opening:
        _, bob = await hears_hello(window, server, opening)
        await asyncio.to_thread(opening.end)
        asked: list[bytes] = []

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readline())
            writer.close()

        async with await asyncio.start_server(note, "127.0.0.1", opening.port):
            await shows(window, "#connection", "“ezdms open” has stopped. Start it again")
            await asyncio.sleep(2)  # longer than the first reconnect delays
        assert asked == []
        await bob.leaves()
        await window.goto("about:blank")


async def test_no_script_or_text_of_the_server_reaches_the_page(window: Window, liar: Liar, tmp_path: Path) -> None:
    opening = Opening(liar.url, tmp_path)
    await asyncio.to_thread(opening.start)

    def evil(answer: Answer) -> None:
        answer.headers = [pair for pair in answer.headers if pair[0] != "content-security-policy"]
        answer.set("link", "</evil.css>; rel=stylesheet")
        answer.set("refresh", f"0; url={liar.url}/evil.html")

    with ExitStack() as lies:
        for case in CASES.values():
            for request, change in case.lies.items():
                lies.enter_context(liar.lying(request, change))
        lies.enter_context(liar.lying("(GET /deployment|POST .*)", evil))
        assert await visit(liar, window, CASES["a weaker policy"], SOON) or await visit(
            liar, window, CASES["another address"], SOON
        ), "control: scripts run at the server's own address"
        await window.goto("about:blank")
        await asyncio.sleep(0.3)
        since = len(liar.heard)
        await registers(window, opening, "ada")
        await window.goto(f"{opening.origin}/protection")
        await shows(window, "h1", "How private is this")
        await window.goto(f"{opening.origin}/evil.html")
        await shows(window, "h1", "Page not found")
        assert not stolen(liar, since)
        asked = {one.split(" ")[1] for one in liar.heard[since:]}
        assert not [one for one in asked if one.startswith(("/static", "/evil", "/protection")) or one == "/"]
    await window.goto("about:blank")
    await asyncio.to_thread(opening.end)


@pytest.mark.parametrize("path", ["/", "/c/" + "0" * 24, "/open/wrong"])
async def test_browsers_without_the_cookie_are_sent_to_the_first_address(
    window: Window, opened: Opening, path: str
) -> None:
    await window.goto(opened.origin + path)
    assert "Open the address that" in json.dumps(await window.read("document.body.innerText"))
