"""What is known about a contact, and how two clients of one user merge it (docs/protocol.md, Vault)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ezdms import crypto
from ezdms.client.remembered import is_accepted, is_blocked, latest, merge_remembered, read_cleared
from ezdms.protocol.encoding import LATEST_TIME, is_integer

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

    `state` is "accepted", "blocked" (by the user) or "request": they wrote first, and the user has neither answered nor
    accepted it; then `has_namesake` says that another contact has this name, or one that looks like it. `nickname`,
    `muted_until` (ms), `is_pinned` and `is_archived` are the user's own. From the server: `found_by`, how they found
    the user ("search_pin" or ""), and when that PIN was made (ms).
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
    state: str = "accepted"
    has_namesake: bool = False
    nickname: str = ""
    muted_until: int = 0
    is_pinned: bool = False
    is_archived: bool = False
    found_by: str = ""
    pin_created_at: int | None = None
    ik: bytes = field(default=b"", repr=False)
    spki: bytes = field(default=b"", repr=False)

    @property
    def is_verified(self) -> bool:
        """True once the user verified the contact."""
        return self.verified in ("search-pin", "safety-number")


def state_of(contact: dict[str, Any] | None) -> str:
    """What the user made of a contact in the vault: "request", "accepted" or "blocked". Whoever is not there is a
    request. Older versions did not note that the user started a conversation, but that they verified the contact."""
    if contact is None:
        return "request"
    if is_blocked(contact):
        return "blocked"
    is_old = latest(contact.get("met"), None) is None and contact["verified"] != ""
    return "accepted" if is_old or is_accepted(contact) else "request"


def preferences(contact: dict[str, Any]) -> dict[str, Any]:
    """The user's own preferences, as members of Contact. Malformed ones are left out."""
    prefs = latest(contact.get("prefs"), None) or {}
    nick, muted = prefs.get("nick"), prefs.get("muted")
    return {
        "nickname": nick if isinstance(nick, str) and nick.isprintable() else "",
        "muted_until": muted if is_integer(muted, 0, LATEST_TIME) else 0,
        "is_pinned": prefs.get("pinned") is True,
        "is_archived": prefs.get("archived") is True,
    }


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
    """True if the server's list must include this contact: the user exchanged messages with them, accepted or verified
    them, and has not deleted the conversation since."""
    is_known = contact["own"] or contact["theirs"] or contact["verified"] or sent or is_accepted(contact)
    return bool(is_known) and not is_cleared(contact)


def is_cleared(contact: dict[str, Any]) -> bool:
    """True if the user deleted the conversation, and nothing came later."""
    cleared = read_cleared(contact.get("cleared"))
    heads = [(contact[side] or [0])[0] for side in ("own", "theirs")]
    return contact.get("cleared") == cleared and all(head <= below for head, below in zip(heads, cleared, strict=True))
