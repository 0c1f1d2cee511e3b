"""The app of `ezdms open`: serves shells and files of the package, and forwards allowed requests to the server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import httpx
from quart import Quart, Request, Response, Websocket, has_websocket_context, request, websocket
from werkzeug.exceptions import HTTPException, NotFound

from ezdms import PROTOCOL, __version__, logs
from ezdms.client.errors import BadAnswer, Unreachable
from ezdms.edge import headers
from ezdms.edge.connection_close import SaysWhenItCloses
from ezdms.edge.malformed import RefusesMalformed
from ezdms.edge.quart_asgi import HttpConnection, Socket, SocketConnection
from ezdms.opened import relay, ways
from ezdms.opened.gate import FIRST, VISITOR, VisitorGate, cookie_name
from ezdms.opened.remote import OFFSET, RANGE, Remote, Reply, dump
from ezdms.opened.visitors import Visitor, Visitors
from ezdms.opened.ways import Kind, Way
from ezdms.views.shells import ADDRESSES, missing, shells_by_language
from ezdms.web.language import DEPENDS_ON, language_of_request
from ezdms.web.places import find_place
from ezdms.web.static_files import send_file, send_shell

CONVERSATION = "/c/<conversation_id>"
MOST_FIELDS = 100
SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not support that method.",
    413: "The request is too large.",
}
NOT_UNDERSTOOD = "The request is malformed."
WRONG = "Something went wrong in `ezdms open`. Please try again."


@dataclass(frozen=True, slots=True)
class Opened:
    """What the page needs to know about the server, validated before anything is served (asking.py)."""

    server: str
    deployment_id: str
    registration: str
    retention: int
    max_file: int

    @property
    def front(self) -> dict[str, str]:
        """The host's words on the page. They are ours: no text of the page comes from the server."""
        words = {"name": "EZ-DMS", "notice": "", "registration": self.registration}
        return words | {"retention": str(self.retention), "server": self.server}


class Application(Quart):
    """Quart that does not log the URL, which may contain a secret or a user's id."""

    def log_exception(self, exception_info: Any) -> None:
        """Log one line."""
        asked = websocket if has_websocket_context() else request
        logs.event(logging.ERROR, "error", method=asked.method)


def create_app(opened: Opened, remote: Remote, visitors: Visitors, origin: str, secret: str) -> Quart:
    """Create the app, with its gate in front, at `origin`. The first address is /open/SECRET."""
    app = Application(__name__, static_folder=None, template_folder=None)
    app.asgi_http_class, app.websocket_class, app.asgi_websocket_class = HttpConnection, Socket, SocketConnection
    app.config |= {"BODY_TIMEOUT": 20, "RESPONSE_TIMEOUT": None, "PROVIDE_AUTOMATIC_OPTIONS": False}
    app.config["MAX_CONTENT_LENGTH"] = ways.LARGEST_VAULT
    page = _Page(opened, remote, visitors, cookie_name(origin))
    app.extensions["ezdms.stopping"] = page.stopping
    app.add_url_rule("/static/<path:filename>", "static", send_file)
    app.add_url_rule(f"{FIRST}<secret>", "first", page.begin)
    app.add_url_rule("/deployment", "deployment", page.deployment)
    for name, addresses in ADDRESSES.items():
        for address in addresses:
            rule = CONVERSATION if address.startswith("/c/") else address
            app.add_url_rule(rule, f"shell {rule}", page.shell, defaults={"name": name})
    app.add_url_rule("/<path:path>", "forward", page.forward, methods=["GET", "POST", "PUT", "PATCH"])
    app.add_websocket("/ws", "live", page.live)
    app.after_request(_fence)
    app.register_error_handler(Unreachable, page.answer_unreachable)
    app.register_error_handler(BadAnswer, page.answer_odd)
    app.register_error_handler(HTTPException, _answer_http_exception)
    gate = VisitorGate(RefusesMalformed(app.asgi_app), origin, secret, visitors)
    app.asgi_app = SaysWhenItCloses(gate)  # type: ignore[method-assign]
    return app


