"""What a client keeps between runs: one file per account, readable by its owner alone, replaced whole or not at all.

Private keys are in it only wrapped under the Login PIN; messages that wait are in it only sealed. The session's token
is in it as it is: it opens nothing that is encrypted.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ezdms import crypto
from ezdms.client import files
from ezdms.client.errors import ClientError, NoAccount
from ezdms.client.servers import address_of

VERSION = 1


def default_home() -> Path:
    """The platform's folder for settings: XDG_CONFIG_HOME or ~/.config, on a Mac ~/Library/Application Support."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ezdms"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ezdms"


def home_folder(home: Path | str | None = None) -> Path:
    """Where accounts are saved: what was said, else EZDMS_HOME, else the platform's folder for settings."""
    return Path(home or os.environ.get("EZDMS_HOME") or default_home())


class State:
    """The file of one account. Several processes may use it: each change reads it anew, under a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}

    @classmethod
    def create(cls, home: Path, values: dict[str, Any]) -> State:
        """The file of a new account, or of one that is known here: what is known of its contacts stays. `values` hold
        the server's address as it was typed and one's own statement, which say whose file it is."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = cls.of_identity(home, values["server"], values["statement"]) or cls(_path(home, values))
        empty = {"vault": {"version": 0, "dirty": False}, "contacts": {}, "places": {}, "outbox": []}
        with state.change() as stored:
            stored.update({"v": VERSION} | empty | stored | values)
        return state

    @classmethod
    def of_identity(cls, home: Path, server: str, statement: str) -> State | None:
        """The file of the account with this key at this server, whatever it is called."""
        ik = crypto.verify_statement(statement).ik
        for path in sorted(home.glob("*@*.json")):
            state = cls(path)
            try:
                state.load()
                is_same = crypto.verify_statement(state.values["statement"]).ik == ik
            except (NoAccount, crypto.Refused, KeyError):
                continue
            if is_same and address_of(state.values["server"]) == address_of(server):
                return state
        return None

    @classmethod
    def find(cls, home: Path, server: str | None = None, account: str | None = None) -> State:
        """The one saved account that fits: `account` is its username, or its user id where none has that name. Raises
        NoAccount if there is none, ClientError if there is more than one."""
        saved = []
        for path in sorted(home.glob("*@*.json")):
            state = cls(path)
            state.load()
            if server in (None, state.values["server"]):
                saved.append(state)
        found = [state for state in saved if account in (None, state.values["username"])]
        found = found or [state for state in saved if account == state.values["user_id"]]
        if len(found) == 1:
            return found[0]
        if not found:
            raise NoAccount("No account is saved here. Use `ezdms register` or `ezdms login` first.")
        names = ", ".join(
            f"{state.values['username']} at {state.values['server']} (user id {state.values['user_id']})"
            for state in found
        )
        raise ClientError(
            f"Several accounts are saved here: {names}. Say which with --account NAME or USER_ID, and --server."
        )

    def load(self) -> None:
        """Read the file as it is now. Raises NoAccount if it is gone or is none of ours."""
        try:
            values = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise NoAccount(f"The account's file {self.path} is gone.") from error
        except ValueError as error:
            raise NoAccount(f"The file {self.path} is damaged. Move it away and log in again.") from error
        if not isinstance(values, dict) or values.get("v") != VERSION:
            raise NoAccount(f"The file {self.path} is not of this version of EZ-DMS.")
        self.values = values

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Change the values, as they are in the file now; they are on the disk when this ends."""
        with files.locked(self.path):
            if self.path.exists():
                self.load()
            yield self.values
            files.replace(self.path, json.dumps(self.values, ensure_ascii=False, indent=1))

    def place(self, where: str) -> dict[str, Any]:
        """What is kept of a conversation on this machine alone."""
        place: dict[str, Any] = self.values["places"].get(where, {})
        return place

    def note(self, where: str, **changed: Any) -> None:
        """Change some of that."""
        with self.change() as values:
            values["places"].setdefault(where, {}).update(changed)

    def forget(self) -> None:
        """Remove the file."""
        for path in (self.path, self.path.with_suffix(".lock")):
            path.unlink(missing_ok=True)
        self.values = {}


def _path(home: Path, values: dict[str, Any]) -> Path:
    """Named for people by one's own signed name and the address that was typed, and told apart by one's own key."""
    statement = crypto.verify_statement(values["statement"])
    host = re.sub(r"[^a-z0-9.]+", "_", urlsplit(values["server"]).netloc.lower())
    return home / f"{statement.name}@{host}.{crypto.fingerprint(statement.ik)[:6].hex()}.json"
