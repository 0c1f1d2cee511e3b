"""Broken requests made from valid ones, and checks for every answer; shared by the fuzz tests."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote, unquote

from hypothesis import strategies as st
from quart import Quart

from ezdms.edge.headers import HEADERS
from ezdms.views.page_policy import of_a_page
from tests.support import junk

Header = tuple[bytes, bytes]

FORM = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=seam"
JSON_TYPE = b"application/json"

TRACES = re.compile(rb"Traceback|File \"|[a-z]\w*Error\b|\w+Error:|Exception|\.py\b|site-packages")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, sent: list[dict[str, Any]]) -> Answer:
        """Build it from the ASGI messages of one answer: its start, then its body."""
        given = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return cls(sent[0]["status"], given, b"".join(message["body"] for message in sent[1:]))

    def check(self) -> Answer:
        """Check what holds for every answer: no 5xx, no internals, and all security headers."""
        assert 200 <= self.status < 500, self
        assert not TRACES.search(self.body) or self.headers.get("content-type", "").startswith("text/javascript"), self
        is_page = self.headers.get("integrity-policy") is not None  # tests/http/test_integrity.py checks which
        for name, value in (of_a_page() if is_page else HEADERS).items():
            assert self.headers.get(name.lower()) == value, (name, self)
        return self


@dataclass(frozen=True)
class Body:
    """A request body, and whether every route with fields must refuse it."""

    content_type: bytes
    content: bytes
    broken: bool = True

    def __repr__(self) -> str:
        return f"Body({self.content_type!r}, {len(self.content)} bytes: {self.content[:300]!r}, broken={self.broken})"


async def ask(app: Quart, method: str, target: bytes, headers: Iterable[Header] = (), body: bytes = b"") -> Answer:
    """Send one request straight to the ASGI app, as hypercorn would, with bytes that no client library sends."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.1"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
        "state": {},
        "extensions": {},
    }
    coming = [
        {"type": "http.request", "body": body[start : start + 65536], "more_body": start + 65536 < len(body)}
        for start in range(0, len(body) or 1, 65536)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    return Answer.of(sent)


async def shake_hands(app: Quart, target: bytes, headers: Iterable[Header]) -> Answer | None:
    """Open a socket straight on the ASGI app; returns None if it is accepted, else the refusing answer."""
    path, _, query = target.partition(b"?")
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 5000),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    coming.put_nowait({"type": "websocket.connect"})
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "websocket.accept":
            coming.put_nowait({"type": "websocket.disconnect", "code": 1001})

    await app(scope, coming.get, send)  # type: ignore[arg-type]
    if sent[0]["type"] == "websocket.accept":
        return None
    return Answer.of(sent)


def as_json(fields: Mapping[str, bytes]) -> bytes:
    return b"{" + b", ".join(json.dumps(name).encode() + b": " + token for name, token in fields.items()) + b"}"


def as_form(fields: Mapping[str, bytes]) -> bytes:
    return b"&".join(name.encode() + b"=" + value for name, value in fields.items())


