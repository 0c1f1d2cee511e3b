"""The pages that people open. Each returns a shell: the same bytes for everyone, without a database query."""

from __future__ import annotations

import re

from quart import Blueprint, Response

from ezdms.problem import Problem
from ezdms.views.shells import APP, PROTECTION
from ezdms.web import context
from ezdms.web.admission import public, shell
from ezdms.web.static_files import send_shell

blueprint = Blueprint("pages", __name__)

CONVERSATION_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{24}", re.ASCII)


@blueprint.get("/")
@blueprint.get("/welcome")
@blueprint.get("/settings")
@blueprint.get("/search-pin")
@blueprint.get("/account")
@public
@shell
async def app() -> Response:
    """The front page and the user's pages. The browser decides what to show."""
    return await answer_with_shell(APP)


@blueprint.get("/c/<conversation_id>")
@public
@shell
async def conversation(conversation_id: str) -> Response:
    """A conversation next to the list. Only participants learn whether it exists, from /c/…/open."""
    if not CONVERSATION_ID.fullmatch(conversation_id):
        raise Problem(404, "not_found", "There is nothing at this address.")
    return await answer_with_shell(APP)


@blueprint.get("/protection")
@public
@shell
async def protection() -> Response:
    """What is private and what is not."""
    return await answer_with_shell(PROTECTION)


async def answer_with_shell(name: str) -> Response:
    """Send a shell, or 304 if the client has it."""
    return await send_shell(context.shells(), name)
