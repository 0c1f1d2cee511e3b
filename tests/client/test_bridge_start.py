"""How a bridge starts and stops: addresses, token files, an unreachable server, signals."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.support.bridged import Bridge, run_bridge


async def test_an_unreachable_server_at_startup_is_a_warning(server: Server, tmp_path: Path) -> None:
    server.stop()
    async with Bridge(server.url, tmp_path / "bridge") as bridge:
        async with asyncio.timeout(20):
            while "cannot be reached" not in bridge.log.read_text():
                await bridge.get("/ping")
        server.start()
        assert (await bridge.user("alice")).user_id


async def test_a_token_file_is_created_owner_only_and_reused(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "token"
    async with Bridge(server.url, tmp_path / "bridge", "--token-file", str(path)) as bridge:
        bridge.token = path.read_text().strip()
        assert len(bridge.token) == 43
        assert path.stat().st_mode & 0o777 == 0o600
        assert bridge.token not in bridge.said
        assert str(path) in bridge.said
        await bridge.user("alice")
        bridge.end()
        bridge.start()
        assert path.read_text().strip() == bridge.token
        assert (await bridge.ask("/conversations/x")).json()["error"].startswith("This user is not logged in")


def test_an_insecure_or_unusable_token_file_is_refused(shared_server: Server, tmp_path: Path) -> None:
    open_to_all, empty, link, folder = (tmp_path / name for name in ("open", "empty", "link", "folder"))
    open_to_all.write_text("A" * 43)
    open_to_all.chmod(0o644)
    empty.touch(0o600)
    secret = tmp_path / "secret"
    secret.write_text("A" * 43)
    secret.chmod(0o600)
    link.symlink_to(secret)
    folder.mkdir()
    for path, words in [
        (open_to_all, "Other users can access"),
        (empty, "no token in"),
        (link, "cannot be read"),
        (tmp_path / "missing" / "token", "cannot be written"),
    ]:
        flags = ["--server", shared_server.url, "--home", str(tmp_path / "home"), "--port", "0"]
        ended = run_bridge(*flags, "--token-file", str(path))
        assert (ended.returncode, words in ended.stderr) == (1, True), ended.stderr
        assert "Traceback" not in ended.stderr


async def test_running_without_a_token_logs_a_warning(server: Server, tmp_path: Path) -> None:
    async with Bridge(server.url, tmp_path / "bridge", "--no-token") as bridge:
        assert (await bridge.ask("/conversations/x", Authorization="")).json()["error"].startswith("This user")
        assert "Every program and every user of this machine" in bridge.log.read_text()
        assert bridge.end() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_within_seconds(server: Server, tmp_path: Path, how: signal.Signals) -> None:
    async with Bridge(server.url, tmp_path / "bridge") as bridge:
        alice = await bridge.user("alice")
        with socket.create_connection(("127.0.0.1", bridge.port)) as idle:
            idle.sendall(b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n")  # and no body
            server.stop()
            waiting = asyncio.create_task(bridge.ask(f"/conversations/{alice.user_id}"))
            await bridge.get("/ping")
            before = time.monotonic()
            assert await asyncio.to_thread(bridge.end, how) == 0
            assert time.monotonic() - before < 6
            await asyncio.gather(waiting, return_exceptions=True)
    assert "Traceback" not in bridge.log.read_text()


def test_invalid_addresses_are_rejected(shared_server: Server, tmp_path: Path) -> None:
    ours = ["--server", shared_server.url, "--home", str(tmp_path), "--port"]
    for flags, code, words in [
        ([*ours, str(shared_server.port)], 1, "Choose another with --port"),
        (["--server", "chat.example.org"], 2, "not a server address"),
        (["--server", "ftp://chat.example.org"], 2, "not a server address"),
        (["--server", "http://["], 2, "not a server address"),
        (["--server", "https://me:pin@chat.example.org"], 2, "not a server address"),
        (["--server", "https://chat.example.org/path"], 2, "not a server address"),
        (["--server", "http://chat.example.org"], 2, "use https"),
        ([], 2, "Which server?"),
        ([*ours, "0", "--no-token", "--token-file", str(tmp_path / "token")], 2, "not both"),
    ]:
        ended = run_bridge(*flags)
        assert (ended.returncode, words in ended.stderr) == (code, True), ended.stderr
        assert "Traceback" not in ended.stderr
