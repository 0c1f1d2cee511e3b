"""Startup and shutdown of `ezdms open`: addresses, releases, changed servers, the browser, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from ezdms import PROTOCOL, __version__, crypto
from ezdms.opened import asking
from tests.browser.lies.liar import Answer, Change, Liar
from tests.conftest import Server
from tests.opened.opening import Opening, Visit, newcomer, run_open


def test_invalid_addresses_are_rejected(truth: Server, tmp_path: Path) -> None:
    ours = ["--server", truth.url]
    for flags, code, words in [
        ([], 2, "Which server?"),
        (["--server", "chat.example.org"], 2, "not a server address"),
        (["--server", "ftp://chat.example.org"], 2, "not a server address"),
        (["--server", "http://["], 2, "not a server address"),
        (["--server", "https://me:pin@chat.example.org"], 2, "not a server address"),
        (["--server", "https://chat.example.org/#add=x"], 2, "not a server address"),
        (["--server", "https://ch\u00e4t.example.org"], 2, "Write it in ASCII"),
        (["--server", "https://chat\x1b[31m.example.org"], 2, "not a server address"),
        (["--server", "http://chat.example.org"], 2, "anyone in between could log in as you"),
        (["--server", "http://localhost.example.org"], 2, "anyone in between could log in as you"),
        (["--server", "http://127.0.0.1.example.org"], 2, "anyone in between could log in as you"),
        (["--server", "http://127.0.0.1:1"], 4, "cannot be reached. Check the address, its certificate"),
        (["--server", "https://nobody.invalid"], 4, "cannot be reached. Check the address, its certificate"),
        ([*ours, "--port", str(truth.port)], 1, "Choose another with --port"),
        ([*ours, "--port", "65536"], 2, "65536"),
    ]:
        ended = run_open("--home", str(tmp_path / "home"), *flags)
        assert (ended.returncode, words in ended.stderr) == (code, True), (flags, ended.stderr)
        assert (ended.stdout, "Traceback" in ended.stderr, "\x1b" in ended.stderr) == ("", False, False)


def changed(**members: object) -> Change:
    """A lie: change these members of /deployment."""

    def lie(answer: Answer) -> None:
        answer.text = json.dumps(json.loads(answer.text) | members)

    return lie


async def opens(server: str, home: Path, *flags: str, **more: str) -> tuple[int, str]:
    """Run `ezdms open` where it fails to start; returns its exit code and standard error."""
    ended = await asyncio.to_thread(run_open, "--server", server, "--home", str(home), *flags, **more)
    assert (ended.stdout, "Traceback" in ended.stderr, "\x1b" in ended.stderr) == ("", False, False)
    return ended.returncode, ended.stderr


async def test_a_different_release_is_reported_with_instructions(liar: Liar, tmp_path: Path) -> None:
    with liar.lying("GET /deployment", changed(version="9.8.7")):
        code, said = await opens(liar.url, tmp_path)
        assert (code, "runs EZ-DMS 9.8.7" in said, f"{__version__} is installed" in said) == (1, True, True)
        assert "Install 9.8.7" in said
        opening = Opening(liar.url, tmp_path, "--any-release")
        await asyncio.to_thread(opening.start)
        assert "Warning: " in opening.log.read_text()
        async with Visit(opening) as visit:
            assert (await visit.opens("/")).status_code == 200
        await asyncio.to_thread(opening.end)


INCOMPATIBLE: list[dict[str, object]] = [
    {"protocol": "ezdms/2"},
    {"protocol": None},
    {"version": "\x1b[31m1.0"},
    {"version": 1},
    {"version": "1"},
    {"deployment_id": "x"},
    {"deployment_id": None},
]


async def test_incompatible_servers_are_rejected(liar: Liar, tmp_path: Path) -> None:
    for members in INCOMPATIBLE:
        with liar.lying("GET /deployment", changed(**members)):
            code, said = await opens(liar.url, tmp_path)
            assert (code, "does not answer like an EZ-DMS server. Check the address." in said) == (1, True), said


async def test_other_web_servers_are_rejected(liar: Liar, tmp_path: Path) -> None:
    for status in (200, 302, 404, 500):

        def lie(answer: Answer, status: int = status) -> None:
            answer.status, answer.text = status, "<h1>\x1b[31mHello</h1>"
            answer.set("location", "/elsewhere")

        with liar.lying("GET /deployment", lie):
            code, said = await opens(liar.url, tmp_path)
            assert code in (1, 4), status  # 4: what a network may have answered itself counts as no connection
            assert "Check the address" in said, status


async def test_a_changed_server_must_be_trusted_first(liar: Liar, truth: Server, tmp_path: Path) -> None:
    with Opening(truth.url, tmp_path) as opening:
        pass
    code, said = await opens(liar.url, opening.home)  # it claims the id of the known server
    assert (code, f"the one you know as {truth.url}" in said) == (1, True), said
    with liar.lying("GET /deployment", changed(deployment_id="A" * 22)):
        trusting = Opening(liar.url, tmp_path, "--trust-server")
        await asyncio.to_thread(trusting.start)
        await asyncio.to_thread(trusting.end)
    code, said = await opens(liar.url, opening.home)
    assert (code, "A different server than before" in said) == (1, True), said


def test_only_the_registration_mode_the_retention_and_the_file_limit_are_taken_from_the_server(tmp_path: Path) -> None:
    words = {"server_name": "Evil Club", "notice": "Type your PIN at evil.example"}
    server = Server(tmp_path, registration="invite", retention="30", max_file="5MiB", **words)
    server.start()
    with Opening(server.url, tmp_path) as opening:
        page, deployment = asyncio.run(front_of(opening))
    server.kill()
    assert 'data-registration="invite"' in page
    assert 'data-retention="30"' in page
    assert f'data-server="{server.url}"' in page
    assert "evil" not in page.lower()
    assert set(deployment) == {"protocol", "deployment_id", "version", "max_file"}
    assert deployment["max_file"] == 5 * 1024 * 1024


async def front_of(opening: Opening) -> tuple[str, dict[str, Any]]:
    """The HTML of the front page, and what the page is told of the server."""
    async with Visit(opening) as visit:
        return (await visit.opens("/")).text, (await visit.asks("/deployment")).json()


@pytest.mark.parametrize(
    ("said", "most"), [(0, 0), (1000, 1000), (crypto.LARGEST_FILE + 1, None), (-1, None), ("5", None), (True, None)]
)
def test_a_file_limit_that_is_none_is_the_one_of_the_release(said: Any, most: int | None) -> None:
    answer = {"protocol": PROTOCOL, "deployment_id": "A" * 22, "version": "1.0.0", "max_file": said}
    assert asking._read("server", answer).max_file == (crypto.LARGEST_FILE if most is None else most)
    del answer["max_file"]
    assert asking._read("server", answer).max_file == crypto.LARGEST_FILE


def test_the_browser_is_opened_at_the_first_address(truth: Server, tmp_path: Path) -> None:
    browser, went = tmp_path / "browser", tmp_path / "went"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {went}.part && mv {went}.part {went}\n')
    browser.chmod(0o700)
    with Opening(truth.url, tmp_path, BROWSER=str(browser)) as opening:
        deadline = time.monotonic() + 20
        while not went.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert went.read_text() == opening.first


def test_each_run_has_its_own_port_and_secret(truth: Server, tmp_path: Path) -> None:
    with Opening(truth.url, tmp_path) as one, Opening(truth.url, tmp_path) as other:
        assert one.port != other.port
        assert one.secret != other.secret
    with Opening(truth.url, tmp_path, "--port", str(one.port)) as again:
        assert again.port == one.port
        assert again.secret != one.secret


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_within_seconds(truth: Server, tmp_path: Path, how: signal.Signals) -> None:
    with Opening(truth.url, tmp_path) as opening:
        async with Visit(opening) as visit:
            await visit.registers(newcomer(), "alice")
            with socket.create_connection(("127.0.0.1", opening.port)) as idle:
                idle.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")  # and no body
                before = time.monotonic()
                assert await asyncio.to_thread(opening.end, how) == 0
                assert time.monotonic() - before < 8
    assert "Traceback" not in opening.log.read_text()
    assert opening.said.endswith("Stop it with Ctrl-C.\n")


async def test_it_stops_within_seconds_if_the_server_is_unreachable(server: Server, tmp_path: Path) -> None:
    with Opening(server.url, tmp_path) as opening:
        async with Visit(opening) as visit:
            await visit.registers(newcomer(), "alice")
            server.stop()
            before = time.monotonic()
            assert await asyncio.to_thread(opening.end) == 0
            assert time.monotonic() - before < 8
    assert "Traceback" not in opening.log.read_text()


async def test_its_sessions_are_logged_out_at_the_server(liar: Liar, tmp_path: Path) -> None:
    opening = Opening(liar.url, tmp_path)
    await asyncio.to_thread(opening.start)
    async with Visit(opening) as one, Visit(opening) as other:
        await one.registers(newcomer(), "alice")
        await other.registers(newcomer(), "bob")
        await other.asks("/logout", {})
    since = len(liar.heard)
    assert await asyncio.to_thread(opening.end) == 0
    assert [one.split(" HTTP")[0] for one in liar.heard[since:]] == ["POST /logout"]
