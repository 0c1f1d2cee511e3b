"""What is known of a contact, and how what two clients of one person know becomes one (docs/protocol.md, Vault)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ezdms import crypto

NEW: dict[str, Any] = {"name": "", "verified": "", "own": None, "theirs": None, "accepted": []}
MOST_ACCEPTED = 50
PINNED = ("ik", "seq", "hash", "suite", "name")
RANKS = ("", "link", "search-pin", "safety-number")  # how one knows who somebody is; the higher wins


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody one talks with. `name` is the one that their key signed.

    `verified` is "safety-number", "search-pin", "link" (found by a link that anybody could have made) or "" (not yet);
    `is_verified` is true for the first two. `search_pin` is theirs if it was typed here, else "": the server gives
    nobody's away. `is_missing`: the server's list leaves this contact out; nothing can be sent to them.
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
        """True once a person made sure of who this is."""
        return self.verified in ("search-pin", "safety-number")


def higher(mine: str, theirs: str) -> str:
    """The better of two reasons to know who somebody is; words that are unknown here count as the least."""
    return max(mine, theirs, key=lambda reason: RANKS.index(reason) if reason in RANKS else 0)


def merge(mine: dict[str, Any] | None, theirs: dict[str, Any]) -> dict[str, Any]:
    """What two clients know of one contact, without losing what either knows."""
    if mine is None:
        return {**NEW, **theirs}
    newer = theirs if theirs["seq"] > mine["seq"] else mine
    return {
        **mine,
        **theirs,  # what is unknown here stays as the stored vault has it
        **{name: newer[name] for name in PINNED},
        "verified": higher(mine["verified"], theirs["verified"]),
        "own": _later(mine["own"], theirs["own"]),
        "theirs": _later(mine["theirs"], theirs["theirs"]),
        "accepted": list(dict.fromkeys([*mine["accepted"], *theirs["accepted"]]))[-MOST_ACCEPTED:],
    }


def _later(mine: list[Any] | None, theirs: list[Any] | None) -> list[Any] | None:
    return theirs if theirs and (not mine or theirs[0] > mine[0]) else mine


def pin_of(contact: dict[str, Any]) -> crypto.Pin:
    """The pin in a stored contact."""
    return crypto.Pin(contact["ik"], contact["seq"], contact["hash"], contact["suite"])


def introduced(statement: crypto.Statement, pin: crypto.Pin) -> dict[str, Any]:
    """What is known of somebody from their statement alone. It is stored once a person has to do with them."""
    return {**NEW, **asdict(pin), "name": statement.name}


def is_missed(contact: dict[str, Any], sent: object) -> bool:
    """True if a list without this contact says less than is known: one wrote with them, or made sure who they are, and
    has not deleted the conversation since."""
    return bool(contact["own"] or contact["theirs"] or contact["verified"] or sent) and not is_cleared(contact)


def is_cleared(contact: dict[str, Any]) -> bool:
    """True if the person deleted the conversation, and nothing is known that came later."""
    cleared = contact.get("cleared") or [0, 0]
    heads = [(contact[side] or [0])[0] for side in ("own", "theirs")]
    return "cleared" in contact and all(head <= below for head, below in zip(heads, cleared, strict=False))
