"""`ezdms open` in real browsers: everything works as on the server's own page, or better."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from ezdms import crypto
from ezdms.client import Client
from tests.browser.lies.liar import Answer, Liar
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.opened.opening import Opening
from tests.pinned import living
from tests.pinned.conftest import BROWSERS
from tests.pinned.living import LOG, changes_pin, complaints, shows, talks
from tests.pinned.scripts import CASES, stolen, visit
from tests.pinned.windows import Window
from tests.support.second_step import turn_on_in
from tests.support.someone import until

# The page is complete, with its font, so the layout is stable.
SETTLED = """document.readyState === "complete" && document.fonts.size > 0 && document.fonts.status === "loaded" """

# The served builds that this browser has recorded.
SERVED = """import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"))
    .then(({ loadVaultState }) => loadVaultState()).then(({ more }) => String(more?.served))"""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=BROWSERS)
async def window(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Window]:
    """A browser tab for all tests: each opened page has its own port, and thus its own cookie and storage."""
    window = await BROWSERS[request.param](tmp_path_factory.mktemp(request.param) / "profile", None)
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


async def settles(window: Window) -> None:
    """Wait until the layout is stable: without the font, the buttons beside one's name may stand in another line."""

    async def is_settled() -> bool:
        return bool(await window.read(SETTLED))

    await until(is_settled)


async def logs_out(window: Window) -> None:
    """Log out and wait for the new page; text typed into the old page would be lost."""
    await settles(window)
    await window.press(".me [href='/settings']")
    await shows(window, "log-out h2", "Log out")
    await shows(window, "two-step .state", "wo-step login is o")  # nothing above moves any more
    await window.press("log-out [data-do=ask]")
    await window.press("log-out [data-do=leave]")
    await shows(window, "[data-why]", "You logged out")


async def logs_in(window: Window, pin: str) -> None:
    """Log in on the front page when its layout is stable."""
    await shows(window, "log-in h2", "Log in")
    await settles(window)
    await window.type("#login-pin", pin)
    await window.press("log-in [type=submit]")


async def test_the_whole_app_works_and_no_script_or_text_of_the_server_reaches_it(
    window: Window, liar: Liar, truth: Server, opened: Opening
) -> None:
    """Register, exchange messages, reload, change the PIN, log out and in again; the console stays empty."""

    def evil(answer: Answer) -> None:
        answer.headers = [pair for pair in answer.headers if pair[0] != "content-security-policy"]
        answer.set("link", "</evil.css>; rel=stylesheet")
        answer.set("refresh", f"0; url={liar.url}/address.html")

    with ExitStack() as lies:
        for case in CASES.values():
            for request, change in case.lies.items():
                lies.enter_context(liar.lying(request, change))
        lies.enter_context(liar.lying("(GET /deployment|POST .*)", evil))
        assert await visit(liar, window, CASES["another address"]), "control: scripts run at the server's own address"
        await window.goto("about:blank")
        await asyncio.sleep(0.3)
        since, said = len(liar.heard), len(window.said)
        pins = await registers(window, opened, "ada")
        bob = await Peer.arrives(truth)
        await talks(window, bob, pins["search"], "from my own page")
        await bob.writes("live")
        await shows(window, LOG, "live")
        await window.goto(f"{opened.origin}/c/{bob.conversation}")
        await shows(window, LOG, "live")
        await window.goto(f"{opened.origin}/search-pin")
        await shows(window, "my-search-pin code", f"{liar.url}/#add={pins['search']}")
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
        assert complaints(window, said) == []
        assert await window.read("document.cookie + document.referrer") == ""
        await window.goto(f"{opened.origin}/protection")
        await shows(window, "h1", "How private is this")
        await window.goto(f"{opened.origin}/address.html")
        await shows(window, "h1", "Page not found")
        await window.goto("about:blank")
        assert not stolen(liar, since)
        asked = {one.split(" ")[1] for one in liar.heard[since:] if not one.startswith("FRAME ")}
        assert {"/register", "/send_message", "/change_pin", "/login"} <= asked
        assert not [
            one for one in asked if one.startswith(("/static", "/?", "/address", "/evil", "/protection")) or one == "/"
        ]
    await bob.leaves()
    await asyncio.sleep(0.01)  # lets the loop close connections
    assert new_pin != pins["login"]


