"""A program with keys that writes to the user of the browser: it signs whatever it likes."""

from __future__ import annotations

import itertools
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode, urlsplit

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from tests.conftest import Server
from tests.support.people import JSON, registration, sign_act
from tests.support.someone import until
from tests.support.wire import Heard, Wire

_numbers = itertools.count(1)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Peer:
    """An account on the real server."""

    def __init__(self, server: Server, name: str, keys: crypto.Keys | None = None) -> None:
        self.keys = keys or crypto.generate_keys()
        self.name = name
        self.sent: list[crypto.SealedMessage] = []
        self.named: dict[str, tuple[str, str]] = {}  # (id, hash) of the first message with this text
        self.search_pin = ""
        self.salt = ""
        self.user_id = ""
        self.statement = ""
        self._proof: dict[str, str] = {}  # of the Login PIN
        self.conversation = ""
        self.other: envelope.Statement  # of the browser's user
        self._server = server
        where = urlsplit(server.url)
        self._headers = dict(JSON) | {"Host": where.netloc}
        self._wire = Wire(where.port or 80)  # keeps no connection, so that stopping the server leaves none half open

    @classmethod
    async def arrives(cls, server: Server, name: str = "", *, pin_is: Callable[[str], object] = bool) -> Peer:
        """Register, with a Search PIN for which `pin_is` is true, and a new name if none is given."""
        peer = cls(server, name or f"peer{next(_numbers):04}")
        salts = (secrets.token_bytes(16) for _ in itertools.count())
        salt = next(salt for salt in salts if pin_is(envelope.search_pin(peer.keys.ik, salt)))
        fields = registration(peer.keys, peer.name, search_salt=b64u_encode(salt))
        answer = await peer.ask("POST", "/register", fields)
        peer.search_pin, peer.salt, peer.statement = answer["search_pin"], fields["search_salt"], fields["statement"]
        peer.user_id = answer["user_id"]
        peer._proof = {name: fields[name] for name in ("login_id", "auth_key")}
        peer._headers["Authorization"] = f"Bearer {answer['token']}"
        return peer

    async def ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> Any:
        """Return the JSON of a successful response."""
        response = await self._ask(method, path, urlencode(fields or {}).encode(), FORM)
        assert response.is_success, response.text
        return response.json() if response.body else None

    async def _ask(self, method: str, path: str, body: bytes, more: dict[str, str]) -> Heard:
        told = more | {"Content-Length": str(len(body))} if body else {}
        return await self._wire.ask(method, path, [*(self._headers | told).items()], body)

    async def downloads(self, file_id: str) -> bytes:
        """Return the sealed bytes of a file."""
        response = await self._ask("GET", f"/files/{file_id}", b"", {})
        assert response.is_success, response.text
        return response.body

    async def starts_with(self, search_pin: str) -> str:
        """Start a conversation and return its id."""
        found = await self.ask("POST", "/start_conversation", {"partner_search_pin": search_pin})
        self.other = envelope.parse_statement(found["partner_statement"])
        self.conversation = str(found["conversation_id"])
        return self.conversation

    async def is_asked(self) -> str:
        """Take over the only conversation, which someone else started, and return its id. Accepts nothing."""
        [line] = await self.ask("GET", f"/conversations/{self.user_id}")
        self.other = envelope.parse_statement(line["partner_statement"])
        self.conversation = str(line["conversation_id"])
        return self.conversation

    def seal(
        self, text: str, *, a: tuple[int, str] = (0, ""), n: int = 0, p: str | None = None, **more: Any
    ) -> crypto.SealedMessage:
        """Seal the next message, or one with arbitrary claims."""
        before = self.sent[-1].hash if self.sent else ""
        given: dict[str, Any] = {"n": n or len(self.sent) + 1, "p": before if p is None else p, "a": a, "text": text}
        given |= {"ts": milliseconds()} | more
        sealed = crypto.seal_message(self.keys, self.other.ik, self.other.spki, **given)
        self.named.setdefault(text, (sealed.message_id, sealed.hash))
        return sealed

    async def writes(self, text: str, *, beside: dict[str, Any] | None = None, **more: Any) -> crypto.SealedMessage:
        """Send the next message. `beside`: what the server is told about it, if that is not the truth."""
        sealed = self.seal(text, **more)
        self.sent.append(sealed)
        names = ("message_id", "n", "hash", "suite", "content_for_a", "content_for_b")
        fields = {name: getattr(sealed, name) for name in names}
        told = described(text, more) if beside is None else beside
        await self.ask("POST", "/send_message", {"conversation_id": self.conversation, **fields, **told})
        return sealed

    def wrote(self, *texts: str, ago: Sequence[int] = ()) -> None:
        """These are its next messages at a server in a process of its own, as if nobody had been connected: in the
        database at once, which costs a tenth of requests and frames. `ago`: when they were stored (ms)."""
        bound: dict[str, Any] = {"conversation_id": self.conversation, "user_id": self.user_id}
        size, now = 0, milliseconds()
        at = now
        with closing(sqlite3.connect(self._server.data_dir / "ezdms.db", timeout=10)) as connection, connection:
            last = "SELECT last_seq FROM conversations WHERE conversation_id = :conversation_id"
            [seq] = connection.execute(last, bound).fetchone()
            for text, each in itertools.zip_longest(texts, ago, fillvalue=0):
                sealed, seq, at = self.seal(str(text)), seq + 1, now - int(each)
                self.sent.append(sealed)
                size += len(sealed.content_for_a) + len(sealed.content_for_b)
                connection.execute(
                    """INSERT INTO messages (conversation_id, sender_id, seq, created_at, message_id, n, hash, suite,
                         sealed_a, sealed_b)
                       VALUES (:conversation_id, :user_id, :seq, :at, :message_id, :n, :hash, :suite,
                         :content_for_a, :content_for_b)""",
                    asdict(sealed) | bound | {"seq": seq, "at": at},
                )
            bound |= {"seq": seq, "at": at, "count": len(texts), "n": len(self.sent), "size": size}
            for statement in (
                "UPDATE conversations SET last_seq = :seq, last_at = :at WHERE conversation_id = :conversation_id",
                """UPDATE participants SET read_seq = read_seq + :count, last_n = :n, accepted = 1
                   WHERE user_id = :user_id AND conversation_id = :conversation_id""",
                "UPDATE usage SET message_bytes = message_bytes + :size WHERE user_id = :user_id",
            ):
                connection.execute(statement, bound)

    async def uploads(self, plain: bytes, **told: Any) -> str:
        """Upload a file, sealed. Returns the content of its message; `told` is what that says."""
        sealer = crypto.FileSealer(len(plain))
        sealed = b"".join([*sealer.feed(plain), *sealer.finish()])
        begun = await self.ask("POST", "/files", {"conversation_id": self.conversation, "size": len(sealed)})
        await self._patch(begun["file_id"], sealed)
        given = {"id": begun["file_id"], "key": sealer.key, "size": len(plain), "hash": sealer.hash, "name": "a.bin"}
        return crypto.describe_file(**given | told)

    async def _patch(self, file_id: str, sealed: bytes) -> None:
        for at in range(0, len(sealed), 2**20):
            headers = {"Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"}
            part = sealed[at : at + 2**20]
            response = await self._ask("PATCH", f"/files/{file_id}", part, headers)
            assert response.status == 204, response.text

    async def shares(self, plain: bytes, name: str, type: str = "", **more: Any) -> crypto.SealedMessage:
        """Send a file. `more`: thumb, w, h, of what the message says, and what `writes` takes."""
        members = {"thumb", "w", "h", "key", "hash", "size", "id"} & more.keys()
        told = {member: more.pop(member) for member in members}
        content = await self.uploads(plain, name=name, type=type, **told)
        return await self.writes(content, kind="file", **more)

    async def edits(self, text: str, new: str, *earlier: str, **more: Any) -> crypto.SealedMessage:
        """Replace the text of the message that was sent as `text`. `earlier`: hashes of its earlier changes."""
        about = self.named[text]
        more = {"reference": about, "e": crypto.changes_hash(earlier)} | more
        return await self.writes(new, kind="edit", **more)

    async def deletes(self, text: str, *earlier: str, **more: Any) -> crypto.SealedMessage:
        """Delete the message that was sent as `text` for both."""
        more = {"e": crypto.changes_hash(earlier)} | more
        return await self.writes(" ".join(self.named[text]), kind="delete", **more)

    async def reacts(self, to: tuple[str, str], emoji: str, **more: Any) -> crypto.SealedMessage:
        """React to a message, given as (id, hash)."""
        return await self.writes(emoji, kind="react", reference=to, **more)

    async def deletes_the_account(self) -> None:
        """For good."""
        deployment_id = (await self.ask("GET", "/deployment"))["deployment_id"]
        act = sign_act(self.keys, deployment_id, "delete_account", "", milliseconds())
        await self.ask("POST", "/delete_account", self._proof | {"act": act})

    async def newest(self) -> tuple[str, str]:
        """The (id, hash) of the newest message of either side."""
        row = (await self.rows())[-1]
        return row["message_id"], row["hash"]

    async def rows(self) -> list[dict[str, Any]]:
        """Return the conversation's rows from the real server."""
        found = await self.ask("GET", f"/messages/{self.conversation}")
        assert isinstance(found, list)
        return found

    async def own_of(self, n: int) -> tuple[str, str]:
        """The (id, hash) of the message with this number from the browser's user."""
        found = [row for row in await self.rows() if row["sender_id"] != self.user_id and row["n"] == n]
        return found[0]["message_id"], found[0]["hash"]

    async def last(self) -> crypto.Message:
        """Open the newest message, which is from the browser's user."""
        row = (await self.rows())[-1]
        claimed = {name: row[name] for name in ("message_id", "n", "hash", "suite")}
        return crypto.open_message(self.keys, self.other.ik, self.keys.ik, row["encrypted"], **claimed)

    async def sees(self, *texts: str) -> None:
        """Wait until these are the texts of the conversation."""

        async def are_there() -> bool:
            return len(await self.rows()) == len(texts) and await self.texts() == list(texts)

        await until(are_there)

    async def texts(self) -> list[str]:
        """Open every message of the conversation."""
        own, theirs = self.keys.ik, self.other.ik
        opened = []
        for row in await self.rows():
            between = (own, theirs) if row["sender_id"] == self.user_id else (theirs, own)
            claimed = {name: row[name] for name in ("message_id", "n", "hash", "suite")}
            opened.append(crypto.open_message(self.keys, *between, row["encrypted"], **claimed).text)
        return opened

    async def leaves(self) -> None:
        """Close the connection; the account stays."""
        self._wire.close()


def described(text: str, more: dict[str, Any]) -> dict[str, Any]:
    """What an honest sender tells the server beside a message."""
    told = {"expires_in": more.get("x", 0)}
    target = {"edit": more.get("reference", ("",))[0], "delete": text[:22]}.get(more.get("kind", "text"), "")
    stored = crypto.read_file(text)["id"] if more.get("kind") == "file" else ""
    return {name: value for name, value in (told | {"replaces": target, "file": stored}).items() if value}


def copy_for(sealed: crypto.SealedMessage, reader_fp: bytes, other_fp: bytes) -> str:
    """Return the sealed copy for one of the two."""
    return sealed.content_for_a if crypto.in_order(reader_fp, other_fp)[0] == reader_fp else sealed.content_for_b


def noise(size: int) -> str:
    """b64u of random bytes."""
    return b64u_encode(secrets.token_bytes(size))


def fp_of(text: str) -> bytes:
    """The bytes of a fingerprint."""
    return b64u_decode(text)
