"""Access control: only a browser that opened the first address gets responses, and only for its own page."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx

from ezdms.opened.visitors import MOST
from tests.client.test_bridge_outsiders import ps_output
from tests.conftest import Server
from tests.opened.opening import BY_HAND, BY_SCRIPT, Opening, Visit, newcomer
from tests.support.served import upgrade

PATHS = ("/", "/protection", "/deployment", "/me", "/static/icon.svg", "/nothing", "/open/")


async def test_the_secret_is_exchanged_for_a_cookie_and_stored_nowhere(opened: Opening) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(opened.first, headers=BY_HAND)
    assert (answer.status_code, answer.headers["Location"], answer.content) == (303, "/", b"")
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    pair, *flags = answer.headers["Set-Cookie"].split("; ")
    assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    name, _, value = pair.partition("=")
    assert (name, len(value), value == opened.secret) == (f"ezdms_open_{opened.port}", 43, False)
    async with Visit(opened) as visit:
        again = await visit.http.get(opened.first, headers=BY_HAND)
        assert (again.status_code, "Set-Cookie" in again.headers) == (303, False)
        assert (await visit.opens("/")).status_code == 200
    assert opened.secret not in opened.log.read_text()
    assert opened.secret not in ps_output()
    assert sorted(path.name for path in opened.home.iterdir()) == ["known_servers", "known_servers.lock"]


async def test_requests_without_the_cookie_are_refused(opened: Opening) -> None:
    async with Visit(opened) as visit:
        assert (await visit.opens("/")).status_code == 200
        right = visit.cookie
    other = right[:-1] + ("A" if right[-1] != "A" else "B")
    async with httpx.AsyncClient(trust_env=False) as http:
        for cookie in ("", other, right.replace("ezdms_open", "ezdms"), f"{right}; {right}", f"{other}; {right}"):
            for path in (*PATHS, f"/open/{opened.secret[:-1]}", f"/open/{opened.secret}/", "/open/%C3%A9"):
                for headers in (BY_HAND, BY_SCRIPT, {}):
                    given = headers | ({"Cookie": cookie} if cookie else {})
                    answer = await http.get(opened.origin + path, headers=given)
                    found = (answer.status_code, "printed when it started" in answer.text)
                    assert found == (403, True), (path, cookie)
                    assert "Set-Cookie" not in answer.headers
                    assert answer.headers["Content-Type"].startswith(("text/plain", "application/json"))
        assert (await http.post(opened.first)).status_code == 403


async def test_another_host_is_refused(opened: Opening) -> None:
    port = opened.port
    async with Visit(opened) as visit:
        for host in (f"localhost:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"page.example:{port}", "[::1]", "x"):
            answer = await visit.asks("/me", Host=host)
            assert (answer.status_code, "only available at" in answer.text) == (403, True), host
        assert (await visit.asks("/deployment")).status_code == 200


async def test_requests_from_other_pages_are_refused(opened: Opening) -> None:
    port = opened.port
    async with Visit(opened) as visit:
        for origin in (
            "https://page.example",
            "null",
            f"http://localhost:{port}",
            f"https://127.0.0.1:{port}",
            f"http://127.0.0.1:{port + 1}",
            "http://127.0.0.1",
        ):
            for path, fields in (("/", None), ("/deployment", None), ("/logout", {}), ("/open/x", None)):
                answer = await visit.asks(path, fields, Origin=origin)
                assert (answer.status_code, "another web page" in answer.text) == (403, True), (origin, path)
                assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        for site in ("cross-site", "same-site"):  # another port of localhost is the same site
            for headers in ({"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}, {}):
                for path in ("/", "/me", "/static/icon.svg", f"/open/{opened.secret}"):
                    answer = await visit.asks(path, None, "", Sec_Fetch_Site=site, **headers)
                    assert (answer.status_code, "another web page" in answer.text) == (403, True), (site, path)


async def test_a_planted_cookie_is_useless_after_login(opened: Opening) -> None:
    async with Visit(opened) as visit:
        before = visit.cookie
        account = await visit.registers(newcomer(), "alice")
        assert visit.cookie != before
        assert (await visit.asks("/me")).json()["user_id"] == account["user_id"]
        async with httpx.AsyncClient(trust_env=False) as thief:
            for path in ("/me", "/"):
                answer = await thief.get(opened.origin + path, headers=BY_SCRIPT | {"Cookie": before})
                assert answer.status_code == 403


async def test_websockets_require_the_pages_origin_and_cookie(opened: Opening) -> None:
    async with Visit(opened) as visit:
        await visit.registers(newcomer(), "alice")
        right = {"Host": f"127.0.0.1:{opened.port}", "Origin": opened.origin, "Cookie": visit.cookie}
        right |= {"Sec-WebSocket-Protocol": "", "Authorization": ""}
        for missing in ("Origin", "Cookie", "nothing"):
            with socket.create_connection(("127.0.0.1", opened.port), timeout=20) as raw:
                raw.sendall(upgrade("", **right | {missing: ""}))
                answer = await asyncio.to_thread(raw.recv, 4096)  # in a thread, because the liar runs in this one
            assert answer.startswith(b"HTTP/1.1 101" if missing == "nothing" else b"HTTP/1.1 403"), (missing, answer)


async def test_two_browsers_have_separate_sessions(opened: Opening) -> None:
    async with Visit(opened) as one, Visit(opened) as other:
        alice = await one.registers(newcomer(), "alice")
        bob = await other.registers(newcomer(), "bob")
        for _ in range(2):
            assert (await one.asks("/me")).json()["user_id"] == alice["user_id"]
            assert (await other.asks("/me")).json()["user_id"] == bob["user_id"]
        assert (await one.asks("/logout", {})).status_code == 204
        assert (await one.asks("/me")).status_code == 401
        assert (await other.asks("/me")).status_code == 200
    async with Visit(opened) as third:
        assert (await third.asks("/me")).status_code == 401


async def test_another_login_ends_the_previous_session(truth: Server, opened: Opening) -> None:
    count = "SELECT count(*) FROM sessions"
    with closing(sqlite3.connect(truth.data_dir / "ezdms.db")) as database:
        (before,) = database.execute(count).fetchone()
        async with Visit(opened) as visit:
            await visit.registers(newcomer(), "alice")
            bob = await visit.registers(newcomer(), "bob")
            assert (await visit.asks("/me")).json()["user_id"] == bob["user_id"]
        assert database.execute(count).fetchone() == (before + 1,)


async def test_opening_the_first_address_repeatedly_logs_nobody_out(opened: Opening) -> None:
    async with Visit(opened) as visit, Visit(opened) as waiting:
        account = await visit.registers(newcomer(), "alice")
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(MOST):
                assert (await http.get(opened.first, headers=BY_HAND)).status_code == 303
                http.cookies.clear()
        assert (await visit.asks("/me")).json()["user_id"] == account["user_id"]
        assert (await waiting.opens("/")).status_code == 403  # the oldest one without a session


def test_it_listens_on_localhost_only(opened: Opening) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert f"0100007F:{opened.port:04X}" in listening
    assert f"00000000:{opened.port:04X}" not in listening
    everywhere = Path("/proc/net/tcp6")
    assert not everywhere.exists() or f":{opened.port:04X} " not in everywhere.read_text()
