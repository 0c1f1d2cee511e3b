"""Builds the ASGI app: routes, authentication, limits, error handlers. The only module that imports all the others."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from quart import Quart, Response, has_websocket_context, request, websocket
from quart_rate_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException

from ezdms import __version__, logs
from ezdms.actions import deployment, joining
from ezdms.actions.erasing import Eraser
from ezdms.actions.event import Event
from ezdms.actions.passkeys import Passkeys
from ezdms.actions.pushing import Pusher
from ezdms.actions.second_step import SecondSteps
from ezdms.actions.sessions import Sessions
from ezdms.actions.sweeping import Sweeper
from ezdms.actions.uploading import Limits, Uploads
from ezdms.db import Database, Unavailable
from ezdms.edge import certificate
from ezdms.edge.connection_close import SaysWhenItCloses
from ezdms.edge.headers import add_headers
from ezdms.edge.hsts import TransportSecurity
from ezdms.edge.malformed import RefusesMalformed
from ezdms.edge.quart_asgi import HttpConnection, Socket, SocketConnection
from ezdms.edge.trusted_proxies import TrustedProxies
from ezdms.hub import Hub
from ezdms.hub.shared import SharedHub
from ezdms.problem import Problem
from ezdms.routes import (
    accounts,
    conversations,
    files,
    health,
    live,
    messages,
    pages,
    passkeys,
    pins,
    push,
    reports,
    second_step,
    sessions,
    signals,
    vaults,
)
from ezdms.settings import Settings
from ezdms.store import data_folder, secret_key
from ezdms.store.file_store import FileStore, FolderStore, StoreError, has_files
from ezdms.views.shells import shells_by_language
from ezdms.web import admission, errors, static_files
from ezdms.web.bodies import BoundedRequest
from ezdms.web.limits import Limiter, by_address


class Application(Quart):
    """Quart that logs the route of an error, not the URL, which may contain a user's id."""

    def log_exception(self, exception_info: Any) -> None:
        """Log one line."""
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
    app.config |= {"BODY_TIMEOUT": 20, "RESPONSE_TIMEOUT": None}  # connection.py limits each write, to less
    app.extensions["ezdms.settings"] = settings
    app.extensions["ezdms.hub"] = Hub[Event]() if settings.bus_url is None else joining.new_hub()
    app.extensions["ezdms.shells"] = shells_by_language(settings.front)
    for module in (
        pages,
        health,
        accounts,
        second_step,
        passkeys,
        pins,
        sessions,
        vaults,
        conversations,
        messages,
        files,
        signals,
        reports,
        push,
        live,
    ):
        app.register_blueprint(module.blueprint)
    app.before_serving(partial(open_database, app))
    app.after_serving(partial(close_database, app))
    app.before_request(admission.admit_request)
    app.before_websocket(admission.admit_websocket)
    limiter = Limiter(app, settings, key_function=by_address)
    app.extensions["ezdms.limiter"] = limiter  # after admit_request: by_account needs it
    app.after_request(_fence)
    app.register_error_handler(Problem, errors.answer_with_page)
    app.register_error_handler(RateLimitExceeded, errors.answer_too_often)
    app.register_error_handler(Unavailable, errors.answer_unavailable)
    app.register_error_handler(HTTPException, errors.answer_http_exception)
    proxies = TrustedProxies(SaysWhenItCloses(RefusesMalformed(app.asgi_app)), settings.trusted_proxies)
    app.extensions["ezdms.proxies"] = proxies.seen
    has_hsts = settings.certfile is not None and certificate.is_for_the_public(settings.certfile)
    app.asgi_app = TransportSecurity(proxies) if has_hsts else proxies  # type: ignore[method-assign]
    return app


def place_of(settings: Settings) -> Path | str:
    """Where the database is."""
    return settings.database_url or settings.data_dir / data_folder.DATABASE


async def open_store(settings: Settings, deployment_id: str) -> FileStore:
    """Where files are stored. A bucket that is away does not keep the server from starting. Raises StoreError for one
    that cannot be used until somebody mends it, and if files are still in the data folder."""
    if settings.files_url is None:
        return FolderStore(settings.data_dir)
    from ezdms.store.bucket import Bucket, BucketError  # loads the client

    if has_files(settings.data_dir):
        raise StoreError(f"EZDMS_FILES_URL is set, but there are files in {settings.data_dir}. Run: ezdms move-files")
    bucket = Bucket(settings.files_url, settings.files_key, deployment_id)
    try:
        await bucket.check()
    except BucketError as error:
        if error.is_fault:
            raise StoreError(f"The bucket of EZDMS_FILES_URL cannot be used: {error}.") from error
        logs.event(logging.WARNING, "the bucket of the files cannot be used", why=str(error))
    return bucket


async def open_database(app: Quart) -> None:
    """Open the database unless it is open, and empty the messages whose time came while it was closed; called before
    the first request. Raises DatabaseError, FolderError, StoreError or OSError.
    """
    if "ezdms.database" in app.extensions:
        return
    settings: Settings = app.extensions["ezdms.settings"]
    data_dir = settings.data_dir
    data_folder.make(data_dir)
    key = secret_key.load(data_dir)
    if settings.database_url is None:
        data_folder.check_not_moved(data_dir)
    hub = app.extensions["ezdms.hub"]
    database = await Database.open(place_of(settings))
    joined = AsyncExitStack()
    try:
        deployment_id = await deployment.find_id(database)
        if isinstance(hub, SharedHub) and settings.bus_url is not None:
            about = {"version": __version__, "host": socket.gethostname(), "pid": os.getpid()}
            joins = joining.joined(database, hub, settings.bus_url, key, deployment_id, about)
            await joined.enter_async_context(joins)
            await joining.check_key(database, key, data_dir)
        store = await open_store(settings, deployment_id)
    except BaseException:
        await joined.aclose()
        await database.close()
        raise
    app.extensions["ezdms.database"] = database
    app.extensions["ezdms.joined"] = joined
    app.extensions["ezdms.deployment_id"] = deployment_id
    app.extensions["ezdms.second_steps"] = SecondSteps(database, key)
    app.extensions["ezdms.passkeys"] = Passkeys(database, key)
    app.extensions["ezdms.sessions"] = Sessions(database)
    app.extensions["ezdms.eraser"] = Eraser(database)
    app.extensions["ezdms.eraser"].start()
    app.extensions["ezdms.sweeper"] = Sweeper(database, retention=settings.retention)
    await app.extensions["ezdms.sweeper"].start()
    limits = Limits(settings.max_file, settings.quota_files, settings.disk_floor)
    app.extensions["ezdms.uploads"] = Uploads(database, store, limits)
    app.extensions["ezdms.uploads"].start()
    pusher = Pusher(database, hub, allow_local=settings.push_allow_local)
    app.extensions["ezdms.pusher"] = pusher
    await pusher.start()
    if isinstance(hub, SharedHub):
        joining.share_subscribers(hub, pusher)
        app.extensions["ezdms.limiter"].counts_together = hub.count
        app.extensions["ezdms.eraser"].take_over()


async def close_database(app: Quart) -> None:
    """Close the database if it is open."""
    database = app.extensions.pop("ezdms.database", None)
    if database is not None:
        await app.extensions.pop("ezdms.pusher").close()
        await app.extensions.pop("ezdms.uploads").close()
        await app.extensions.pop("ezdms.sweeper").close()
        await app.extensions.pop("ezdms.eraser").close()
        await app.extensions.pop("ezdms.joined").aclose()
        await database.close()


async def _fence(response: Response) -> Response:
    admission.renew_cookie(response)
    return add_headers(response)