def as_multipart(fields: Mapping[str, bytes]) -> bytes:
    parts = [
        b'--seam\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--seam--\r\n"


def json_tokens(fields: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: json.dumps(value).encode() for name, value in fields.items()}


def form_values(fields: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: quote(str(value), safe="").encode() for name, value in fields.items()}


def broken_body(chance: Random, fields: Mapping[str, Any]) -> Body:
    """A body that a route expecting `fields` must refuse: malformed, or with one broken field."""
    kinds = ["json", "form", "multipart", "bytes", "type", "big"]
    if fields:
        kinds += ["json field", "form field", "multipart field", "gone", "twice", "cut", "spoilt"] * 2
    kind = chance.choice(kinds)
    if kind == "json":
        return Body(JSON_TYPE, chance.choice(junk.NOT_JSON_OBJECTS))
    if kind == "form":
        return Body(FORM, chance.choice(junk.NOT_FORMS))
    if kind == "multipart":
        return Body(MULTIPART, chance.choice(junk.NOT_MULTIPART))
    if kind == "bytes":
        return Body(chance.choice([JSON_TYPE, FORM, MULTIPART]), chance.randbytes(chance.randrange(200)))
    if kind == "type":
        content_type = chance.choice(junk.CONTENT_TYPES)
        content = chance.choice([as_json, as_form])(json_tokens(fields))
        return Body(content_type, content, broken=not content_type.startswith(b"application/json"))
    if kind == "big":
        content_type = chance.choice([JSON_TYPE, FORM, MULTIPART])
        return Body(content_type, chance.choice([b"A", b"[", b"&", b"\r\n", b"\xff"]) * (420 * 1024))
    name = chance.choice(sorted(fields))
    if kind == "json field":
        return Body(JSON_TYPE, as_json(json_tokens(fields) | {name: chance.choice(junk.JUNK)}))
    if kind == "form field":
        return Body(FORM, as_form(form_values(fields) | {name: chance.choice(junk.FORM_JUNK)}))
    if kind == "multipart field":
        return Body(MULTIPART, as_multipart(form_values(fields) | {name: chance.choice(junk.FORM_JUNK)}))
    if kind == "gone":
        fields = {other: value for other, value in fields.items() if other != name}
        return chance.choice(whole_bodies(fields))
    if kind == "twice":
        body = chance.choice(whole_bodies(fields))
        again = chance.choice(whole_bodies({name: fields[name]}))
        if body.content_type != again.content_type:
            return Body(again.content_type, body.content)
        joint = {JSON_TYPE: b", ", FORM: b"&", MULTIPART: b""}[body.content_type]
        end = {JSON_TYPE: -1, FORM: None, MULTIPART: -len(b"--seam--\r\n")}[body.content_type]
        return Body(body.content_type, body.content[:end] + joint + again.content[body.content_type == JSON_TYPE :])
    body = chance.choice(whole_bodies(fields))
    place = chance.randrange(len(body.content) - 11)
    if kind == "cut":
        return Body(body.content_type, body.content[:place], broken=body.content_type == JSON_TYPE)
    spoilt = body.content[:place] + chance.choice([b"\xff", b"\x00", b"\x80\x80"]) + body.content[place:]
    return Body(body.content_type, spoilt, broken=body.content_type == JSON_TYPE)


def whole_bodies(fields: Mapping[str, Any]) -> list[Body]:
    """The fields in each of the three body formats."""
    return [
        Body(JSON_TYPE, as_json(json_tokens(fields))),
        Body(FORM, as_form(form_values(fields))),
        Body(MULTIPART, as_multipart({name: str(value).encode() for name, value in fields.items()})),
    ]


def odd_headers(chance: Random) -> list[Header]:
    """One to five headers, most of them odd for what they name."""
    names = chance.choices(sorted(junk.ODD), k=chance.randint(1, 5))
    return [(name, chance.choice(chance.choice([junk.ODD[name], junk.VALUES]))) for name in names]


def odd_target(chance: Random, rule: str) -> bytes:
    """A path of this route with odd variables and an odd query, or a path of no route."""
    if chance.randrange(5) == 0:
        return chance.choice(junk.TARGETS)
    path = re.sub(r"<[^>]*>", lambda _: chance.choice(junk.IN_PATHS).decode("latin-1"), rule)
    return path.encode("latin-1") + chance.choice(junk.QUERIES)


WISHES: st.SearchStrategy[str] = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(
            ["join", "leave", "JOIN", "new_message", "connected", "", None, 1, ["join"], {"a": 1}]
        ),
        "conversation_id": st.sampled_from(
            [
                "FOREIGN",
                "0" * 24,
                "",
                "\x00",
                "\ud800",
                "\U0001f600",
                "a" * 4_000,
                "%",
                "' OR 1=1 --",
                None,
                1,
                True,
                [],
                {},
            ]
        ),
        "text": st.sampled_from(["", "plain text", 10**400, 1.5, None]),
    },
).map(json.dumps)

frames: st.SearchStrategy[str | bytes] = st.one_of(
    WISHES, WISHES, st.sampled_from(junk.FRAMES), st.text(max_size=50), st.binary(min_size=1, max_size=50)
)
