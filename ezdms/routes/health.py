"""Health check and server information, for programs."""

from __future__ import annotations

from quart import Blueprint, Response, jsonify

from ezdms import PROTOCOL, __version__
from ezdms.db import Unavailable
from ezdms.protocol.envelope import MAX_TEXT
from ezdms.web import context
from ezdms.web.admission import public

blueprint = Blueprint("health", __name__)


@blueprint.get("/ping")
@public
async def ping() -> Response:
    """Health check: 503 if what is sent now could be lost."""
    if fault := await context.database().examine():
        raise Unavailable(fault)
    return jsonify(status="ok")


@blueprint.get("/deployment")
@public
async def deployment() -> Response:
    """What a client must know about the server before it can log in."""
    return jsonify(
        protocol=PROTOCOL,
        deployment_id=context.deployment_id(),
        version=__version__,
        max_text=MAX_TEXT,
        max_file=context.settings().max_file,
        **(context.settings().front | {"retention": context.settings().retention}),
    )
