"""Security headers, cross-site requests, and escaping of names and texts."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.testing.connections import WebsocketResponseError

from ezdms.app import create_app
from ezdms.models.conversation import Conversation, Line
from ezdms.models.message import Message
from ezdms.models.session import Device, Session
from ezdms.models.signal import Signal
from ezdms.settings import Settings, parse_proxies
from ezdms.views import assets, fragments, shells
from tests.support.people import JSON, PEOPLE, Person

OF_A_PAGE = (
    "default-src 'none'; script-src HASHES; worker-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' blob:; media-src blob:; connect-src 'self'; manifest-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types ezdms"
)
OF_DATA = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HASH = "'sha256-[A-Za-z0-9+/]{43}='"


@pytest.mark.parametrize("path", ["/", "/protection", "/ping", "/c/x", "/nowhere", "/static/js/boot.js"])
async def test_every_answer_has_the_security_headers(app: Quart, path: str) -> None:
    response = await app.test_client().get(path)
    is_page = path in ("/", "/protection")
    (policy,) = response.headers.getlist("Content-Security-Policy")
    assert re.sub(f"{HASH}( {HASH})+", "HASHES", policy) == (OF_A_PAGE if is_page else OF_DATA)
    assert response.headers.get("Integrity-Policy") == ("blocked-destinations=(script)" if is_page else None)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in response.headers
    is_asked_about = path.startswith("/static") or path in ("/", "/protection")
    assert response.headers["Cache-Control"] == ("no-cache" if is_asked_about else "no-store")


async def test_the_headers_of_a_page_fit_into_the_4_kb_that_nginx_accepts_by_default(app: Quart) -> None:
    headers = (await app.test_client().get("/")).headers
    until = "Expires=Thu, 01 Jan 2026 00:00:00 GMT"
    cookie = len(f"Set-Cookie: __Host-ezdms_session_4=; Secure; HttpOnly; Path=/; SameSite=Lax; {until}")
    assert sum(len(f"{name}: {value}\r\n") for name, value in headers) + cookie + 43 < 4096 - 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:81"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_site_cannot_post_as_the_user(alice: Person, headers: dict[str, str]) -> None:
    cookie = {"Cookie": f"ezdms_session={alice.account['token']}", **JSON}
    response = await alice.client.post("/logout", headers=cookie | headers)
    assert (response.status_code, (await response.get_json())["code"]) == (403, "foreign_origin")
    assert (await alice.client.get(f"/conversations/{alice.user_id}", headers=cookie)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "https://localhost"},  # TLS ends at a proxy that does not announce it
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ],
)
async def test_the_site_itself_and_programs_can_post(alice: Person, headers: dict[str, str]) -> None:
    cookie = {"Cookie": f"ezdms_session={alice.account['token']}", **JSON}
    assert (await alice.client.post("/logout", headers=cookie | headers)).status_code == 204


@pytest.mark.parametrize("path", ["/sessions/end_others", "/ws"])
async def test_a_plain_http_page_on_the_same_host_cannot_use_a_tls_session(tmp_path: Path, path: str) -> None:
    app = create_app(Settings(data_dir=tmp_path, trusted_proxies=parse_proxies("10.0.0.1")))
    async with app.test_app():
        alice = await Person(app, PEOPLE["alice"], "alice").register()
        cookie = f"__Host-ezdms_session={alice.account['token']}"
        for origin, status in (("http://chat.example", 403), ("https://chat.example", 101 if path == "/ws" else 200)):
            headers = {"Host": "chat.example", "X-Forwarded-Proto": "https", "Cookie": cookie, "Origin": origin}
            assert await status_of(app, path, headers, {"client": ("10.0.0.1", 50_000)}) == status


async def status_of(app: Quart, path: str, headers: dict[str, str], scope: dict[str, Any]) -> int:
    """The status of a POST, or of opening the WebSocket."""
    client = app.test_client(use_cookies=False)
    if path != "/ws":
        return (await client.post(path, headers=headers | JSON, scope_base=scope)).status_code
    try:
        async with client.websocket(
            path, headers=headers, scope_base=scope | {"subprotocols": ["ezdms.json"]}
        ) as opened:
            await opened.receive()
    except WebsocketResponseError as refused:
        return refused.response.status_code
    return 101


async def test_an_origin_allowed_by_the_operator_can_post(tmp_path: object) -> None:
    settings = Settings.load({"EZDMS_ALLOWED_ORIGINS": "https://chat.example", "EZDMS_DATA_DIR": str(tmp_path)})
    app = create_app(settings)
    async with app.test_app():
        headers = {"Origin": "https://chat.example", **JSON}
        response = await app.test_client().post("/login", form={}, headers=headers)
        assert response.status_code == 400


HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}</template><script>alert(1)</script>"


def hostile_pages() -> dict[str, str]:
    """Every page and fragment, rendered with hostile text only."""
    session = Session(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0, 0, 0)
    devices = [Device(name, HOSTILE, HOSTILE, 0, 0) for name in (HOSTILE, "another")]
    conversation = Conversation(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0, 1, 0, 1)
    message = Message(HOSTILE, HOSTILE, 1, HOSTILE, 0, 1, 1, HOSTILE, HOSTILE)
    line = Line(HOSTILE, HOSTILE, 1, 0, 1)
    host = dict.fromkeys(("name", "notice", "registration", "retention"), HOSTILE)
    return {
        **{name: shell.body.decode() for name, shell in shells.shells(host).items()},
        "missing": shells.missing(418).decode(),
        "device_list": fragments.device_list(session, devices),
        "alert": fragments.alert(HOSTILE),
        "notice": fragments.notice(HOSTILE),
        "account": fragments.account(HOSTILE, HOSTILE),
        "conversation_list": fragments.conversation_list([conversation]),
        "conversation_item": fragments.conversation_item(conversation),
        "message_list": fragments.message_list([message], user_id="x", older_than=5),
        "thread": fragments.thread(conversation, [message], message, user_id="x"),
        "message_arrived": fragments.message_arrived(message, line, "x"),
        "preview_list": fragments.preview_list([message], user_id="x"),
        "conversation_changed": fragments.conversation_changed(line, message, "x"),
        "signal_arrived": fragments.signal_arrived(HOSTILE, HOSTILE, HOSTILE),
        "signal_list": fragments.signal_list(HOSTILE, [Signal(HOSTILE, HOSTILE, HOSTILE, 0)]),
        "vault_stored": fragments.vault_stored(HOSTILE),  # type: ignore[arg-type]
    }


def test_every_page_and_fragment_is_rendered_with_hostile_text() -> None:
    made_here = {
        name
        for name, value in vars(fragments).items()
        if callable(value) and getattr(value, "__module__", "") == "ezdms.views.fragments" and not name.startswith("_")
    }
    assert set(hostile_pages()) == made_here | set(shells.ADDRESSES) | {"missing"}


class Elements(HTMLParser):
    """The elements that a browser would see in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


