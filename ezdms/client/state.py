"""What a client saves between runs: one file per account, readable only by its owner and replaced atomically.

Private keys are saved only wrapped under the Login PIN, queued messages only encrypted. The session token is saved as
is: it cannot decrypt anything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ezdms import crypto
from ezdms.client import files
from ezdms.client.errors import ClientError, NoAccount
from ezdms.client.sealed_files import SealedFiles
from ezdms.client.servers import address_of

VERSION = 1


def default_home() -> Path:
    """The platform's folder for settings: XDG_CONFIG_HOME or ~/.config, on a Mac ~/Library/Application Support."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ezdms"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ezdms"


def home_folder(home: Path | str | None = None) -> Path:
    """Where accounts are saved: `home`, else EZDMS_HOME, else the platform's folder for settings."""
    return Path(home or os.environ.get("EZDMS_HOME") or default_home())


class State:
    """The file of one account. Several processes may use it: each change rereads it, under a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[str, Any] = {}

    @classmethod
    def create(cls, home: Path, values: dict[str, Any]) -> State:
        """Create the file of a new account, or update that of a known one, keeping its contacts. `values` contain the
        server's address as typed and the user's own statement, which identify the file."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = cls.of_identity(home, values["server"], values["statement"]) or cls(_path(home, values))
        empty = {"vault": {"version": 0, "dirty": False}, "contacts": {}, "places": {}, "outbox": []}
        with state.change() as stored:
            stored.update({"v": VERSION} | empty | stored | values)
        return state

    @classmethod
    def of_identity(cls, home: Path, server: str, statement: str) -> State | None:
        """The file of the account with this key at this server, whatever its name."""
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
        """The saved account that matches: `account` is its username, or its user id if none has that name. Raises
        NoAccount if there is none, ClientError if several match."""
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
            f"Several accounts are saved here: {names}. Choose one with --account NAME or USER_ID, and --server."
        )

    def load(self) -> None:
        """Read the current file. Raises NoAccount if it is missing or not valid."""
        try:
            values = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise NoAccount(f"The account file {self.path} is missing. Log in again.") from error
        except ValueError as error:
            raise NoAccount(f"The account file {self.path} is damaged. Move it away and log in again.") from error
        if not isinstance(values, dict) or values.get("v") != VERSION:
            raise NoAccount(
                f"The account file {self.path} is from a different version of EZ-DMS. Move it away and log in again."
            )
        self.values = values

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """Change the current values of the file. They are on disk when this ends."""
        with files.locked(self.path):
            if self.path.exists():
                self.load()
            yield self.values
            files.replace(self.path, json.dumps(self.values, ensure_ascii=False))

    @property
    def uploads(self) -> SealedFiles:
        """The sealed files of queued messages, in a folder next to the file."""
        return SealedFiles(self.path.with_suffix(".files"))

    def place(self, where: str) -> dict[str, Any]:
        """What is stored about a conversation only on this machine."""
        place: dict[str, Any] = self.values["places"].get(where, {})
        return place

    def note(self, where: str, **changed: Any) -> None:
        """Change that."""
        with self.change() as values:
            values["places"].setdefault(where, {}).update(changed)

    def forget(self) -> None:
        """Remove the file, and sealed files that were not sent."""
        for path in (self.path, self.path.with_suffix(".lock")):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.path.with_suffix(".files"), ignore_errors=True)
        self.values = {}


def _path(home: Path, values: dict[str, Any]) -> Path:
    """The file's path: named after the signed username and the typed address, made unique by the key."""
    statement = crypto.verify_statement(values["statement"])
    host = re.sub(r"[^a-z0-9.]+", "_", urlsplit(values["server"]).netloc.lower())
    return home / f"{statement.name}@{host}.{crypto.fingerprint(statement.ik)[:6].hex()}.json"
