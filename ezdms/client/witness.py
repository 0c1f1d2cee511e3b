"""Looks at which build of its page the server serves, for the other devices of the same person (docs/verify.md).

This client runs no code of the server's. It sees what it was served itself, and learns nothing of what others get.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from ezdms import __version__, assets
from ezdms.client.errors import ClientError
from ezdms.client.served import HOUR, Build, build_of, digest_of, doubts, merge
from ezdms.client.state import State
from ezdms.client.transport import visit
from ezdms.client.vault import Vault

WITHIN = 10.0  # seconds for the page
LARGEST = 256 * 1024  # bytes of it
FOREIGN = (
    "The page of {server} says that it is EZ-DMS {version}, but its scripts are not those of EZ-DMS {version} as it is "
    "installed here. Do not type your Login PIN there before you know why: check it with `ezdms verify`."
)
SENTENCES = {
    "differ": (
        "{server} served your devices different builds of EZ-DMS {one} ({builds}). A release has one build, so "
        "somebody changed one of them. Do not type your Login PIN there before you know why: check it with "
        "`ezdms verify`."
    ),
    "turns": (
        "{server} served your devices EZ-DMS {one}, then {other}, and then {one} again ({builds}). If whoever runs it "
        "did not go back, it serves your devices different pages."
    ),
}
log = logging.getLogger(__name__)


class Witness:
    """What one client saw, and what is odd about it beside what the other devices of this person saw."""

    def __init__(self, state: State, server: str, vault: Vault) -> None:
        self._state = state
        self._server = server
        self._vault = vault

    async def look(self, now: int) -> None:
        """Look, once an hour at most, and log what is odd as a warning.

        Nobody asked for it: a page that cannot be read, or a file that cannot be written, ends it without a word.
        """
        if not self._state.values or abs(now - self._state.values["vault"].get("looked", 0)) < HOUR:
            return
        with suppress(ClientError, TimeoutError, OSError):
            with self._state.change() as values:
                values["vault"]["looked"] = now
            async with asyncio.timeout(WITHIN):
                build = build_of(await visit(self._server, "/", largest=LARGEST), now)
            for sentence in self._odd(build, now):
                log.warning("%s", sentence)
            await self._vault.note_served(build)

    def _odd(self, build: Build, now: int) -> list[str]:
        found = []
        if build["version"] == __version__ and build["digest"] != digest_of(assets.import_map()):
            found.append(FOREIGN.format(server=self._server, version=__version__))
        for kind, one, other in doubts(merge(self._vault.builds(), [build]), now):
            words = {"one": one["version"], "other": other["version"], "builds": f"{_shown(one)}; {_shown(other)}"}
            found.append(SENTENCES[kind].format(server=self._server, **words))
        return found


def _shown(build: Build) -> str:
    first, last = (datetime.fromtimestamp(build[name] / 1000, UTC).astimezone() for name in ("first", "last"))
    return f"build {build['digest'][:8]}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
