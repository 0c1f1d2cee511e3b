"""Fetches conversations from the server, decrypts and judges them, and checks that known messages are still there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ezdms import crypto
from ezdms.client import answers
from ezdms.client.alarms import ROLLED_BACK, Alarms
from ezdms.client.answers import Row
from ezdms.client.contacts import Contact
from ezdms.client.judging import Judge, Judged
from ezdms.client.receiving import Message, open_row
from ezdms.client.roster import Roster
from ezdms.client.state import State
from ezdms.client.transport import LARGEST_LIST, Transport
from ezdms.client.vault import Vault

PAGE = 200  # messages per request
MOST_PAGES = 1000  # of a conversation, when searching for a known message


class History:
    """The messages of one account's conversations."""

    def __init__(self, state: State, transport: Transport, keys: crypto.Keys) -> None:
        self.vault = Vault(state, transport, keys)
        self.alarms = Alarms(state, self.vault)
        self.roster = Roster(state, transport, self.vault, self.alarms)
        self._state = state
        self._transport = transport
        self._keys = keys

    async def page(self, where: str, limit: int, before: int | None) -> list[Message]:
        """Messages by rising seq: the newest, or those before a seq."""
        person = await self.roster.find(where)
        rows = await self.rows(where, limit, **({} if before is None else {"before": before}))
        judge = Judge.of_page(where, self._known(where))
        found = [self._judge(person, row, judge) for row in rows]
        if before is None:
            await self._remember(where, judge)
            await self._look_back(person, judge, rows[0].seq if rows else 1)
        return [judged.message for judged in found if judged.message is not None]

    async def rows(self, where: str, limit: int, **within: int) -> list[Row]:
        """One page as the server sends it: `after` or `before` a seq."""
        answer = await self._transport.get(f"/messages/{where}", largest=LARGEST_LIST, limit=limit, **within)
        return answers.read_page(answer, limit=limit, **within)

    async def rows_after(self, where: str, seq: int, limit: int) -> AsyncIterator[Row]:
        """Up to `limit` rows after a seq as the server sends them."""
        while limit > 0:
            rows = await self.rows(where, min(limit, PAGE), after=seq)
            for row in rows:
                yield row
            if len(rows) < min(limit, PAGE):
                return
            seq, limit = rows[-1].seq, limit - len(rows)

    async def since(self, where: str, seq: int, limit: int) -> list[Message]:
        """Up to `limit` messages after a seq, as one chain, so that nothing can be lost between two pages."""
        person = await self.roster.find(where)
        judge = Judge.of_page(where, self._known(where))
        found = [self._judge(person, row, judge) async for row in self.rows_after(where, seq, limit)]
        await self._remember(where, judge)
        return [judged.message for judged in found if judged.message is not None]

    @property
    def _me(self) -> str:
        return str(self._state.values["user_id"])

    def _known(self, where: str) -> dict[str, Any]:
        known = self.roster.known(where)
        if known is None:
            raise crypto.Alarm(
                "This device has never seen this person's key, so nothing in this conversation can be verified."
            )
        return known

    def _judge(self, person: Contact, row: Row, judge: Judge) -> Judged:
        judged = judge.follow(open_row(row, self._keys, person.ik, self._me))
        self._note_alarm(person.conversation_id, judged)
        return judged

    def _note_alarm(self, where: str, judged: Judged) -> None:
        if judged.message is not None and judged.message.alarm:
            self.alarms.begin(where, judged.alarm, judged.message.alarm)

    async def _remember(self, where: str, judge: Judge) -> None:
        """Store each side's highest verified message and its seq, to detect when the server later shows less."""
        known = self._known(where)
        changed = {side: last for side, last in judge.seen().items() if last[0] > (known[side] or [0])[0]}
        if changed:
            seqs = {side: judge.at.get((last[0], last[1])) for side, last in changed.items()}
            at = {side: [*changed[side], seq] for side, seq in seqs.items() if seq}
            self._state.note(where, at={**self._state.place(where).get("at", {}), **at})
            await self.roster.pin(where)
            await self.vault.change(where, later=True, **changed)

    async def _look_back(self, person: Contact, judge: Judge, before: int) -> None:
        """Check that each side's last known message is still there, readable or not. If it is not among the judged
        rows, look where it was, then in all earlier rows. Begins an alarm if it is missing."""
        where = person.conversation_id
        wanted = {
            side: chain.known
            for side, chain in judge.chains.items()
            if chain.known and crypto.is_taken_back(chain) and not self._is_missed(where, chain.known)
        }
        for link in self._state.place(where).get("at", {}).values():
            if (link[0], link[1]) in wanted.values():
                self._find(where, wanted, await self.rows(where, 1, after=link[2] - 1))
        for _ in range(MOST_PAGES):
            rows = await self.rows(where, PAGE, before=before) if wanted and before > 1 else []
            if not rows:
                break
            self._find(where, wanted, rows)
            before = rows[0].seq
        for known in wanted.values():
            self.alarms.begin(where, f"rollback {known[1]}", ROLLED_BACK)

    def _is_missed(self, where: str, known: tuple[int, str]) -> bool:
        """True if it was found missing before: there is an alarm, or an accepted one."""
        name = f"rollback {known[1]}"
        return name in self.alarms.of(where) or not self.alarms.is_new(where, name)

    def _find(self, where: str, wanted: dict[str, tuple[int, str]], rows: list[Row]) -> None:
        """Remove from `wanted` what is in these rows."""
        for row in rows:
            side = "own" if row.sender_id == self._me else "theirs"
            if wanted.get(side) == (row.n, row.hash):
                del wanted[side]
                place = self._state.place(where)
                at = {**place.get("at", {}), side: [row.n, row.hash, row.seq]}
                self._state.note(where, at=at, **{side: place.get(side) or [row.n, row.hash]})
