"""What is forwarded from the server: only data of the expected type, with our own headers."""

from __future__ import annotations

import json
import re
import socket

import httpx

from ezdms.app import create_app
from ezdms.edge.headers import HEADERS
from ezdms.opened import ways
from ezdms.opened.app import Opened
from ezdms.settings import Settings
from ezdms.views import assets
from ezdms.views.page_policy import of_a_page
from ezdms.views.shells import ADDRESSES, shells
from tests.browser.lies.liar import Answer, Liar
from tests.browser.lies.peers import Peer
from tests.browser.lies.test_headers import OF_BROWSERS, OF_HTMX
from tests.conftest import ROOT, Server
from tests.opened.opening import BY_SCRIPT, Opening, Visit, newcomer
from tests.support.people import registration

EVIL = "stolen-by-the-server"
OURS = {name.lower(): value for name, value in HEADERS.items()} | {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
}
WHERE = "0" * 24
FILLED = {
    **dict.fromkeys(("<user_id>", "<session_id>", "<credential_id>", "<file_id>"), "A" * 22),
    "<conversation_id>": WHERE,
    "<path:filename>": "js/boot.js",
}
OWN = {"/ping", "/sessions", "/deployment", "/messages_decrypted"}


def filled(path: str) -> str:
    """The path of a route, with example values."""
    return re.sub("<[^>]*>", lambda match: FILLED[match[0]], path)


def test_the_ways_match_what_the_page_requests() -> None:
    asked = set()
    for path in sorted((ROOT / "ezdms" / "static" / "js").glob("*.js")):
        text = path.read_text("utf-8")
        for call, address, rest in re.findall(
            r"\b(postForm|getJson|getFragment|postForFragment|load|getPart|carry)\([\"`](/[^\"`]*)[\"`](.*)", text
        ):
            method = (
                "GET" if call in ("getJson", "getFragment", "load", "getPart") else "PUT" if '"PUT"' in rest else "POST"
            )
            path_and_query = re.sub(
                r"\$\{([^}]*)\}",
                lambda match: WHERE if "conversation" in match[1] else "A" * 22 if "Id" in match[1] else "7",
                address.replace("${where}", "before=7"),
            )
            for each in ("HEAD", "PATCH") if call == "carry" else (method,):
                asked.add((each, *path_and_query.partition("?")[::2]))
    asked.discard(("GET", "/deployment", ""))  # read at startup
    found = {one: ways.find(*one) for one in asked}
    assert [one for one, way in found.items() if way is None] == []
    assert {id(way) for way in found.values()} == {id(way) for way in ways.WAYS}


