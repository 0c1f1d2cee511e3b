"""Passkeys in Chromium, with its virtual authenticator: added once, then they open everything without typing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from playwright.async_api import CDPSession, Request, Route, expect

from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_decode, label
from tests.browser.home import Home
from tests.browser.test_disk import changes_the_login_pin
from tests.browser.test_two_step import turns_on
from tests.conftest import Server
from tests.support.access import faults_in_every_look
from tests.support.hostile import Hostile
from tests.support.someone import Someone

AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# Notes every PRF output, so that a test can look for it in what leaves the browser.
SPY = """
    globalThis.outputs = [];
    const read = PublicKeyCredential.prototype.getClientExtensionResults;
    PublicKeyCredential.prototype.getClientExtensionResults = function () {
        const results = read.call(this);
        const first = results.prf?.results?.first;
        if (first) globalThis.outputs.push(Array.from(new Uint8Array(first)));
        return results;
    };
"""


_authenticators: list[CDPSession] = []  # each lives as long as its session


async def authenticator(someone: Someone, *, prf: bool = True) -> tuple[CDPSession, str]:
    """A virtual authenticator in this person's browser, until the test ends."""
    session = await someone.context.new_cdp_session(someone.page)
    _authenticators.append(session)
    await session.send("WebAuthn.enable")
    options = AUTHENTICATOR | {"hasPrf": prf}
    added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, str(added["authenticatorId"])


@pytest_asyncio.fixture(loop_scope="session")
async def alice(home: Home) -> AsyncIterator[Someone]:
    """Somebody at their settings, without passkeys and two-step login, whom all tests of this file share. Passkeys
    belong to an address with a name."""
    if "alice" not in home.people:
        home.server.url = home.server.url.replace("127.0.0.1", "localhost")
        home.people["alice"] = await Someone.is_in(home.browser, home.server, "alice", reduced_motion="reduce")
        await home.people["alice"].context.add_init_script(SPY)
    alice = home.people["alice"]
    for table in ("passkeys", "recovery_codes", "second_steps"):
        Hostile(home.server).run(f"DELETE FROM {table}")  # noqa: S608
    await alice.starts_afresh("/settings")
    log_in, add = [alice.page.get_by_role("button", name=name) for name in ("Log in with a passkey", "Add a passkey")]
    await expect(log_in.or_(add)).to_be_visible()
    if await log_in.is_visible():
        await alice.page.get_by_label("Login PIN", exact=True).fill(alice.login_pin)
        await alice.page.get_by_role("button", name="Log in", exact=True).click()
        await expect(add).to_be_visible()
        alice.forgets_the_past()
    yield alice
    while _authenticators:
        await _authenticators.pop().detach()


async def adds(alice: Someone, name: str = "my laptop") -> None:
    await alice.page.get_by_label("Your Login PIN, to add one").fill(alice.login_pin)
    await alice.page.get_by_label("Name, such as the device").fill(name)
    await alice.page.get_by_role("button", name="Add a passkey").click()


async def swapped(wrapped: str, route: Route) -> None:
    answer = await route.fetch()
    await route.fulfill(response=answer, json=await answer.json() | {"wrapped": wrapped})


async def renamed(names: list[str], route: Route) -> None:
    """Answer with the next of these names, or at last with the right one."""
    answer = await route.fetch()
    [known] = (await answer.json())["passkeys"]
    await route.fulfill(response=answer, json={"passkeys": [known | {"name": names.pop(0)} if names else known]})


# The user cancels, or the authenticator answers again.
CANCEL = """() => {
    window.get = navigator.credentials.get;
    navigator.credentials.get = async () => { throw new DOMException("no", "NotAllowedError"); };
}"""
ANSWER = "() => { navigator.credentials.get = window.get; }"


