"""A browser can be logged in to several accounts. Each has a numbered place, and there a session cookie of its own."""

from __future__ import annotations

import re

from quart.wrappers import Request, Websocket

HEADER = "Ezdms-Place"
PARAMETER = "place"  # of a WebSocket's address: a page cannot add headers to that
PLACES = 5
PLACE = re.compile(r"[0-4]", re.ASCII)
MALFORMED = f"The place of an account must be a digit below {PLACES}."


def find_place(asked: Request | Websocket) -> int | None:
    """Which of the browser's accounts asks: 0 if it does not say. None if that is malformed."""
    given = asked.args.getlist(PARAMETER) if isinstance(asked, Websocket) else asked.headers.getlist(HEADER)
    if not given:
        return 0
    return int(given[0]) if len(given) == 1 and PLACE.fullmatch(given[0]) else None


def at_place(name: str, place: int) -> str:
    """The cookie's name: those of place 0 have no number."""
    return f"{name}_{place}" if place else name