async def test_other_addresses_of_the_server_do_not_exist(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    since, asked, origin = len(liar.heard), 0, fooled.opening.origin
    of_shells = {address for addresses in ADDRESSES.values() for address in addresses}
    for rule in create_app(Settings()).url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = filled(rule.rule)
            if rule.websocket or ways.find(method, path, "") or path in of_shells or path.startswith("/static/"):
                continue
            if (method, path) == ("GET", "/deployment"):
                continue
            answer = await fooled.asks(path, None if method == "GET" else {}, method)
            assert answer.status_code in (404, 405), (method, path)
            asked += 1
    assert asked >= 3
    for path in (
        f"/messages/{WHERE}?after=1&x=1",
        f"/messages/{WHERE}?after=1&limit=1000",
        f"/messages/{WHERE}?after=%31",
        f"/messages/{WHERE.lower()}x",
        "/previews?of=",
        f"/previews?of={','.join([WHERE] * 41)}",
        "/me?x",
        "/me/",
        "/%2e%2e/me",
        "/me%00",
        "/m\u00e9",
        "/messages_decrypted",
        "/robots.txt",
        "/favicon.ico",
        "/sw.js",
        "/evil.html",
        f"/c/{WHERE[:-1]}U",
        f"/sessions/{'A' * 21}%2F/end",
    ):
        for answer in (await fooled.asks(origin + path), await fooled.opens(origin + path)):
            assert answer.status_code == 404, path
    for method in ("DELETE", "PATCH", "OPTIONS", "TRACE", "PUT"):
        assert (await fooled.asks("/me", {}, method)).status_code in (404, 405), method
    assert liar.heard[since:] == []


async def test_documents_scripts_and_styles_come_from_the_package(fooled: Visit, liar: Liar) -> None:
    def lie(answer: Answer) -> None:
        answer.text = f"<script>{EVIL}</script>"

    since = len(liar.heard)
    front = Opened(liar.url, "", "open", 0, 0).front
    with liar.lying(".*", lie):
        for name, addresses in ADDRESSES.items():
            for path in addresses:
                answer = await fooled.opens(path)
                assert (answer.status_code, answer.content) == (200, shells(front)[name].body), path
                expected = {header.lower(): value for header, value in of_a_page().items()}
                assert expected.items() <= dict(answer.headers).items()
                assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        files = [file for file in assets.FOLDER.rglob("*") if file.is_file()]
        for file in files:
            answer = await fooled.asks(assets.address_of(file.relative_to(assets.FOLDER).as_posix()))
            assert (answer.status_code, answer.content) == (200, file.read_bytes()), file
            assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert len(files) > 40
    assert liar.heard[since:] == []


OF_THE_EDGE = {
    "a document": ("Content-Type", "text/html; charset=utf-8"),
    "a script": ("Content-Type", "text/javascript"),
    "clear data": ("Clear-Site-Data", '"*"'),
    "another host": ("Alt-Svc", 'h2="evil.example:443"'),
    "refresh": ("Refresh", f"0; url=/{EVIL}"),
    "our cookie": ("Set-Cookie", "ezdms_open_1=x; Path=/"),
    "report": ("Report-To", '{"group":"x","max_age":1,"endpoints":[{"url":"https://evil.example"}]}'),
    "retry later": ("Retry-After", "100000"),
    "download": ("Content-Disposition", "attachment; filename=x.exe"),
    "rules": ("Speculation-Rules", f'"/{EVIL}"'),
    "origin trial": ("Origin-Trial", "x"),
    "server": ("Server", "x"),
}


async def test_no_server_header_reaches_the_browser(fooled: Visit, liar: Liar) -> None:
    since = len(liar.heard)
    fields = registration(newcomer(), "alice")
    account = (await fooled.asks("/register", fields)).json()
    login = {name: fields[name] for name in ("login_id", "auth_key")}
    for header, value in (OF_HTMX | OF_BROWSERS | OF_THE_EDGE).values():
        with liar.lying(".*", lambda answer, header=header, value=value: answer.set(header, value)):  # type: ignore[misc]
            assert "token" not in (await fooled.asks("/login", login)).json()
            for kind, answer in (
                ("application/json", await fooled.asks("/me")),
                ("text/plain; charset=utf-8", await fooled.asks(f"/conversations/{account['user_id']}")),
                ("application/json", await fooled.asks("/start_conversation", {"partner_search_pin": "x"})),
                (None, await fooled.asks("/logout", {})),
            ):
                assert answer.headers.pop("content-type", None) == kind, header
                assert int(answer.headers.pop("content-length", "0")) == len(answer.content)
                assert answer.headers.pop("date")
                assert dict(answer.headers) == OURS, header
    assert list(fooled.http.cookies) == [f"ezdms_open_{fooled.opening.port}"]
    assert not [one for one in liar.heard[since:] if "more=" in one]  # the server's cookie is not sent back


async def test_the_page_never_sees_the_session_token(fooled: Visit, liar: Liar) -> None:
    tokens: list[str] = []
    since = len(liar.heard)

    def note(answer: Answer) -> None:
        tokens.append(json.loads(answer.text)["token"])

    with liar.lying("POST /register", note):
        account = await fooled.registers(newcomer(), "alice")
    assert sorted(account) == ["search_pin", "user_id", "username"]
    assert len(tokens[0]) == 43
    assert tokens[0] not in fooled.cookie
    await fooled.asks("/me")
    assert f"Bearer {tokens[0]}" in liar.heard[-1]
    for asked in liar.heard[since:]:
        for name in ("cookie:", "origin:", "referer:", "sec-fetch", "accept-language", "ezdms_open", "mozilla"):
            assert name not in asked.lower()


async def test_each_account_of_a_browser_has_its_own_session_and_the_server_is_not_told_which(
    fooled: Visit, liar: Liar
) -> None:
    since = len(liar.heard)
    users = [(await fooled.registers(newcomer(), "alice"))["user_id"]]
    second = await fooled.asks("/register", registration(newcomer(), "bob"), Ezdms_Place="1")
    users.append(second.json()["user_id"])
    for place, user in enumerate(users):
        assert (await fooled.asks("/me", Ezdms_Place=str(place))).json()["user_id"] == user
    assert (await fooled.asks("/me", Ezdms_Place="2")).status_code == 401
    assert (await fooled.asks("/me", Ezdms_Place="5")).status_code == 400
    assert (await fooled.asks("/logout", {}, Ezdms_Place="1")).status_code == 204
    assert (await fooled.asks("/me", Ezdms_Place="1")).status_code == 401
    assert (await fooled.asks("/me")).json()["user_id"] == users[0]
    assert not [asked for asked in liar.heard[since:] if "ezdms-place" in asked.lower()]


async def test_data_addresses_cannot_be_opened_as_pages(fooled: Visit, liar: Liar) -> None:
    account = await fooled.registers(newcomer(), "alice")
    path = f"/conversations/{account['user_id']}"
    assert (await fooled.asks(path)).status_code == 200
    since = len(liar.heard)
    for to in ("document", "iframe", "script", "style", "image", "object", "serviceworker"):
        answer = await fooled.asks(path, Sec_Fetch_Dest=to)
        assert answer.status_code == 404, to
    assert (await fooled.opens(path)).status_code == 404
    assert liar.heard[since:] == []


async def test_an_unreachable_server_returns_502_until_it_is_back(server: Server, own: Opening) -> None:
    async with Visit(own) as visit:
        await visit.registers(newcomer(), "alice")
        server.stop()
        answer = await visit.asks("/me")
        assert (answer.status_code, answer.json()["code"]) == (502, "unreachable")
        assert (await visit.opens("/")).status_code == 200
        server.start()
        assert (await visit.asks("/me")).status_code == 200


async def test_a_later_change_of_the_deployment_id_has_no_effect(fooled: Visit, liar: Liar) -> None:
    known = (await fooled.asks("/deployment")).json()["deployment_id"]

    def lie(answer: Answer) -> None:
        answer.text = json.dumps(json.loads(answer.text) | {"deployment_id": "A" * 22})

    since = len(liar.heard)
    with liar.lying("GET /deployment", lie):
        assert (await fooled.asks("/deployment")).json()["deployment_id"] == known
    assert liar.heard[since:] == []


async def test_requests_are_limited_and_parsed_strictly(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    since = len(liar.heard)
    for status, more in (
        (413, {"data": {"x": "x" * 64 * 1024}}),
        (415, {"json": {"partner_search_pin": "x"}}),
        (415, {"files": {"x": b"x"}}),
        (400, {"content": b"x=\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}),
        (400, {"data": {f"x{i}": "" for i in range(101)}}),
    ):
        answer = await fooled.http.post("/start_conversation", **more)
        assert answer.status_code == status, more
    with socket.create_connection(("127.0.0.1", fooled.opening.port), timeout=20) as raw:  # before the body is sent
        raw.sendall(
            f"PUT /vault HTTP/1.1\r\nHost: 127.0.0.1:{fooled.opening.port}\r\nCookie: {fooled.cookie}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1884161\r\n\r\n".encode()
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")
    assert liar.heard[since:] == []


async def test_the_largest_vault_is_forwarded(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    answer = await fooled.asks("/vault", {"version": 1, "blob": "x" * 1_800_000}, "PUT")
    assert answer.status_code == 422
    assert len(liar.heard[-1]) > 1_800_000


async def test_messages_are_forwarded_unchanged(truth: Server, fooled: Visit) -> None:
    account = await fooled.registers(newcomer(), "alice")
    bob = await Peer.arrives(truth)
    where = await bob.starts_with(account["search_pin"])
    await bob.writes("hello")
    sealed = (await bob.rows())[0]["message_id"]
    pages = (f"/messages/{where}?after=0&limit=200", f"/messages/{where}?before=9")
    for path in (*pages, f"/c/{where}/open", f"/previews?of={where},{WHERE}"):
        answer = await fooled.asks(path)
        assert f'data-message-id="{sealed}"' in answer.text
    await bob.leaves()


async def test_an_upload_is_forwarded_as_it_is(truth: Server, fooled: Visit, liar: Liar) -> None:
    account = await fooled.registers(newcomer(), "alice")
    bob = await Peer.arrives(truth)
    where = await bob.starts_with(account["search_pin"])
    await fooled.asks(f"/conversations/{where}/accept", {})
    begun = await fooled.asks("/files", {"conversation_id": where, "size": 300})
    address = f"/files/{begun.json()['file_id']}"

    async def sends(offset: str, part: bytes, type: str = "application/offset+octet-stream") -> httpx.Response:
        headers = BY_SCRIPT | {"Content-Type": type, "Upload-Offset": offset}
        return await fooled.http.patch(address, content=part, headers=headers)

    whole = bytes(range(256)) + b"x" * 44
    assert (await sends("0", whole[:200])).headers["Upload-Offset"] == "200"
    since = len(liar.heard)
    for offset, part, type, status in (
        ("-1", b"x", "application/offset+octet-stream", 400),
        ("", b"x", "application/offset+octet-stream", 400),
        ("200", b"x", "application/x-www-form-urlencoded", 415),
        ("200", b"x" * (1024 * 1024 + 1), "application/offset+octet-stream", 413),
    ):
        assert (await sends(offset, part, type)).status_code == status
    assert liar.heard[since:] == []
    assert (await sends("7", whole[200:])).json()["code"] == "offset"
    asked = await fooled.http.head(address, headers=BY_SCRIPT)
    assert (asked.status_code, asked.headers["Upload-Offset"]) == (204, "200")
    assert "Upload-Length" not in asked.headers
    for offset in ("", "x", "1" * 16):
        with liar.lying(f"PATCH {address}", lambda answer, offset=offset: answer.set("Upload-Offset", offset)):  # type: ignore[misc]
            assert (await sends("200", b"")).json()["code"] == "odd"
    assert (await sends("200", whole[200:])).headers["Upload-Offset"] == "300"
    assert (await fooled.http.head("/files/" + "A" * 22, headers=BY_SCRIPT)).status_code == 404
    await bob.leaves()