async def test_a_passkey_opens_everything_unless_it_is_cancelled_or_swapped_until_the_login_pin_is_changed(
    home: Home, alice: Someone
) -> None:
    page, sent = alice.page, list[str]()

    def note(request: Request) -> None:
        sent.append(f"{request.url} {json.dumps(request.headers)} {request.post_data or ''}")

    alice.context.on("request", note)
    await authenticator(alice)
    bob = await home.peer()
    await bob.starts_with(alice.search_pin)
    await bob.writes("hello alice")
    await adds(alice)
    line, log_in = page.locator(".passkey"), page.get_by_role("button", name="Log in with a passkey")
    await expect(line.locator(".name")).to_have_text("my laptop")
    await expect(line.get_by_text("last used")).to_have_count(0)
    outputs: Any = await page.evaluate("globalThis.outputs")
    await alice.logs_out()

    before = len(sent)
    await page.evaluate(CANCEL)
    await log_in.click()
    await expect(page.get_by_role("alert").filter(has_text="use your Login PIN")).to_be_visible()
    await expect(log_in).to_be_enabled()
    asked = [one.split()[0] for one in sent[before:]]
    assert f"{alice.address}/login_passkey/options" in asked
    assert f"{alice.address}/logout" not in asked  # it ends no session
    await page.evaluate(ANSWER)

    for wrapped in ("A" * 59, "B" * 58 + "A"):
        async with page.expect_response("**/login_passkey"):
            await page.route("**/login_passkey", partial(swapped, wrapped))
            await log_in.click()
        await expect(page.get_by_role("alert").filter(has_text="does not open this account")).to_be_visible()
        await expect(log_in).to_be_enabled()
        await page.unroute_all(behavior="wait")
    assert "ezdms_session" not in {one.get("name") for one in await alice.context.cookies()}

    await log_in.click()
    await alice.opens(bob.name)
    await alice.sees("hello alice")
    outputs += await page.evaluate("globalThis.outputs")
    await page.goto(f"{alice.address}/settings")
    await expect(line.get_by_text("last used")).to_be_visible()
    assert outputs
    for output in map(bytes, outputs):
        for text in sent:
            for form in (output.hex(), str(list(output)), str(list(output)).replace(" ", ""), *encoded(output)):
                assert form not in text
    assert alice.login_pin.replace("-", "") not in "".join(sent)
    alice.context.remove_listener("request", note)

    await changes_the_login_pin(alice)
    await expect(page.get_by_text("your passkeys, if you had any, were removed")).to_be_visible()
    await page.goto(f"{alice.address}/settings")
    await expect(page.get_by_role("button", name="Add a passkey")).to_be_visible()
    await expect(line).to_have_count(0)


def encoded(octets: bytes) -> list[str]:
    """Base64 of these bytes, at each offset, in both alphabets, without the ends."""

    found = []
    for pad in range(3):
        text = base64.b64encode(bytes(pad) + octets).decode()[4:-4]
        found += [text, text.replace("+", "-").replace("/", "_")]
    return found


# Counts the passkeys that the page draws from now on.
COUNT = """() => {
    globalThis.drawn = 0;
    const count = (node) => (node instanceof Element ? [node, ...node.querySelectorAll("*")] : [])
        .filter((one) => one.matches(".passkey")).length;
    new MutationObserver((records) => {
        for (const { addedNodes } of records) for (const node of addedNodes) globalThis.drawn += count(node);
    }).observe(document.querySelector("pass-keys"), { childList: true, subtree: true });
}"""


async def test_passkeys_are_added_with_prf_and_the_right_pin_renamed_and_removed_and_a_removed_one_opens_nothing(
    home: Home, alice: Someone
) -> None:
    page, line = alice.page, alice.page.locator(".passkey")
    field = page.get_by_label("Your Login PIN, to add one")
    session, without = await authenticator(alice, prf=False)
    await adds(alice)
    await expect(page.get_by_role("alert").filter(has_text="lacks the extension “PRF”")).to_be_visible()
    await expect(line).to_have_count(0)
    await expect(field).to_have_value(alice.login_pin)
    await session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": without})
    await authenticator(alice)
    await field.fill("AAAA-AAAA-AAAA-AAAA")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_role("alert").filter(has_text="This is not your Login PIN.")).to_be_visible()
    await expect(field).to_have_value("AAAA-AAAA-AAAA-AAAA")
    await expect(line).to_have_count(0)
    await adds(alice)
    await expect(line).to_have_count(1)
    opens_by_the_protocol(home.server, alice.login_pin, (await page.evaluate("globalThis.outputs"))[-1])

    await line.get_by_role("button", name="Rename: my laptop").click()
    await line.get_by_label("New name").fill("<b>old</b> laptop")
    assert await faults_in_every_look(page, "pass-keys") == []
    await line.get_by_role("button", name="Save").click()
    await expect(line.locator(".name")).to_have_text("<b>old</b> laptop")
    false, again = (
        ["two\nlines", "from \u202eright to left", "x" * 65, ""],
        page.get_by_role("button", name="Try again"),
    )
    await page.route("**/passkeys", partial(renamed, false))
    await page.reload()
    await page.evaluate(COUNT)
    for left in (3, 2, 1, 0):
        await expect(again).to_be_visible()
        await expect(line).to_have_count(0)
        assert len(false) == left
        async with page.expect_response("**/passkeys"):
            await again.click()
    await expect(line).to_have_count(1)  # with the name that it has
    assert await page.evaluate("globalThis.drawn") == 1, "with a false name"
    await page.unroute_all(behavior="wait")
    await line.get_by_role("button", name=re.compile("^Remove: ")).click()
    await expect(line).to_have_count(0)
    await alice.logs_out()
    await page.get_by_role("button", name="Log in with a passkey").click()
    await expect(page.get_by_role("alert").filter(has_text="This passkey is not known here.")).to_be_visible()