class _Page:
    """The views."""

    def __init__(self, opened: Opened, remote: Remote, visitors: Visitors, cookie: str) -> None:
        self._opened, self._remote, self._visitors, self._cookie = opened, remote, visitors, cookie
        self._shells = shells_by_language(opened.front)
        self.stopping = asyncio.Event()

    async def begin(self, secret: str) -> Response:
        """Handle the first address: set a cookie and redirect, to keep the secret out of the history."""
        response = Response(status=303, headers={"Location": "/"})
        if _scope(request)[VISITOR] is None:
            self._hand_over(response, self._visitors.admit())
        return response

    async def shell(self, name: str, conversation_id: str = "") -> Response:
        """Serve a document of the package."""
        if conversation_id and not ways.IS_CONVERSATION.fullmatch(conversation_id):
            raise NotFound
        return await send_shell(self._shells, name)

    async def deployment(self) -> Response:
        """The deployment as read at startup: a server that changes its id later gets nothing derived from a PIN."""
        known = {"protocol": PROTOCOL, "deployment_id": self._opened.deployment_id, "version": __version__}
        return Response(dump(known | {"max_file": self._opened.max_file}), content_type=Kind.JSON.value)

    async def forward(self, path: str) -> Response:
        """Forward an allowed request made by the page's scripts. Opened as a page, these addresses do not exist."""
        query = request.query_string.decode("ascii")
        way = ways.find(request.method, request.path, query)
        if way is None or request.headers.get("Sec-Fetch-Dest", "empty") != "empty":
            raise NotFound
        visitor, place = cast(Visitor, _scope(request)[VISITOR]), _place(request)
        token = visitor.tokens.get(place, "")
        part = _part(way)
        reply = await self._remote.ask(way, f"{request.path}{query and '?'}{query}", token, await _body(way), part)
        response = Response(reply.body, reply.status, content_type=reply.kind.value)
        if reply.kind is Kind.PART:
            response.headers |= {"Content-Range": reply.place, "Content-Disposition": "attachment"}
        if reply.kind is Kind.OFFSET:
            response.headers["Upload-Offset"] = reply.place
        if reply.kind in (Kind.NOTHING, Kind.OFFSET):
            del response.headers["Content-Type"]
        await self._note(way, visitor, place, reply, response)
        return response

    async def live(self) -> Response | None:
        """Relay the WebSocket."""
        visitor = cast(Visitor, _scope(websocket)[VISITOR])
        return await relay.relay(self._opened.server, visitor.tokens.get(_place(websocket), ""), self.stopping)

    async def answer_unreachable(self, _: Unreachable) -> Response:
        """The page shows its own sentence for this code."""
        return _answer(502, "The server cannot be reached.", code="unreachable")

    async def answer_odd(self, _: BadAnswer) -> Response:
        """The page shows its own sentence for this code, too."""
        return _answer(502, "The server's response is not valid.", code="odd")

    async def _note(self, way: Way, visitor: Visitor, place: int, reply: Reply, response: Response) -> None:
        """Record the begin or end of a session."""
        if way.begins and reply.token:
            before, visitor.tokens[place] = visitor.tokens.get(place), reply.token
            self._hand_over(response, self._visitors.renew(visitor))
            if before:  # nobody knows its token any more
                with suppress(httpx.HTTPError):
                    await self._remote.end(before)
        elif way.ends and reply.status == 204:
            visitor.tokens.pop(place, None)

    def _hand_over(self, response: Response, cookie: str) -> None:
        response.set_cookie(self._cookie, cookie, path="/", httponly=True, samesite="Strict")


def _scope(asked: Request | Websocket) -> dict[str, Any]:
    """The ASGI scope, with the visitor found by the gate."""
    return cast(dict[str, Any], asked.scope)


def _place(asked: Request | Websocket) -> int:
    """Which of the browser's accounts asks. Stays here: the server gets the token of its session."""
    place = find_place(asked)
    if place is None:
        raise _Refused(400)
    return place


def _part(way: Way) -> str:
    """Which bytes of a file are asked for, or where those of an upload begin."""
    if way.kind is Kind.PART:
        asked, form, status = request.headers.get("Range", ""), RANGE, 416
    elif way.method == "PATCH":
        asked, form, status = request.headers.get("Upload-Offset", ""), OFFSET, 400
    else:
        return ""
    if not form.fullmatch(asked):
        raise _Refused(status)
    return asked


async def _body(way: Way) -> bytes:
    """The form fields of the body, re-encoded, or bytes of an upload."""
    body = cast(bytes, await request.get_data())
    if way.method in ("GET", "HEAD"):
        return b""
    if len(body) > way.largest_body:
        raise _Refused(413)
    if way.kind is Kind.OFFSET:
        if request.mimetype != way.kind.value:
            raise _Refused(415)
        return body
    if body and request.mimetype != "application/x-www-form-urlencoded":
        raise _Refused(415)
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise _Refused(400) from error
    return urlencode(fields).encode("ascii")


class _Refused(HTTPException):
    """A request that the page would not make."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.code = status


async def _fence(response: Response) -> Response:
    return headers.add_headers(response)


async def _answer_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:  # a redirect for an extra slash
        status = 404
    sentence = SENTENCES.get(status, NOT_UNDERSTOOD if status < 500 else WRONG)
    if has_websocket_context():
        return Response(dump({"error": sentence}), status, dict(headers.FENCE), content_type=Kind.JSON.value)
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        body = missing(status, language_of_request())
        return Response(body, status, {"Vary": ", ".join(DEPENDS_ON)}, content_type="text/html; charset=utf-8")
    return _answer(status, sentence)


def _answer(status: int, sentence: str, **more: str) -> Response:
    return Response(dump({"error": sentence, **more}), status, content_type=Kind.JSON.value)