SCRIPTS: list[dict[str, str | None]] = [
    {"type": "importmap"},  # test_integrity.py checks its content
    {"src": assets.address_of(assets.SCHEME), "integrity": assets.integrity_of(assets.SCHEME), "crossorigin": None},
    *(
        {"type": "module", "src": assets.address_of(name), "integrity": assets.integrity_of(name)}
        | ({"async": None} if name == "js/first.js" else {})
        for name in assets.modules()
    ),
]


def dangers(html: str) -> list[str]:
    """Elements and attributes that contain script or style."""
    found = []
    for tag, attributes in Elements(html).found:
        if tag == "script" and attributes not in SCRIPTS:
            found.append("script")
        if tag == "img" and not str(attributes["src"]).startswith("/static/"):
            found.append("img")
        found += [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc")]
    return found


def test_the_markup_check_finds_dangerous_markup() -> None:
    assert set(dangers(HOSTILE)) == {"img", "onerror", "script"}


@pytest.mark.parametrize("name", list(hostile_pages()))
def test_hostile_text_is_escaped(name: str) -> None:
    html = hostile_pages()[name]
    assert dangers(html) == []
    if name not in ("protection", "missing"):
        assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;{{7*7}}" in html


def test_no_template_marks_text_as_safe() -> None:
    from tests.conftest import ROOT

    templates = list((ROOT / "ezdms" / "templates").rglob("*.html"))
    assert len(templates) > 10
    for path in templates:
        text = path.read_text("utf-8")
        assert "|safe" not in text.replace(" ", ""), path
        assert "autoescape" not in text, path
        assert not re.search(r"\son[a-z]+=", text), path
