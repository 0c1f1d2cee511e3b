"""The alarms of a conversation. An alarm stays, and blocks sending, until the user continues anyway.

`accepted` in the vault names the alarms that were accepted, here or on another client.
"""

from __future__ import annotations

from typing import Any

from ezdms import crypto
from ezdms.client.contacts import MOST_ACCEPTED, NEW
from ezdms.client.state import State
from ezdms.client.vault import Vault

ROLLED_BACK = "The server no longer shows messages that were here before."
OTHER_KEY = "This is a different key, so you cannot continue. Ask them for their new Search PIN."


class Alarms:
    """All alarms of one account. `vault`: the alarm about the vault itself, "" if there is none."""

    def __init__(self, state: State, vault: Vault) -> None:
        self.vault = ""
        self._state = state
        self._contacts = vault

    def of(self, where: str) -> dict[str, str]:
        """The active alarms of a conversation: name → sentence."""
        alarms: dict[str, str] = self._state.values["places"].get(where, {}).get("alarms", {})
        accepted = self._accepted(where)
        return {name: sentence for name, sentence in alarms.items() if name not in accepted}

    def sentences(self, where: str) -> list[str]:
        """The alarms that block sending."""
        return [*self.of(where).values(), *filter(None, [self.vault])]

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

    async def accept(self, where: str) -> None:
        """Accept all alarms: the user saw them and continues. Raises crypto.Alarm for a different key."""
        alarms = self.of(where)
        if "key" in alarms:
            raise crypto.Alarm(OTHER_KEY)
        self._note(where, {})
        seen = [name for name in alarms if name != "statement"]  # the next older statement is a new alarm
        await self._contacts.change(where, accepted=[*self._accepted(where), *seen][-MOST_ACCEPTED:])

    def _all(self, where: str) -> dict[str, str]:
        return dict(self._state.values["places"].get(where, {}).get("alarms", {}))

    def _accepted(self, where: str) -> list[str]:
        accepted: list[str] = (self._contacts.contact(where) or NEW)["accepted"]
        return accepted

    def _note(self, where: str, alarms: dict[str, Any]) -> None:
        self._state.note(where, alarms=alarms)