async def test_only_the_first_address_opens_and_an_outage_a_restart_or_a_shutdown_loses_and_tells_nothing(
    window: Window, server: Server, own: Opening
) -> None:
    """Without its cookie, a browser is sent to the first address. After shutdown, nothing is sent to the port."""
    for path in ("/", f"/c/{'0' * 24}", "/open/wrong"):
        await window.goto(own.origin + path)
        assert "Open the address that" in json.dumps(await window.read("document.body.innerText")), path
    pins = await registers(window, own, "ada")
    bob = await Peer.arrives(server)
    await bob.starts_with(pins["search"])
    await bob.writes("hello")
    await window.goto(f"{own.origin}/c/{bob.conversation}")
    await shows(window, LOG, "hello")

    server.stop()
    await shows(window, "#connection", "Connection lost")
    await window.type("#message", "written meanwhile")
    await window.press("message-composer [type=submit]")
    await shows(window, ".outbox", "The server cannot be reached")
    await window.goto(f"{own.origin}/c/{bob.conversation}")
    server.start()
    await shows(window, LOG, "written meanwhile")
    assert (await bob.last()).text == "written meanwhile"
    assert len(await bob.rows()) == 2

    server.stop()
    await shows(window, "#connection", "Connection lost")
    await window.type("#message", "written in vain")
    await window.press("message-composer [type=submit]")
    await shows(window, ".outbox", "The server cannot be reached")
    await asyncio.to_thread(own.end)
    server.start()
    own.flags += ["--port", str(own.port)]
    own.start()
    await shows(window, "#connection", "Connection lost")
    await window.goto(own.first)
    await logs_in(window, pins["login"])
    await shows(window, ".me .name", "ada")
    await window.goto(f"{own.origin}/c/{bob.conversation}")
    await shows(window, LOG, "written in vain")
    assert (await bob.last()).text == "written in vain"

    await asyncio.to_thread(own.end)
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", own.port):
        await shows(window, "#connection", "“ezdms open” has stopped. Start it again")
        await asyncio.sleep(2)  # longer than the first reconnect delays
    assert asked == []
    await bob.leaves()
    await window.goto("about:blank")
    await asyncio.sleep(0.01)  # lets the loop close connections


@pytest.mark.parametrize("window", ["chromium"], indirect=True)  # what differs is what this page offers
async def test_two_step_login_works_and_no_device_can_be_trusted(
    window: Window, truth: Server, opened: Opening, tmp_path: Path
) -> None:
    """`ezdms open` keeps nothing for the next time, so the page does not offer it."""
    pin = crypto.new_login_pin()
    async with await Client.register(truth.url, "ida", pin, home=tmp_path / "ida") as client:
        _, codes = await turn_on_in(client, pin)
    await window.goto(opened.first)
    await at(window, f"{opened.origin}/")

    async def is_shown() -> bool:
        return bool(await window.read("document.querySelector('.me .name, log-in') !== null"))

    await until(is_shown)
    if await window.read("document.querySelector('.me .name') !== null"):
        await logs_out(window)  # who was logged in by another test
    await logs_in(window, pin)
    await shows(window, "log-in form + form h2", "Two-step login")
    assert await window.read("document.querySelector('.trusting').checkVisibility()") is False
    await window.press("log-in [data-do=recover]")
    await window.type("#recovery-code", codes[0])
    await window.press("log-in form + form [type=submit]")
    await shows(window, ".me .name", "ida")
    await window.goto(f"{opened.origin}/settings")
    await shows(window, "two-step .state", "Recovery codes left: 9.")
