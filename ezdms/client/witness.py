"""Checks which build of the page the server serves, to protect the user's other devices (docs/verify.md).

This client runs no code from the server. It sees only what it was served itself, not what others get.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from ezdms import __version__
from ezdms.client.errors import ClientError
from ezdms.client.served import HOUR, Build, build_of, doubts, merge
from ezdms.client.state import State
from ezdms.client.transport import visit
from ezdms.client.vault import Vault
from ezdms.release import BUILD_SHOWN, digest_of
from ezdms.views import assets

WITHIN = 10.0  # seconds for the page
LARGEST = 256 * 1024  # bytes of the page
FOREIGN = (
    "The page of {server} says it is EZ-DMS {version}, but its scripts differ from those of EZ-DMS {version} installed "
    "here. Do not type your Login PIN there until you know why: run `ezdms verify {server}`."
)
SENTENCES = {
    "differ": (
        "{server} served your devices different builds of EZ-DMS {one} ({builds}). A release has one build, so "
        "someone changed one of them. Do not type your Login PIN there until you know why: run "
        "`ezdms verify {server}`."
    ),
    "turns": (
        "{server} served your devices EZ-DMS {one}, then {other}, and then {one} again ({builds}). Unless it was "
        "downgraded, it serves your devices different pages, or the clock of one of them is wrong."
    ),
}
log = logging.getLogger(__name__)


class Witness:
    """Compares the builds that this client and the user's other devices were served."""

    def __init__(self, state: State, server: str, vault: Vault) -> None:
        self._state = state
        self._server = server
        self._vault = vault
        self._has_warned = False
        self._looking: asyncio.Task[None] | None = None

    def begin(self, now: int) -> asyncio.Task[None]:
        """Start a check in the background, unless one is running; `look` waits for it."""
        if self._looking is not None and self._looking.done():
            self._looking.result()
            self._looking = None
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(now))
        return self._looking

    async def look(self, now: int) -> None:
        """Check, and wait for the result."""
        await self.begin(now)

    async def _look(self, now: int) -> None:
        """Check, at most once an hour, and log suspicious builds as a warning: after each check, and once per client.

        Nobody asked for it, so an unreadable page or an unwritable file ends it silently.
        """
        if not self._state.values:
            return
        if abs(now - self._state.values["vault"].get("looked", 0)) < HOUR:
            if not self._has_warned:
                self._warn(self._odd([], now))
            return
        with suppress(ClientError, TimeoutError, OSError):
            with self._state.change() as values:
                values["vault"]["looked"] = now
            async with asyncio.timeout(WITHIN):
                build = build_of(await visit(self._server, "/", largest=LARGEST), now)
            self._warn(self._odd([build], now))
            await self._vault.note_served(build)

    def _warn(self, sentences: list[str]) -> None:
        self._has_warned = True
        for sentence in sentences:
            log.warning("%s", sentence)

    def _odd(self, seen: list[Build], now: int) -> list[str]:
        found = []
        if any(build["version"] == __version__ and build["digest"] != _installed() for build in seen):
            found.append(FOREIGN.format(server=self._server, version=__version__))
        for kind, one, other in doubts(merge(self._vault.builds(), seen), now):
            words = {"one": one["version"], "other": other["version"], "builds": f"{_shown(one)}; {_shown(other)}"}
            found.append(SENTENCES[kind].format(server=self._server, **words))
        return found


def _shown(build: Build) -> str:
    first, last = (datetime.fromtimestamp(build[name] / 1000, UTC).astimezone() for name in ("first", "last"))
    here = ", the one installed here" if build["digest"] == _installed() else ""
    return f"build {build['digest'][:BUILD_SHOWN]}{here}, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"


def _installed() -> str:
    return digest_of(assets.import_map())
