"""Judging (docs/protocol.md, Receiving): checks that messages follow each other as their senders signed it, in each
sender's chain and in the order of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ezdms import crypto
from ezdms.client.changes import SHOWN_ONCE
from ezdms.client.message import Message, Place, SharedFile
from ezdms.client.receiving import Opened

TAMPERED = "This conversation was tampered with: a message does not follow the ones before it."
FORGED = "A message has a forged signature: someone tried to impersonate its sender."
ORDER = (
    "These messages cannot have been written in this order: one says that its sender had seen another, which {what}. "
    "Either the server moved messages, or {name} signed something false."
)
WRONG = {"fork": "is not the one shown here", "impossible": "comes after it"}
SIDES = ("own", "theirs")

Link = tuple[int, str]  # n and hash


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged row. `message` is None for a duplicate; `alarm` is the name that is accepted when the user
    continues."""

    opened: Opened
    message: Message | None
    alarm: str = ""

    @property
    def moves(self) -> bool:
        """True if it advances the conversation: verified, and no alarm."""
        return self.opened.is_verified and not self.alarm


class Judge:
    """Judges the rows of one conversation in order of seq: a page, or everything new."""

    def __init__(
        self, where: str, contact: dict[str, Any], chains: dict[str, crypto.Chain], order: crypto.Order
    ) -> None:
        self.chains = chains
        self.order = order
        self.at: dict[Link, int] = {}  # the seq of each verified message
        self._hashes: dict[tuple[str, str], str] = {}  # of each verified message, by side and id
        self._where = where
        self._contact = contact

    @classmethod
    def of_page(cls, where: str, contact: dict[str, Any]) -> Judge:
        """For a page of history; earlier verified messages still count."""
        chains = {side: crypto.Chain(pair(contact[side])) for side in SIDES}
        return cls(where, contact, chains, crypto.Order())

    @classmethod
    def of_news(cls, where: str, contact: dict[str, Any], place: dict[str, Any]) -> Judge:
        """For new messages: continues where this client stopped."""
        chains, order = {}, crypto.Order()
        for side in SIDES:
            last = pair(place.get(side))
            chains[side] = crypto.Chain.resume(last, pair(contact[side]))
            highest, acknowledged = place.get("order", {}).get(side, (0, 0))
            order.sides[side] = crypto.Side(highest, acknowledged, dict([last] if last else []))
        return cls(where, contact, chains, order)

    def follow(self, opened: Opened) -> Judged:
        """Judge the next row."""
        row = opened.row
        if row.is_malformed:
            return Judged(opened, self.message_of(opened))
        verdict = self.chains[opened.side].follow(n=row.n, hash=row.hash, p=opened.link)
        if verdict == "duplicate":
            return Judged(opened, None)
        if opened.is_verified:
            self.at[row.n, row.hash] = row.seq
            if self._hashes.setdefault((opened.side, row.message_id), row.hash) != row.hash:
                verdict = "fork"  # encrypted again although the first one was stored: an id is used only once
        if opened.is_forged:
            return self._alarm(opened, f"forged {row.message_id}", FORGED)
        if verdict == "fork":
            return self._alarm(opened, f"fork {row.hash}", TAMPERED, text=None, file=None, failure="unverified")
        order = self.order.follow(crypto.Row(opened.side, row.n, row.hash, opened.acknowledges))
        if order in WRONG:
            sentence = ORDER.format(what=WRONG[order], name=self._contact["name"])
            return self._alarm(opened, f"order {row.hash}", sentence)
        place: Place = verdict or "ok"
        return Judged(opened, self.message_of(opened, "crossed" if (place, order) == ("ok", "crossed") else place))

    def seen(self) -> dict[str, list[Any]]:
        """The highest verified message of each side."""
        return {side: [*chain.last] for side, chain in self.chains.items() if chain.last}

    def order_so_far(self) -> dict[str, list[int]]:
        """The state needed to continue in another run."""
        return {name: [side.highest, side.acknowledged] for name, side in self.order.sides.items()}

    def _alarm(self, opened: Opened, name: str, sentence: str, **shown: Any) -> Judged:
        is_new = name not in self._contact["accepted"]
        return Judged(opened, self.message_of(opened, alarm=sentence if is_new else "", **shown), name)

    def message_of(self, opened: Opened, place: Place = "ok", **changed: Any) -> Message:
        """The message of this row alone, without what changes do to it (thread.py)."""
        row, body = opened.row, opened.body
        kind = body.kind if body is not None else ""
        shown: dict[str, Any] = {
            "text": body.text if body is not None and kind == "text" else None,
            "failure": opened.failure,
            "file": SharedFile.of(body.text) if body is not None and kind == "file" else None,
            "timer": int(body.text) if body is not None and kind == "timer" else None,
            **changed,
        }
        return Message(
            conversation_id=self._where,
            contact=self._contact["name"],
            message_id=row.message_id,
            seq=row.seq,
            is_own=opened.is_own,
            created_at=row.created_at,
            place=place,
            signed_at=None if body is None else body.ts,
            n=row.n if opened.is_verified else 0,
            state=shown["failure"] or ("change" if kind in SHOWN_ONCE else kind),
            hash=row.hash,
            originals=() if body is None or opened.is_own else ((row.message_id, body.jws),),
            **shown,
        )


def pair(stored: list[Any] | None) -> Link | None:
    """(n, hash) from its stored form."""
    return None if stored is None else (int(stored[0]), str(stored[1]))
