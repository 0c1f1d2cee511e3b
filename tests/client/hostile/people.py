"""Users of the hostile tests: their homes, copied for each test, and their commands, run in this process."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from click.testing import CliRunner

from ezdms import crypto
from ezdms.cli import main
from ezdms.client import Client, Message
from ezdms.client.state import State
from tests.client.hostile.wire import Wire
from tests.support.once import cheap_login_pin

Found = TypeVar("Found")


@dataclass(frozen=True)
class Said:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Someone:
    """An account at the server behind the wire."""

    name: str
    pin: str
    home: Path
    wire: Wire
    keys: crypto.Keys

    @classmethod
    def register(cls, wire: Wire, name: str, home: Path) -> Someone:
        pin = cheap_login_pin()

        async def make() -> crypto.Keys:
            async with await Client.register(wire.url, name, pin, home=home) as client:
                return client.keys

        return cls(name, pin, home, wire, asyncio.run(make()))

    def copy(self, folder: Path) -> Someone:
        """The same user, with a copy of their home."""
        shutil.copytree(self.home, folder / self.name)
        return Someone(self.name, self.pin, folder / self.name, self.wire, self.keys)

    def at(self, wire: Wire) -> Someone:
        """The same user, at another address of the server."""
        return Someone(self.name, self.pin, self.home, wire, self.keys)

    @property
    def state(self) -> State:
        return State.find(self.home)

    @property
    def values(self) -> dict[str, Any]:
        return self.state.values

    @property
    def user_id(self) -> str:
        return str(self.values["user_id"])

    @property
    def search_pin(self) -> str:
        return str(json.loads(self.run("whoami", "--json").out)["search_pin"])

    @property
    def fp(self) -> bytes:
        return self.keys.fp

    def run(self, *words: str, typed: str = "", **environment: str) -> Said:
        """Run an `ezdms` command. Unhandled exceptions are raised."""
        own = {"EZDMS_HOME": str(self.home), "EZDMS_PIN": self.pin, "EZDMS_SERVER": self.wire.url}
        clean = {"EZDMS_PIN_FILE": None, "EZDMS_TRUST_SERVER": None}
        result = CliRunner().invoke(main, list(words), input=typed, env=clean | own | environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def do(self, act: Callable[[Client], Awaitable[Found]]) -> Found:
        """Do something with the library, as this user."""

        async def doing() -> Found:
            async with await Client.open(self.state, self.pin) as client:
                return await act(client)

        return asyncio.run(doing())


def where(one: Someone, other: Someone | crypto.Keys) -> str:
    """The id of their conversation."""
    return crypto.conversation_id(one.fp, other.fp)


def stored(folder: Path) -> dict[str, str]:
    """Every file under a folder, with its content."""
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


def heads(someone: Someone, conversation: str) -> dict[str, Any]:
    """The positions that unsigned rows must not change."""
    values = someone.values
    known, place = values["contacts"][conversation], values["places"].get(conversation, {})
    names = ("heard", "own", "theirs", "sent", "seen")
    return {f"vault {side}": known[side] for side in ("own", "theirs")} | {name: place.get(name) for name in names}


def changed(**members: Any) -> Callable[[Any, Any], None]:
    """A lie: change these members of the response. `...` removes one."""

    def lie(_: Any, answer: Any) -> None:
        told = {**answer.json, **members}
        answer.json = {name: value for name, value in told.items() if value is not ...}

    return lie


def instead(value: Any) -> Callable[[Any, Any], None]:
    """A lie: replace the whole response."""

    def lie(_: Any, answer: Any) -> None:
        answer.json = cast(Any, value)

    return lie


async def all_new(client: Client, conversation: str) -> list[Message]:
    """The new messages that `messages()` yields for one conversation."""
    events = [event async for event in client._conversations.catch_up(conversation)]
    return [event.message for event in events if event.kind == "message" and event.message is not None]


def open_own(me: Someone, other: Someone, sent: dict[str, Any]) -> crypto.Message:
    """Open a queued message as its sender."""
    side = "content_for_a" if crypto.in_order(me.fp, other.fp)[0] == me.fp else "content_for_b"
    claimed: dict[str, Any] = {"message_id": sent["message_id"], "n": sent["n"], "hash": sent["hash"]}
    return crypto.open_message(me.keys, me.keys.ik, other.keys.ik, sent[side], **claimed)
