"""Receiving (docs/protocol.md): decrypts and verifies the server's rows. They become messages once their place was
judged (judging.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ezdms import crypto
from ezdms.client.answers import Row
from ezdms.client.changes import is_described


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted row. `body` is None unless it was verified and is of a known kind. `link` and `acknowledges` (p and a
    of its body) are None unless it was verified."""

    row: Row
    is_own: bool
    body: crypto.Message | None = field(default=None, repr=False)
    failure: str = ""
    is_forged: bool = False
    link: str | None = None
    acknowledges: tuple[int, str] | None = None

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
        if not is_described(message, expires_in=row.expires_in, replaces=row.replaces, file=row.file):
            return Opened(row, is_own, failure="unverified")
    except crypto.Unsupported as error:
        return Opened(row, is_own, failure="unsupported", link=error.p, acknowledges=error.a)
    except crypto.Forged:
        return Opened(row, is_own, failure="unverified", is_forged=True)
    except crypto.Refused:
        return Opened(row, is_own, failure="unverified")
    return Opened(row, is_own, message, link=message.p, acknowledges=message.a)
