"""Receiving (docs/protocol.md): decrypts and verifies the server's rows. They become messages once their place was
judged (judging.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ezdms import crypto
from ezdms.client.answers import Row

Place = Literal["ok", "gap", "late", "crossed"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message, safe to show.

    `text` is None if it cannot be shown; `failure` then says why: "gone" (deleted or expired), "unverified" (damaged,
    forged, or from another conversation), "unsupported" (from a newer version). `place` is "gap" if messages before it
    are missing, "late" if it was written before messages that arrived earlier, "crossed" if its sender had not yet seen
    a message shown above it. `alarm` is a sentence if the message is an alarm: nothing can be sent in its conversation
    until `Client.go_on`. `n` is its number among its sender's messages here, 0 unless verified; `seq` is only the
    server's claim. Times are milliseconds since 1970, UTC: `created_at` is the server's, `signed_at` the sender's, None
    if unverified.
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
    """A decrypted row. `link` and `acknowledges` (p and a of its body) and `signed_at` are None unless it was
    verified."""

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
        """True if its sender signed it, and the server's description matches."""
        return self.link is not None

    @property
    def side(self) -> str:
        """The sender's side, as named in the state and the vault."""
        return "own" if self.is_own else "theirs"


def open_row(row: Row, keys: crypto.Keys, ik: bytes, me: str) -> Opened:
    """Decrypt and verify one's own copy. `ik`: the partner's pinned key. `me`: one's own id."""
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
    """Check that the server's metadata matches what was signed (docs/protocol.md). Raises Refused."""
    if row.expires_in != message.x or (message.kind == "text" and (row.replaces or row.file)):
        raise crypto.Refused("The server's description of this message is wrong.")
