"""Responses and errors, as JSON for programs or HTML for pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from quart import Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from ezdms.db import Busy, Unavailable
from ezdms.problem import Problem
from ezdms.views import fragments

COMPACT = json.JSONEncoder(separators=(",", ":"))
STORE_AGAIN = 10  # seconds
BUSY_AGAIN = 1  # seconds
TOO_OFTEN = "Too many requests. Please wait {} and try again."
BUSY = "The server is busy right now. Nothing was lost. Please try again."
CANNOT_STORE = "The server cannot store anything right now. Nothing was lost. Please try again in a minute."


def again_later(error: Unavailable) -> Problem:
    """503, with `retry_after` in seconds."""
    if isinstance(error, Busy):
        return Problem(503, "busy", BUSY, retry_after=BUSY_AGAIN)
    return Problem(503, "unavailable", CANNOT_STORE, retry_after=STORE_AGAIN)


def too_often(seconds: int) -> Problem:
    """429, with `retry_after` in seconds."""
    return Problem(
        429, "too_often", TOO_OFTEN.format("1 second" if seconds == 1 else f"{seconds} seconds"), retry_after=seconds
    )


def wants_json() -> bool:
    """True if the Accept header prefers application/json to text/html."""
    return _prefers_json(request.headers.get("Accept"))


@lru_cache(256)
def _prefers_json(accept: str | None) -> bool:
    accepted = parse_accept_header(accept, MIMEAccept)
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def answer(value: Any, render: Callable[[], str], status: int = 200) -> Response:
    """`value` as JSON or the HTML of `render`, whichever the request prefers."""
    as_json = wants_json()
    body, kind = (COMPACT.encode(value), "application/json") if as_json else (render(), "text/html; charset=utf-8")
    return Response(body, status, {"Vary": "Accept"}, content_type=kind)


def answer_problem(problem: Problem) -> Response:
    """The error in the format that the request prefers. The HTML is for the page's alert region."""
    response = answer(problem.as_json(), lambda: fragments.alert(problem.sentence), problem.status)
    if "retry_after" in problem.more:
        response.headers["Retry-After"] = str(problem.more["retry_after"])
    return response
