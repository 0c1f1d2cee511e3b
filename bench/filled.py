"""Fills data folders before a server starts: people with sessions, pairs, conversations and messages.

Writes the same rows as the server, but skips the scrypt hash and the RSA key that each account would cost.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.security import generate_password_hash

from ezdms import crypto
from ezdms.actions import sessions
from ezdms.db import now
from ezdms.models.session import LIFETIME
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_encode
from ezdms.store import data_folder
from ezdms.store.schema import migrate

_MEASURED = crypto.generate_keys()  # everyone shares one RSA key, but has their own identity key
AUTH_KEY = b64u_encode(secrets.token_bytes(32))
AUTH_HASH = generate_password_hash(AUTH_KEY)


@dataclass(frozen=True, slots=True)
class Person:
    """A user with keys, an account and a session."""

    keys: crypto.Keys
    user_id: str
    username: str
    login_id: str
    token: str
    search_pin: str


@dataclass(slots=True)
class Pair:
    """Two people and their conversation; `sender` writes to `reader`."""

    sender: Person
    reader: Person
    conversation_id: str
    sealed_a: str
    sealed_b: str
    n: int = 0

    def fields(self) -> dict[str, str | int]:
        """The fields of the sender's next message, for POST /send_message.

        The text is sealed only once per pair. To the server that makes no difference: it sees two envelopes of the
        right size, a new id and a new counter.
        """
        self.n += 1
        return {
            "conversation_id": self.conversation_id,
            "message_id": b64u_encode(secrets.token_bytes(16)),
            "n": self.n,
            "hash": b64u_encode(secrets.token_bytes(32)),
            "suite": 1,
            "content_for_a": self.sealed_a,
            "content_for_b": self.sealed_b,
        }

    def body(self) -> bytes:
        """The same fields as a JSON object."""
        return json.dumps(self.fields()).encode()


class Filled:
    """A data folder to fill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data_folder.make(path)
        self._connection = sqlite3.connect(path / data_folder.DATABASE, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        migrate(self._connection)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Commit, flush everything to disk, and empty the write-ahead log."""
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def add_people(self, count: int) -> list[Person]:
        """Add people with one session each."""
        people = [_person(number) for number in range(count)]
        moment, spki = now(), _MEASURED.spki
        wrapped = b64u_encode(secrets.token_bytes(1246))
        self._insert(
            "users",
            (
                {
                    "user_id": person.user_id,
                    "username": person.username,
                    "login_id": person.login_id,
                    "auth_hash": AUTH_HASH,
                    "salt": b64u_encode(secrets.token_bytes(16)),
                    "iterations": envelope.WRAP_ITER_MIN,
                    "wrapped_sig": wrapped[:102],
                    "wrapped_enc": wrapped,
                    "statement": crypto.sign_statement(person.keys, person.username, 1, moment),
                    "fingerprint": b64u_encode(person.keys.fp),
                    "key_id": envelope.key_id(spki),
                    "created_at": moment,
                }
                for person in people
            ),
        )
        self._insert("usage", ({"user_id": person.user_id} for person in people))
        self._insert(
            "search_pins",
            (
                {"search_pin": person.search_pin, "user_id": person.user_id, "salt": "x", "created_at": moment}
                for person in people
            ),
        )
        self._insert(
            "sessions",
            (
                {
                    "session_id": sessions.random_id(16),
                    "token_hash": sessions.hash_token(person.token),
                    "user_id": person.user_id,
                    "created_at": moment,
                    "expires_at": moment + LIFETIME,
                    "browser": "Unknown browser",
                    "address": "127.0.0.1",
                    "used_at": moment,
                }
                for person in people
            ),
        )
        return people

    def find(self, username: str) -> tuple[str, envelope.Statement]:
        """The id and the key statement of an existing user."""
        row = self._connection.execute(
            "SELECT user_id, statement FROM users WHERE username = ?", (username,)
        ).fetchone()
        return row["user_id"], envelope.parse_statement(row["statement"])

    def add_conversation(self, one: tuple[bytes, str], other: tuple[bytes, str]) -> str:
        """Add an empty conversation between two users, each given as (fingerprint, id). Returns its id."""
        conversation_id = crypto.conversation_id(one[0], other[0])
        moment = now()
        self._insert("conversations", [{"conversation_id": conversation_id, "created_at": moment, "last_at": moment}])
        self._insert(
            "participants",
            [
                {"conversation_id": conversation_id, "side": side, "user_id": user_id}
                for side, (_, user_id) in zip("ab", sorted((one, other)), strict=True)
            ],
        )
        return conversation_id

    def add_message(
        self, conversation_id: str, sender: Person, sealed: crypto.SealedMessage, *, seq: int = 1, at: int = 0
    ) -> None:
        """Add the next message of a conversation, stored at this time (ms) or now."""
        row: dict[str, str | int] = {"conversation_id": conversation_id, "seq": seq, "message_id": sealed.message_id}
        row |= {
            "n": sealed.n,
            "sender_id": sender.user_id,
            "hash": sealed.hash,
            "suite": sealed.suite,
            "created_at": at or now(),
        }
        self._insert("messages", [row | {"sealed_a": sealed.content_for_a, "sealed_b": sealed.content_for_b}])
        self._connection.execute(
            "UPDATE conversations SET last_seq = ? WHERE conversation_id = ?", (seq, conversation_id)
        )

    def add_pair(self, one: Person, other: Person) -> Pair:
        """Add an empty conversation between two people from `add_people`."""
        conversation_id = self.add_conversation(*((person.keys.fp, person.user_id) for person in (one, other)))
        sealed = crypto.seal_message(
            one.keys, other.keys.ik, other.keys.spki, n=1, p="", a=(0, ""), ts=now(), text="Shall we meet at eight?"
        )
        return Pair(one, other, conversation_id, sealed.content_for_a, sealed.content_for_b)

    def add_messages(self, pair: Pair, count: int) -> None:
        """Add `count` messages from the pair's sender, one per second up to now, all read by the reader."""
        first = now() - count * 1000
        self._insert("messages", _messages(pair, count, first))
        self._connection.execute(
            "UPDATE conversations SET last_seq = ?, last_at = ? WHERE conversation_id = ?",
            (count, now(), pair.conversation_id),
        )
        self._connection.execute(
            "UPDATE participants SET read_seq = ? WHERE conversation_id = ?", (count, pair.conversation_id)
        )
        self._connection.execute(
            "UPDATE participants SET last_n = ? WHERE conversation_id = ? AND user_id = ?",
            (count, pair.conversation_id, pair.sender.user_id),
        )
        self._connection.execute(
            "UPDATE usage SET message_bytes = message_bytes + ? WHERE user_id = ?",
            (count * (len(pair.sealed_a) + len(pair.sealed_b)), pair.sender.user_id),
        )

    def _insert(self, table: str, rows: Iterable[dict[str, str | int]]) -> None:
        rows = iter(rows)
        first = next(rows)
        names = ", ".join(first)
        places = ", ".join(f":{name}" for name in first)
        sql = f"INSERT INTO {table} ({names}) VALUES ({places})"
        self._connection.execute(sql, first)
        self._connection.executemany(sql, rows)


def make_pairs(path: Path, count: int) -> list[Pair]:
    """Create a data folder with `count` pairs who have not written yet."""
    filled = Filled(path)
    people = filled.add_people(2 * count)
    pairs = [filled.add_pair(people[2 * number], people[2 * number + 1]) for number in range(count)]
    filled.close()
    return pairs


def add_conversations(path: Path, username: str, count: int, text: str = "") -> None:
    """Add `count` people who each started a conversation with this user, and wrote this text and a number, if any.

    The folder's server may be running.
    """
    filled = Filled(path)
    user_id, reader = filled.find(username)
    one = envelope.fingerprint(reader.ik), user_id
    for number, other in enumerate(filled.add_people(count)):
        conversation_id = filled.add_conversation(one, (other.keys.fp, other.user_id))
        if text:
            sealed = crypto.seal_message(
                other.keys, reader.ik, reader.spki, n=1, p="", a=(0, ""), ts=now(), text=f"{text} {number}"
            )
            filled.add_message(conversation_id, other, sealed)
    filled.close()


def _person(number: int) -> Person:
    keys = crypto.Keys(Ed25519PrivateKey.generate(), _MEASURED.encryption)
    return Person(
        keys=keys,
        user_id=sessions.random_id(16),
        username=f"person{number}",
        login_id=sessions.random_id(16),
        token=sessions.random_id(32),
        search_pin=envelope.search_pin(keys.ik, secrets.token_bytes(16)),
    )


def _messages(pair: Pair, count: int, first: int) -> Iterator[dict[str, str | int]]:
    for seq in range(1, count + 1):
        pair.n += 1
        yield {
            "conversation_id": pair.conversation_id,
            "seq": seq,
            "message_id": b64u_encode(secrets.token_bytes(16)),
            "sender_id": pair.sender.user_id,
            "n": pair.n,
            "hash": b64u_encode(secrets.token_bytes(32)),
            "suite": 1,
            "sealed_a": pair.sealed_a,
            "sealed_b": pair.sealed_b,
            "created_at": first + seq * 1000,
        }
