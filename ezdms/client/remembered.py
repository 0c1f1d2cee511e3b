"""What the vault remembers beside a contact's key: preferences, requests, blocks, timers, receipts, marks.

How two clients of one user merge it (docs/protocol.md, Vault). Malformed values are left out. Twin of remembered.js.
"""

from __future__ import annotations

import re
from typing import Any

from ezdms.protocol import encoding
from ezdms.protocol.encoding import LATEST_TIME, is_integer

MOST_BLOCKS = 20  # times in which a person was blocked, the latest
MOST_HIDDEN = 200  # ids of messages that the user removed from their own sight, the latest
ID = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
RECEIPTS = ("delivered", "read")

Blocks = list[list[int]]  # [from, to or 0], ms


def latest(mine: Any, theirs: Any) -> dict[str, Any] | None:
    """The one with the higher `at` (ms), as a whole; of equal ones the one whose JSON is higher by bytes."""
    found = [one for one in (mine, theirs) if isinstance(one, dict) and is_integer(one.get("at"), 0, LATEST_TIME)]
    return max(found, key=lambda one: (one["at"], encoding.compact(one)), default=None)


def next_at(known: Any, now: int) -> int:
    """`at` of a change made now: later than the known one, even if this clock is behind."""
    at = known.get("at") if isinstance(known, dict) else None
    return max(now, at + 1) if is_integer(at, 0, LATEST_TIME - 1) and at is not None else now


def merge_remembered(mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """The members described here of two versions of a contact, merged; only those that one of them has."""
    pairs = {name: (mine.get(name), theirs.get(name)) for name in MERGED}
    merged = {name: merge(*pairs[name]) for name, merge in MERGED.items()}
    return {name: value for name, value in merged.items() if value is not None}


def _merge_blocks(mine: Any, theirs: Any) -> Blocks | None:
    """The union. A block that one client knows to have ended has ended, the later end counts."""
    blocks: dict[int, int] = {}
    for since, to in [*read_blocks(mine), *read_blocks(theirs)]:
        blocks[since] = max(to, blocks.get(since, 0))
    return [[since, blocks[since]] for since in sorted(blocks)][-MOST_BLOCKS:] or None


def read_blocks(blocks: Any) -> Blocks:
    """The times in which a person was blocked."""
    return [[*one] for one in blocks if _is_block(one)] if isinstance(blocks, list) else []


def _is_block(one: Any) -> bool:
    if not isinstance(one, list) or len(one) != 2 or not is_integer(one[0], 1, LATEST_TIME):
        return False
    return is_integer(one[1], 0, 0) or is_integer(one[1], one[0] + 1, LATEST_TIME)


def blocked_from(blocks: Any, now: int) -> Blocks:
    """The times, with a block that begins now unless one is open."""
    known = read_blocks(blocks)
    is_open = any(not to for _, to in known)
    return known if is_open else [*known, [now, 0]][-MOST_BLOCKS:]


def blocked_until(blocks: Any, now: int) -> Blocks:
    """The times, with every open block ending now."""
    return [[since, to or max(now, since + 1)] for since, to in read_blocks(blocks)]


def _merge_timed(mine: Any, theirs: Any) -> int | None:
    return min((one for one in (mine, theirs) if is_integer(one, 1, LATEST_TIME)), default=None)


def read_timed(timed: Any) -> int:
    """When the first timer was set (ms), or 0."""
    return timed if is_integer(timed, 1, LATEST_TIME) else 0


def _merge_told(mine: Any, theirs: Any) -> dict[str, int] | None:
    one, other = read_told(mine), read_told(theirs)
    told = {name: max(one[name], other[name]) for name in RECEIPTS}
    return told if any(told.values()) else None


def read_told(told: Any) -> dict[str, int]:
    """The highest n that each kind of receipt said."""
    known = told if isinstance(told, dict) else {}
    return {name: known[name] if is_integer(known.get(name), 0) else 0 for name in RECEIPTS}


def _merge_hidden(mine: Any, theirs: Any) -> list[str] | None:
    """The latest ids. Those that are not in `theirs`, the stored vault, are newer."""
    return list(dict.fromkeys([*read_hidden(theirs), *read_hidden(mine)]))[-MOST_HIDDEN:] or None


def read_hidden(hidden: Any) -> list[str]:
    """The ids of messages that the user removed from their own sight."""
    known = hidden if isinstance(hidden, list) else []
    return [one for one in known if isinstance(one, str) and ID.fullmatch(one)]


def _merge_cleared(mine: Any, theirs: Any) -> list[int] | None:
    one, other = read_cleared(mine), read_cleared(theirs)
    cleared = [max(pair) for pair in zip(one, other, strict=True)]
    return cleared if _is_cleared(mine) or _is_cleared(theirs) else None


def _is_cleared(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(is_integer(n, 0) for n in value)


def read_cleared(cleared: Any) -> list[int]:
    """[own n, their n] of the highest rows when the user deleted the conversation. Those up to here are not shown."""
    return [*cleared] if _is_cleared(cleared) else [0, 0]


MERGED = {
    "prefs": latest,
    "met": latest,
    "blocks": _merge_blocks,
    "timed": _merge_timed,
    "told": _merge_told,
    "hidden": _merge_hidden,
    "cleared": _merge_cleared,
}


def is_accepted(contact: dict[str, Any]) -> bool:
    """True if the user accepted the conversation. Without `met`: if they wrote in it."""
    met = latest(contact.get("met"), None)
    return bool(contact.get("own")) if met is None else met.get("accepted") is True


def is_blocked(contact: dict[str, Any]) -> bool:
    """True if the user blocks this person now."""
    met = latest(contact.get("met"), None)
    return met is not None and met.get("blocked") is True
