"""The composer, the only module that knows all the others: decides what is closed, public, limited and fenced."""

from __future__ import annotations

import json
import logging
from functools import partial
from math import ceil
from typing import Any, cast

from quart import Quart, Response, g, has_websocket_context, request, websocket
from quart.typing import ResponseTypes
from quart_rate_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ezdms import logs
from ezdms.actions.event import Event
from ezdms.actions.remembered import Sessions
from ezdms.db import Busy, Database, Unavailable
from ezdms.edge.connection_close import SaysWhenItCloses
from ezdms.edge.headers import HEADERS, add_headers
from ezdms.edge.hsts import TransportSecurity
from ezdms.edge.quart_asgi import Edge, HttpConnection, Socket, SocketConnection
from ezdms.edge.trusted_proxies import TrustedProxies
from ezdms.hosting import certificate
from ezdms.hub import Hub
from ezdms.models.deployment import insert_deployment
from ezdms.routes import accounts, conversations, health, live, messages, pages, pins, sessions, vaults
from ezdms.settings import Settings
from ezdms.store import data_folder
from ezdms.views.shells import shells
from ezdms.web import admission, context, origin, static_files
from ezdms.web.answers import Problem, again_later, answer_problem, too_often, wants_json
from ezdms.web.bodies import BoundedRequest
from ezdms.web.limits import Limiter, by_address

FOREIGN = "This request came from another website, so it was refused."
TOO_MANY = "Your account has too many connections open. Close some tabs or programs, then try again."
SOCKET_AGAIN = 60  # seconds
SENTENCES = {
    400: "The request could not be understood.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    408: "The request took too long.",
    413: "The request is too large.",
    415: "Expected a form or a JSON object.",
    500: "Something went wrong on the server. Please try again.",
}


class Application(Quart):
    """Quart, whose log names the route of an error and not the address, which may hold somebody's id."""

    def log_exception(self, exception_info: Any) -> None:
        """One line."""
        asked = websocket if has_websocket_context() else request
        logs.event(logging.ERROR, "error", method=asked.method, route=str(asked.url_rule))


def create_app(settings: Settings) -> Quart:
    """The ASGI app. It opens the database in `settings.data_dir` when it starts, and closes it when it stops.

    Raises OSError or ValueError for a certificate that cannot be read.
    """
    app = Application(__name__, static_folder=None, template_folder=None)
    app.add_url_rule("/static/<path:filename>", "static", admission.public(static_files.send_file))
    app.request_class = BoundedRequest
    app.asgi_http_class = HttpConnection
    app.websocket_class = Socket
    app.asgi_websocket_class = SocketConnection
    app.config |= {"BODY_TIMEOUT": 20, "RESPONSE_TIMEOUT": None}  # connection.py bounds each write, for less
    app.extensions["ezdms.settings"] = settings
    app.extensions["ezdms.hub"] = Hub[Event]()
    app.extensions["ezdms.shells"] = shells(settings.front)
    for module in (pages, health, accounts, pins, sessions, vaults, conversations, messages, live):
        app.register_blueprint(module.blueprint)
    app.before_serving(partial(open_database, app))
    app.after_serving(partial(close_database, app))
    app.before_request(_admit_request)
    app.before_websocket(_admit_websocket)
    limiter = Limiter(app, settings, key_function=by_address)
    app.extensions["ezdms.limiter"] = limiter  # after _admit_request: by_account needs it
    app.after_request(_fence)
    app.register_error_handler(Problem, pages.answer_with_page)
    app.register_error_handler(RateLimitExceeded, _answer_too_often)
    app.register_error_handler(Unavailable, _answer_unavailable)
    app.register_error_handler(HTTPException, _answer_http_exception)
    proxies = TrustedProxies(SaysWhenItCloses(Edge(app.asgi_app)), settings.trusted_proxies)
    app.extensions["ezdms.proxies"] = proxies.seen
    has_hsts = settings.certfile is not None and certificate.is_for_the_public(settings.certfile)
    app.asgi_app = TransportSecurity(proxies) if has_hsts else proxies  # type: ignore[method-assign]
    return app


async def open_database(app: Quart) -> None:
    """Open the database unless it is open; called before the first request. Raises DatabaseError or OSError."""
    if "ezdms.database" in app.extensions:
        return
    data_dir = app.extensions["ezdms.settings"].data_dir
    data_folder.make(data_dir)
    database = await Database.open(data_dir / data_folder.DATABASE)
    app.extensions["ezdms.database"] = database
    app.extensions["ezdms.sessions"] = Sessions(database)
    app.extensions["ezdms.deployment_id"] = await database.write(
        insert_deployment, deployment_id=admission.random_id(16)
    )


async def close_database(app: Quart) -> None:
    """Close the database if it is open."""
    database = app.extensions.pop("ezdms.database", None)
    if database is not None:
        await database.close()


async def _admit_request() -> None:
    """A request has its session looked up, unless a shell answers it; without one only the public views answer."""
    g.session = None
    if request.endpoint == "static" or (admission.is_shell(request.endpoint) and not wants_json()):
        return
    if origin.is_forged(request, context.settings().allowed_origins):
        raise Problem(403, "foreign_origin", FOREIGN)
    g.session = await admission.find_session(context.sessions(), request)
    if g.session is None and not admission.is_public(request.endpoint):
        raise Problem(401, "no_session", "Please log in.")


async def _admit_websocket() -> Response | None:
    """A socket is accepted for a living session alone, never for a page of another site, and not too often."""
    if origin.is_foreign(websocket, context.settings().allowed_origins):
        return _refuse(403, "foreign_origin", FOREIGN)
    g.session = await admission.find_session(context.sessions(), websocket)
    if g.session is None:
        return _refuse(401, "no_session", "Please log in.")
    most = context.settings().max_sockets
    if most is not None and len(context.hub().mailboxes(g.session.user_id)) >= most:
        return _refuse(429, "too_many_sockets", TOO_MANY, {"Retry-After": str(SOCKET_AGAIN)})
    seconds = ceil(context.limiter().count(websocket.endpoint, g.session.user_id))
    if seconds:
        return _refuse(429, "too_often", too_often(seconds).sentence, {"Retry-After": str(seconds)})
    return None


def _refuse(status: int, code: str, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """The answer to a WebSocket that is not accepted."""
    body = json.dumps({"error": sentence, "code": code})
    return Response(body, status, {**(headers or {}), **HEADERS}, content_type="application/json")


async def _fence(response: Response) -> Response:
    return add_headers(response)


async def _answer_too_often(error: RateLimitExceeded) -> Response:
    return answer_problem(too_often(cast(int, error.retry_after)))


async def _answer_unavailable(error: Unavailable) -> Response:
    """What was asked for did not happen, and may be asked for again."""
    if not isinstance(error, Busy):
        logs.event(logging.ERROR, "cannot store", route=str(request.url_rule))
    return answer_problem(again_later(error))


async def _answer_http_exception(error: HTTPException) -> ResponseTypes:
    status = error.code or 500
    if status < 400 and not has_websocket_context():
        return error.get_response()
    code = (error.name or "error").lower().replace(" ", "_")
    sentence = SENTENCES.get(status, SENTENCES[400] if status < 500 else SENTENCES[500])
    if has_websocket_context():  # nothing below can be asked of a socket; it follows no redirect either
        return _refuse(max(status, 400), code, sentence)
    response = await pages.answer_with_page(Problem(status, code, sentence))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    return response
