"""The host's settings and disk problems, as users see them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from ezdms import crypto
from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.conftest import Server
from tests.support.access import faults_in_every_look
from tests.support.forked import environment, launch
from tests.support.hostile import Hostile
from tests.support.nginx import NginxProcess, free_ports
from tests.support.operated import operate, said
from tests.support.people import JSON, registration
from tests.support.served import fill
from tests.support.someone import Someone, until

Starts = Callable[..., Server]


@pytest.fixture
def starts(tmp_path: Path) -> Iterator[Starts]:
    """Start a server with these settings."""
    running: list[Server] = []

    def start(folder: Path = tmp_path, **settings: str) -> Server:
        server = Server(folder, **settings)
        running.append(server)
        if folder != tmp_path:
            server.log = Path(os.devnull)  # no room for a log on a small disk
        server.start()
        return server

    yield start
    for server in running:
        server.kill()


async def test_an_invitation_creates_one_account_and_an_invalid_one_never_leaves_the_browser(
    browser: Browser, starts: Starts
) -> None:
    server = starts(registration="invite")
    used, link = operate(server.data_dir, "invite", "--count", "2").stdout.split()
    keys, taken = crypto.generate_keys(), used.partition("=")[2]
    async with httpx.AsyncClient(base_url=server.url, headers=JSON) as program:
        answer = await program.post("/register", data=registration(keys, "bob", invitation=taken))
        assert answer.status_code == 201, answer.text
    alice = await Someone.arrives(browser, server, "alice")
    alice.records()
    field, create = (
        alice.page.get_by_role("textbox", name="Invitation"),
        alice.page.get_by_role("button", name="Create account"),
    )
    await alice.page.get_by_role("textbox", name="Username").fill("alice")
    for typed in ("ABCD-EFGH-JKMN-PQRS", f"{server.url}/#invite=ABCDEFGHJKMNPQRS", "ABCDE-FGHJK-MNPQR-STVWX-YZ012"):
        await field.fill(typed)
        await create.click()
        await expect(alice.alert).to_contain_text("This is not an invitation.")
        await expect(field).to_have_value(typed)
        await field.fill("")
    assert not [one for one in alice.traffic if "register" in one.split()[1] or "ABCD" in one]  # never left the browser
    await field.fill(used)  # the whole link, pasted
    await create.click()
    await expect(alice.page.get_by_text("This invitation was already used, or has expired")).to_be_visible()
    await expect(alice.page.get_by_role("textbox", name="Username")).to_have_value("alice")
    await expect(field).to_have_value(used)
    assert [one for one in alice.traffic if taken in one]  # control: the search finds it
    await alice.page.goto("about:blank")
    await alice.page.goto(link)
    await expect(field).not_to_be_empty()
    assert await faults_in_every_look(alice.page) == []
    await alice.page.reload()
    await expect(field).to_have_value(link.partition("=")[2])
    await alice.creates_an_account()
    assert not any(link.partition("=")[2] in line for line in alice.traffic if line.startswith("GET"))


async def test_what_a_host_has_set_is_said_on_the_page_and_what_it_removes_is_believed_only_then(
    browser: Browser, starts: Starts
) -> None:
    server = starts()
    alice, bob = await Someone.is_in(browser, server, "alice"), await Peer.arrives(server)
    await bob.starts_with(alice.search_pin)
    for text in ("old", "as old", "new"):
        await bob.writes(text)
    await alice.opens(bob.name)
    await alice.sees("old", "as old", "new")
    await expect(alice.page.get_by_text("This server removes")).to_have_count(0)
    assert server.stop() == 0
    aged = "UPDATE messages SET created_at = created_at - ? WHERE conversation_id = ? AND seq < 3"
    Hostile(server).run(aged, 31 * 86_400_000, bob.conversation)
    server.settings |= {"retention": "30"}
    server.settings |= {"registration": "closed", "server_name": "Chess <club>", "notice": "For members. Ask Ada."}
    server.start()
    await until(lambda: _is_empty(bob, 2))
    await alice.page.reload()
    await alice.sees("2 messages were removed by the host.", "new")
    sentence = alice.page.get_by_text("This server removes every message 30 days after it was sent.")
    await expect(sentence).to_be_visible()
    await alice.page.emulate_media(reduced_motion="reduce")  # colors change at once
    assert await faults_in_every_look(alice.page) == []
    again = await Someone.arrives(browser, server, "alice")
    await expect(again.page.get_by_role("heading", name="Chess <club>")).to_be_visible()
    await expect(again.page.get_by_text("For members. Ask Ada.")).to_be_visible()
    await expect(again.page.get_by_text("This server is not accepting new accounts.")).to_be_visible()
    await expect(again.page.get_by_role("button", name="Create account")).to_have_count(0)
    await expect(again.page.get_by_text("This server removes every message 30 days after")).to_be_visible()
    assert await faults_in_every_look(again.page) == []
    again.login_pin, again.search_pin = alice.login_pin, alice.search_pin
    await again.logs_in()  # still possible
    assert server.stop() == 0
    server.settings |= {"retention": "0"}
    server.start()
    await alice.page.reload()
    await alice.sees(*["The server does not hand over this message."] * 2, "new")
    await expect(alice.page.get_by_text("does not hand over 2 messages")).to_be_visible()
    await bob.leaves()


async def _is_empty(peer: Peer, count: int) -> bool:
    return [row["gone"] for row in await peer.rows()][:count] == ["retention"] * count


async def test_the_doctor_page_is_accessible(browser: Browser, home: Home) -> None:
    settings = environment(EZDMS_DATA_DIR=str(home.server.data_dir))
    process = launch("doctor", "--page", "--port", "0", env=settings, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().split()[-1]
        operator = await Someone.arrives(browser, home.server, "operator", address)
        await expect(operator.page.get_by_role("heading", name="Server check")).to_be_visible()
        await expect(operator.page.get_by_text("no damage found")).to_be_visible()
        assert await faults_in_every_look(operator.page) == []
        assert operator.errors == []
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


async def test_a_message_to_a_full_disk_waits_says_why_and_is_sent_once_there_is_room(
    browser: Browser, starts: Starts, small_disk: Path
) -> None:
    server = starts(small_disk)
    alice, bob = await Someone.is_in(browser, server, "alice"), await Peer.arrives(server)
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    said(operate(server.data_dir, "users", "--json"))
    fill(small_disk / "ballast")
    count = 0
    state = alice.page.get_by_text("Not sent yet. The server cannot store anything right now.")
    while not await state.is_visible():  # allocated pages still have room
        count += 1
        await alice.writes(f"message {count}")
        await expect(alice.page.locator(".message.pending [role=status]").last).not_to_have_text("Sending…")
    await expect(alice.page.get_by_role("button", name="Try again")).to_be_visible()
    (small_disk / "ballast").unlink()
    await alice.page.get_by_role("button", name="Try again").click()
    await bob.sees(*(f"message {i}" for i in range(1, count + 1)))
    await bob.leaves()


BELOW_A_PATH = """
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 "another site"; }}
    location /chat/ {{ proxy_pass {url}{stripped}; }}
    {more}
  }}
"""


async def test_below_a_path_the_page_says_that_it_needs_a_host_name_of_its_own(
    browser: Browser, home: Home, tmp_path: Path
) -> None:
    url = home.server.url
    kept, stripped, whole = free_ports(3)
    files = f"location /static/ {{ proxy_pass {url}; }}"
    site = BELOW_A_PATH.format(port=kept, url=url, stripped="", more="")
    site += BELOW_A_PATH.format(port=stripped, url=url, stripped="/", more="")
    site += BELOW_A_PATH.format(port=whole, url=url, stripped="/", more=files)
    nginx = NginxProcess(tmp_path / "nginx", site, kept, stripped, whole)
    page = await browser.new_page()
    try:
        nginx.start()
        for port in (kept, stripped, whole):
            await page.goto(f"http://127.0.0.1:{port}/chat/")
            said = page.get_by_text("EZ-DMS needs a host name of its own").or_(page.get_by_text("it needs a host name"))
            await expect(said).to_be_visible()
        await expect(page.get_by_role("alert")).to_contain_text("It does not work below a path")
        await expect(page.get_by_role("button", name="Create account")).to_be_disabled()
    finally:
        nginx.stop()