def opens_by_the_protocol(server: Server, login_pin: str, output: list[int]) -> None:
    """Assert that what is stored does. Computed here, independently of the page (docs/protocol.md, Passkeys)."""
    with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection:
        credential_id, wrapped, statement = connection.execute(
            "SELECT credential_id, wrapped, statement FROM passkeys JOIN users USING (user_id)"
        ).fetchone()
    ik = envelope.parse_statement(statement).ik
    key = HKDF(hashes.SHA256(), 32, None, b"ezdms/1 passkey").derive(bytes(output))
    raw = b64u_decode(wrapped, 44)
    bound = label("passkey") + b64u_decode(credential_id) + hashlib.sha256(ik).digest()
    assert AESGCM(key).decrypt(raw[:12], raw[12:], bound).decode() == login_pin.replace("-", "")


async def test_with_two_step_login_adding_one_takes_a_code_and_another_server_at_the_host_name_says_so(
    alice: Someone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, recovery = await turns_on(alice)
    await alice.page.goto(f"{alice.address}/settings")
    await authenticator(alice)
    await adds(alice)
    code = alice.page.locator("#passkey-code")
    await expect(code).to_be_focused()
    await expect(alice.page.locator("pass-keys").get_by_role("alert")).to_contain_text("Two-step login is on.")
    await code.fill(recovery[0])
    await alice.page.get_by_role("button", name="Add a passkey").click()
    await expect(alice.page.locator(".passkey .name")).to_have_text("my laptop")
    await expect(code).to_be_hidden()
    await expect(code).to_have_value("")
    with Server(tmp_path_factory.mktemp("other")) as other:
        await alice.page.goto(other.url.replace("127.0.0.1", "localhost"))  # cookies, too, are the host name's
        await alice.page.get_by_role("button", name="Log in with a passkey").click()
        said = alice.page.get_by_role("alert").filter(has_text="belongs to another server at this host name")
        await expect(said).to_be_visible()


async def test_a_lost_device_opens_nothing_new_once_it_was_logged_out_from_another_one(
    home: Home, alice: Someone
) -> None:
    lost = alice
    await authenticator(lost)
    await adds(lost)
    await expect(lost.page.locator(".passkey")).to_have_count(1)
    bob = await home.peer()
    await bob.starts_with(lost.search_pin)
    await bob.writes("an old secret")
    await lost.page.goto(lost.address)
    await lost.opens(bob.name)
    await lost.sees("an old secret")
    old_pin, cookies = lost.login_pin, await lost.context.cookies()
    alice = await lost.on_another_device(home.browser)
    page = alice.page
    await lost.context.set_offline(True)  # whoever found it keeps it from hearing of anything

    await page.goto(f"{alice.address}/sessions")
    await page.get_by_role("button", name=re.compile("^Log out ")).click()
    await expect(page.locator("device-item")).to_have_count(1)
    await page.goto(f"{alice.address}/settings")
    await page.get_by_role("button", name="Remove: my laptop").click()
    await expect(page.locator(".passkey")).to_have_count(0)
    await changes_the_login_pin(alice)
    await page.goto(f"{alice.address}/c/{bob.conversation}")
    await bob.writes("a new secret")
    await alice.sees("an old secret", "a new secret")

    heard: list[str] = []
    lost.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(str(frame))))
    await lost.context.set_offline(False)
    await expect(lost.page.get_by_role("button", name="Log in", exact=True)).to_be_visible()
    await expect(lost.page.locator("body")).not_to_contain_text("an old secret")
    assert [frame for frame in heard if bob.conversation in frame] == []
    await lost.context.add_cookies([dict(cookie) for cookie in cookies])  # type: ignore[misc]
    for path in ("/me", f"/messages/{bob.conversation}", "/vault", "/private_keys"):
        asked = lost.context.request.post if path == "/private_keys" else lost.context.request.get
        answer = await asked(f"{lost.address}{path}", headers={"Accept": "application/json"})
        assert answer.status == 401, path
    await lost.page.get_by_role("button", name="Log in with a passkey").click()
    await expect(lost.page.get_by_role("alert").filter(has_text="This passkey is not known here.")).to_be_visible()
    await lost.page.get_by_label("Login PIN", exact=True).fill(old_pin)
    await lost.page.get_by_role("button", name="Log in", exact=True).click()
    await expect(lost.page.get_by_role("alert").filter(has_text="No account has this Login PIN")).to_be_visible()
    lost.login_pin = alice.login_pin


async def test_an_address_without_a_name_has_no_passkeys(home: Home) -> None:
    address = home.server.url.replace("localhost", "127.0.0.1")
    carol = await Someone.is_in(home.browser, home.server, "carol", address)
    await carol.page.goto(f"{address}/settings")
    await expect(carol.page.get_by_role("heading", name="Two-step login")).to_be_visible()
    await expect(carol.page.get_by_role("heading", name="Passkeys")).to_be_hidden()
