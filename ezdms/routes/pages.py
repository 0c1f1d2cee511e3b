"""The addresses that a person opens. Each answers a shell: the same bytes for everybody, and no database is asked."""

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
@blueprint.get("/search-pin")
@blueprint.get("/account")
@public
@shell
async def app() -> Response:
    """The front page and one's own pages: which of them, and what is on it, the browser knows."""
    return await answer_with_shell(APP)


@blueprint.get("/c/<conversation_id>")
@public
@shell
async def conversation(conversation_id: str) -> Response:
    """One conversation beside the list. Whether there is one, only its participants learn, from /c/…/open."""
    if not CONVERSATION_ID.fullmatch(conversation_id):
        raise Problem(404, "not_found", "There is nothing at this address.")
    return await answer_with_shell(APP)


@blueprint.get("/protection")
@public
@shell
async def protection() -> Response:
    """What is protected and what is not."""
    return await answer_with_shell(PROTECTION)


async def answer_with_shell(name: str) -> Response:
    """A shell, or 304 for whoever has it."""
    return await send_shell(context.shell(name))
