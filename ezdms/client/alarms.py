"""The alarms of a conversation. An alarm stays, and blocks sending, until the user continues anyway.

`accepted` in the vault names the alarms that were accepted, here or on another client. A name says what the alarm is
about: "forged" and a message id, "fork", "order" or "rollback" and a hash. Alarms whose name is one word ("key",
"statement", "vault", "rollback" of unknown messages) are not remembered: the next one is new. "numbers differed" in
`accepted` is itself an alarm, "numbers", until that is accepted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ezdms.client.contacts import MOST_ACCEPTED, NEW
from ezdms.client.state import State
from ezdms.client.vault import Vault

NUMBERS = "numbers"
DIFFERED = "numbers differed"
NUMBERS_DIFFER = "You said that your safety numbers differ: one of you sees a different key than the other."
ROLLED_BACK = "The server no longer shows messages that were here before."
CHANGED = (
    "It may be that the server changes or reorders messages, or that a device of one of you does. Compare with them, "
    "in person or by phone, what was said last."
)
# What it may mean and what to do, by the first word of an alarm's name. As in contact.js.
ABOUT = {
    "key": "It may be that someone has put themselves between you. Do not trust what stands here until you have asked "
    "them for their Search PIN in person or by phone.",
    "statement": "It may be that they have a new device or program, or that someone who has their Login PIN acts for "
    "them. Ask them, in person or by phone, whether they changed something.",
    "vault": "It may be that the server was restored from a backup, or that it hides what your other devices know. Ask "
    "whoever runs it. If you continue, your list replaces the one on the server.",
    "rollback": "It may be that the server was restored from a backup, or that it withholds messages from you. Compare "
    "with them, in person or by phone, what was said last, and ask whoever runs the server.",
    "forged": "It may be that the server, or someone who controls it, writes in this name. Ask the other person, in "
    "person or by phone, what they wrote, and do not act on the message that is marked.",
    "fork": CHANGED,
    "order": CHANGED,
    "numbers": "It may be that someone has put themselves between you. Check that both of you compared this "
    "conversation, and read the numbers again. If they still differ, write nothing here, and meet or call instead.",
}
OTHER_KEY = "This is a different key, so you cannot continue. Ask them for their new Search PIN."


class Alarms:
    """All alarms of one account. `vault`: the alarm about the vault itself, "" if there is none."""

    def __init__(self, state: State, vault: Vault) -> None:
        self.vault = ""
        self._state = state
        self._contacts = vault

    def of(self, where: str) -> dict[str, str]:
        """The active alarms of a conversation: name → sentence."""
        accepted = self._accepted(where)
        alarms = self._all(where) | ({NUMBERS: NUMBERS_DIFFER} if DIFFERED in accepted else {})
        return {name: sentence for name, sentence in alarms.items() if name not in accepted}

    def standing(self, where: str) -> dict[str, str]:
        """The alarms that block sending, with the one about the vault: name → sentence."""
        return self.of(where) | ({"vault": self.vault} if self.vault else {})

    def is_new(self, where: str, name: str) -> bool:
        """False if the user accepted it."""
        return name not in self._accepted(where)

    def begin(self, where: str, name: str, sentence: str) -> None:
        """Raise an alarm, unless the user accepted it before."""
        if self.is_new(where, name) and self.of(where).get(name) != sentence:
            self._note(where, {**self._all(where), name: sentence})

    def settle(self, where: str, name: str) -> None:
        """Remove an alarm that no longer applies."""
        alarms = self._all(where)
        if name in alarms:
            self._note(where, {other: alarms[other] for other in alarms if other != name})

    async def accept(self, where: str, seen: Collection[str]) -> None:
        """Accept the alarms with these names: the user saw them and continues. Others stay."""
        with self._state.change() as values:  # another process may have raised others
            place = values["places"].setdefault(where, {})
            place["alarms"] = {name: place["alarms"][name] for name in place.get("alarms", {}) if name not in seen}
        await self._remember(where, [name for name in seen if " " in name or name == NUMBERS])

    async def numbers_differ(self, where: str) -> None:
        """Lock the conversation, here and on the user's other devices: the safety numbers were compared, and differ."""
        await self._remember(where, [DIFFERED])

    async def _remember(self, where: str, names: Collection[str]) -> None:
        new = [name for name in names if self.is_new(where, name)]
        await self._contacts.change(where, accepted=[*self._accepted(where), *new][-MOST_ACCEPTED:])

    def _all(self, where: str) -> dict[str, str]:
        return dict(self._state.values["places"].get(where, {}).get("alarms", {}))

    def _accepted(self, where: str) -> list[str]:
        accepted: list[str] = (self._contacts.contact(where) or NEW)["accepted"]
        return accepted

    def _note(self, where: str, alarms: dict[str, Any]) -> None:
        self._state.note(where, alarms=alarms)
