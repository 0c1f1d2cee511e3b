"""The bridge refuses programs without the token, web pages, other machines, and other users of this machine."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import Server
from tests.support.bridged import Bridge, User, run_bridge

PAGE = "https://page.example"
FRIEND = "https://friend.example"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(params=["token", "no token"], scope="module", loop_scope="module")
async def bridge(
    request: pytest.FixtureRequest, shared_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bridge]:
    """A running bridge with one allowed origin. Web pages are refused with and without a token."""
    flags = ["--no-token"] if request.param == "no token" else []
    folder = tmp_path_factory.mktemp("bridge") / "bridge"
    async with Bridge(shared_server.url, folder, "--allow-origin", FRIEND, *flags) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(bridge: Bridge) -> User:
    """A logged-in user."""
    return await bridge.user("alice")


REFUSED = [
    {"Origin": PAGE},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": f"{FRIEND}.page.example"},
    {"Origin": "http://friend.example"},
    {"Origin": "http://127.0.0.1:5001"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": PAGE, "Sec-Fetch-Site": "none"},
    {"Host": "page.example"},
    {"Host": "page.example:5001"},
    {"Host": "127.0.0.1.page.example"},
    {"Host": "localhost.page.example"},
    {"Host": "page.example@127.0.0.1"},
    {"Host": "192.168.1.1"},
    {"Host": "0.0.0.0:5001"},
    {"Host": "127.0.0.1:port"},
    {"Host": "page.example", "Origin": FRIEND},
]


async def test_requests_from_web_pages_are_refused(bridge: Bridge, alice: User) -> None:
    for headers in REFUSED:
        for method, path, fields in [
            ("GET", "/ping", None),
            ("GET", f"/conversations/{alice.user_id}", None),
            ("POST", "/register", {"username": "mallory"}),
            ("POST", "/login", {"login_pin": alice.pin}),
            ("OPTIONS", "/login", None),
            ("HEAD", "/ping", None),
        ]:
            answer = await bridge.http.request(
                method,
                bridge.url + path,
                data=fields,
                headers=bridge.proof | headers,  # even with the token
            )
            assert answer.status_code == 403, (headers, method, path)
            assert not [name for name in answer.headers if name.startswith("access-control-")] or FRIEND in str(headers)
    assert (await alice.contacts()) == []
    assert not list(bridge.home.glob("mallory*"))


async def test_an_allowed_origin_may_send_requests(bridge: Bridge, alice: User) -> None:
    wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    asked = {"Origin": FRIEND, "Sec-Fetch-Site": "cross-site"}
    allowed = await bridge.http.options(f"{bridge.url}/send_message", headers=asked | wish)
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["Access-Control-Allow-Origin"] == FRIEND
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert allowed.headers["Vary"] == "Origin"
    for origin in (PAGE, "null"):
        refused = await bridge.http.options(f"{bridge.url}/send_message", headers=asked | wish | {"Origin": origin})
        assert refused.status_code == 403
    answer = await bridge.ask(f"/conversations/{alice.user_id}", Origin=FRIEND)
    assert (answer.json(), answer.headers["Access-Control-Allow-Origin"]) == ([], FRIEND)
    unknown = await bridge.ask("/login", {"login_pin": "x"}, Origin=FRIEND)
    assert (unknown.status_code, unknown.headers["Access-Control-Allow-Origin"]) == (401, FRIEND)


async def test_every_name_of_localhost_is_accepted(bridge: Bridge) -> None:
    for host in ("127.0.0.1", "localhost", "LocalHost:1", "[::1]:5001", f"127.0.0.1:{bridge.port}"):
        assert (await bridge.ask("/ping", Host=host)).json() == {"status": "ok"}


async def test_requests_without_the_token_are_refused(shared_server: Server, tmp_path: Path) -> None:
    async with Bridge(shared_server.url, tmp_path / "bridge") as bridge:
        alice = await bridge.user("alice")
        wrong = bridge.token[:-1] + ("A" if bridge.token[-1] != "A" else "B")
        for given in ("", "Bearer", f"Bearer {wrong}", f"Basic {bridge.token}", bridge.token, "Bearer \u00e9"):
            for path, fields in [
                (f"/conversations/{alice.user_id}", None),
                (f"/conversations/{alice.user_id}?token={bridge.token}&access_token={bridge.token}", None),
                (f"/messages/x?user_id={alice.user_id}", None),
                ("/register", {"username": "mallory"}),
                ("/register", {"username": "mallory", "token": bridge.token, "access_token": bridge.token}),
                ("/login", {"login_pin": alice.pin}),
                ("/start_conversation", {"user_id": alice.user_id, "partner_search_pin": alice.search_pin}),
                ("/send_message", {"conversation_id": "x", "sender_id": alice.user_id, "content": "x"}),
                ("/messages_decrypted", {"conversation_id": "x", "user_id": alice.user_id, "login_pin": alice.pin}),
                ("/nothing", None),
            ]:
                answer = await bridge.http.request(
                    "GET" if fields is None else "POST",
                    bridge.url + path,
                    data=fields,
                    headers=[(b"Authorization", given.encode("latin-1"))] if given else [],
                )
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), (given, path)
                assert alice.user_id not in answer.text
        assert (await bridge.ask("/ping", Authorization="")).json() == {"status": "ok"}
        twice = [("Authorization", f"Bearer {bridge.token}")] * 2
        assert (await bridge.http.get(f"{bridge.url}/conversations/x", headers=twice)).status_code == 401
        assert not list(bridge.home.glob("mallory*"))


async def test_websocket_upgrades_are_refused(bridge: Bridge) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as raw:
        raw.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Authorization: Bearer " + bridge.token.encode() + b"\r\n\r\n"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


async def test_malformed_requests_are_refused(bridge: Bridge) -> None:
    for lines in (
        b"GET /ping HTTP/1.0\r\n\r\n",  # no Host
        b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: page.example\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /ping?\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://page.example/ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as raw:
            raw.sendall(lines)
            assert raw.recv(4096)[:10] in (b"HTTP/1.1 4", b"HTTP/1.0 4"), lines
    assert (await bridge.ask("/ping")).status_code == 200
    assert "Traceback" not in bridge.log.read_text()


async def test_every_response_has_security_headers_and_no_server_header(bridge: Bridge) -> None:
    for answer in [
        await bridge.ask("/ping"),
        await bridge.ask("/nothing"),
        await bridge.ask("/ping", Origin=PAGE),
        await bridge.ask("/login", {"login_pin": "x"}),
    ]:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Server" not in answer.headers
        assert "Set-Cookie" not in answer.headers


async def test_the_bridge_refuses_to_bind_other_addresses(shared_server: Server, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.1", "chat.example.org", ""):  # noqa: S104
        ended = run_bridge("--server", shared_server.url, "--home", str(tmp_path), "--port", "0", "--host", host)
        assert (ended.returncode, "plain text" in ended.stderr) == (1, True)


async def test_it_listens_on_localhost_only(bridge: Bridge) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert f"0100007F:{bridge.port:04X}" in listening
    assert f"00000000:{bridge.port:04X}" not in listening
    everywhere = Path("/proc/net/tcp6")
    assert not everywhere.exists() or f":{bridge.port:04X} " not in everywhere.read_text()


def ps_output() -> str:
    """What every user of the machine can see."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


async def test_the_token_is_printed_once_and_appears_nowhere_else(shared_server: Server, tmp_path: Path) -> None:
    bridge = Bridge(shared_server.url, tmp_path / "bridge")
    bridge.is_executed = True
    async with bridge:
        await bridge.user("alice")
        assert bridge.process is not None
        process = Path(f"/proc/{bridge.process.pid}")
        seen = ps_output()
        assert "-m ezdms bridge" in seen
        for place in (seen, (process / "cmdline").read_text(), (process / "environ").read_text()):
            assert bridge.token not in place
        for path in bridge.home.iterdir():
            assert bridge.token not in path.read_text()
        first = bridge.token
        bridge.end()
        assert bridge.said.count(first) == 1
        assert first not in bridge.log.read_text()
        bridge.start()
        assert bridge.token != first
