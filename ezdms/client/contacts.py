"""What is known about a contact, and how two clients of one user merge it (docs/protocol.md, Vault)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ezdms import crypto
from ezdms.client.remembered import merge_remembered

NEW: dict[str, Any] = {"name": "", "verified": "", "own": None, "theirs": None, "accepted": []}
MOST_ACCEPTED = 50
PINNED = ("ik", "seq", "hash", "suite", "name")
RANKS = ("", "link", "search-pin", "safety-number")  # ways of verifying a contact; the higher wins


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact. `name` is the one signed by their key.

    `verified` is "safety-number", "search-pin", "link" (added by a link that anyone could have made) or "" (not yet);
    `is_verified` is true for the first two. `search_pin` is theirs if it was entered here, else "": servers do not
    reveal it. `is_missing`: the server's list leaves this contact out; nothing can be sent to them.
    """

    conversation_id: str
    user_id: str
    name: str
    verified: str
    has_left: bool
    last_seq: int
    unread: int
    alarms: tuple[str, ...] = ()
    search_pin: str = ""
    is_missing: bool = False
    ik: bytes = field(default=b"", repr=False)
    spki: bytes = field(default=b"", repr=False)

    @property
    def is_verified(self) -> bool:
        """True once the user verified the contact."""
        return self.verified in ("search-pin", "safety-number")


def higher(mine: str, theirs: str) -> str:
    """The stronger of two verifications; unknown words count as the weakest."""
    return max(mine, theirs, key=lambda reason: RANKS.index(reason) if reason in RANKS else 0)


def merge(mine: dict[str, Any] | None, theirs: dict[str, Any]) -> dict[str, Any]:
    """Merge what two clients know about a contact, without losing anything."""
    if mine is None:
        return {**NEW, **theirs}
    newer = theirs if theirs["seq"] > mine["seq"] else mine
    return {
        **mine,
        **theirs,  # unknown members are kept from the stored vault
        **{name: newer[name] for name in PINNED},
        "verified": higher(mine["verified"], theirs["verified"]),
        "own": _later(mine["own"], theirs["own"]),
        "theirs": _later(mine["theirs"], theirs["theirs"]),
        "accepted": list(dict.fromkeys([*mine["accepted"], *theirs["accepted"]]))[-MOST_ACCEPTED:],
        **merge_remembered(mine, theirs),
    }


def _later(mine: list[Any] | None, theirs: list[Any] | None) -> list[Any] | None:
    return theirs if theirs and (not mine or theirs[0] > mine[0]) else mine


def pin_of(contact: dict[str, Any]) -> crypto.Pin:
    """The pin in a stored contact."""
    return crypto.Pin(contact["ik"], contact["seq"], contact["hash"], contact["suite"])


def introduced(statement: crypto.Statement, pin: crypto.Pin) -> dict[str, Any]:
    """A contact known only from their statement. Stored once the user interacts with them."""
    return {**NEW, **asdict(pin), "name": statement.name}


def is_missed(contact: dict[str, Any], sent: object) -> bool:
    """True if the server's list must include this contact: the user exchanged messages with them or verified them, and
    has not deleted the conversation since."""
    return bool(contact["own"] or contact["theirs"] or contact["verified"] or sent) and not is_cleared(contact)


def is_cleared(contact: dict[str, Any]) -> bool:
    """True if the user deleted the conversation, and nothing came later."""
    cleared = contact.get("cleared") or [0, 0]
    heads = [(contact[side] or [0])[0] for side in ("own", "theirs")]
    return "cleared" in contact and all(head <= below for head, below in zip(heads, cleared, strict=False))
