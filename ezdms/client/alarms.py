"""What is alarming in a conversation: it stands until a person goes on, and as long as it stands nothing is sent.

`accepted` in the vault names what was gone on after, here or at another client.
"""

from __future__ import annotations

from typing import Any

from ezdms import crypto
from ezdms.client.contacts import MOST_ACCEPTED, NEW
from ezdms.client.state import State
from ezdms.client.vault import Vault

ROLLED_BACK = "The server no longer shows messages that were here before."
OTHER_KEY = "This is another key: there is no way to go on. Ask for their Search PIN."


class Alarms:
    """All alarms of one account. `vault` is a sentence if the vault itself is one, else ""."""

    def __init__(self, state: State, vault: Vault) -> None:
        self.vault = ""
        self._state = state
        self._contacts = vault

    def of(self, where: str) -> dict[str, str]:
        """Name and sentence of those that stand here."""
        alarms: dict[str, str] = self._state.values["places"].get(where, {}).get("alarms", {})
        accepted = self._accepted(where)
        return {name: sentence for name, sentence in alarms.items() if name not in accepted}

    def sentences(self, where: str) -> list[str]:
        """What a person must know before anything is sent."""
        return [*self.of(where).values(), *filter(None, [self.vault])]

    def is_new(self, where: str, name: str) -> bool:
        """False if a person went on after it."""
        return name not in self._accepted(where)

    def begin(self, where: str, name: str, sentence: str) -> None:
        """From now on it stands, unless a person went on after it before."""
        if self.is_new(where, name) and self.of(where).get(name) != sentence:
            self._note(where, {**self._all(where), name: sentence})

    def settle(self, where: str, name: str) -> None:
        """It was not true, or is not any more."""
        alarms = self._all(where)
        if name in alarms:
            self._note(where, {other: alarms[other] for other in alarms if other != name})

    async def accept(self, where: str) -> None:
        """The person has seen them all, and goes on. Raises crypto.Alarm for a key that is another."""
        alarms = self.of(where)
        if "key" in alarms:
            raise crypto.Alarm(OTHER_KEY)
        self._note(where, {})
        seen = [name for name in alarms if name != "statement"]  # the next one that steps back is another alarm
        await self._contacts.change(where, accepted=[*self._accepted(where), *seen][-MOST_ACCEPTED:])

    def _all(self, where: str) -> dict[str, str]:
        return dict(self._state.values["places"].get(where, {}).get("alarms", {}))

    def _accepted(self, where: str) -> list[str]:
        accepted: list[str] = (self._contacts.contact(where) or NEW)["accepted"]
        return accepted

    def _note(self, where: str, alarms: dict[str, Any]) -> None:
        self._state.note(where, alarms=alarms)
