"""Receiving (docs/protocol.md): what a row of the server holds, once it was opened and verified, and the message that
it becomes once its place was judged (judging.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ezdms import crypto
from ezdms.client.answers import Row

Place = Literal["ok", "gap", "late", "crossed"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it may be shown.

    `text` is None when it is not to be read, and `failure` then says why: "gone" (deleted or expired), "unverified"
    (damaged, forged, or from elsewhere), "unsupported" (made by a newer version). `place` is "gap" if messages are
    missing before it, "late" if it was written before some that came earlier, "crossed" if it was written before a
    message of the other side that stands above it had been seen. `alarm` is a sentence if the message is one: nothing
    can be sent in its conversation before `Client.go_on`. `n` is its number among its sender's messages here, 0 unless
    it was verified; `seq` is only what the server says. Times are milliseconds since 1970, UTC: `created_at` is the
    server's, `signed_at` the sender's, None for a message that was not verified.
    """

    conversation_id: str
    contact: str
    message_id: str
    seq: int
    is_own: bool
    created_at: int
    text: str | None = field(repr=False)
    failure: str = ""
    place: Place = "ok"
    alarm: str = ""
    signed_at: int | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """What a row holds. `link` and `acknowledges` (p and a of its body) and `signed_at` are None unless it was
    verified: only then anything follows from it."""

    row: Row
    is_own: bool
    text: str | None = field(default=None, repr=False)
    failure: str = ""
    is_forged: bool = False
    link: str | None = None
    acknowledges: tuple[int, str] | None = None
    signed_at: int | None = None

    @property
    def is_verified(self) -> bool:
        """True if its sender signed it, and the server describes it rightly."""
        return self.link is not None

    @property
    def side(self) -> str:
        """Whose it is, as the state and the vault call it."""
        return "own" if self.is_own else "theirs"


def open_row(row: Row, keys: crypto.Keys, ik: bytes, me: str) -> Opened:
    """Open one's copy. `ik` is the partner's pinned key, `me` one's own id."""
    is_own = row.sender_id == me
    if row.is_malformed:
        return Opened(row, is_own, failure="unverified")
    if row.encrypted is None:
        return Opened(row, is_own, failure="gone")
    sender, recipient = (keys.ik, ik) if is_own else (ik, keys.ik)
    claimed: dict[str, Any] = {name: getattr(row, name) for name in ("message_id", "n", "hash", "suite")}
    try:
        message = crypto.open_message(keys, sender, recipient, row.encrypted, **claimed)
        _check_what_stands_beside(row, message)
    except crypto.Unsupported as error:
        return Opened(row, is_own, failure="unsupported", link=error.p, acknowledges=error.a)
    except crypto.Forged:
        return Opened(row, is_own, failure="unverified", is_forged=True)
    except crypto.Refused:
        return Opened(row, is_own, failure="unverified")
    text, failure = (message.text, "") if message.kind == "text" else (None, "unsupported")
    return Opened(row, is_own, text, failure, link=message.p, acknowledges=message.a, signed_at=message.ts)


def _check_what_stands_beside(row: Row, message: crypto.Message) -> None:
    """What the server was told beside the envelope is what was signed (docs/protocol.md). Raises Refused."""
    if row.expires_in != message.x or (message.kind == "text" and (row.replaces or row.file)):
        raise crypto.Refused("The server describes this message wrongly.")
