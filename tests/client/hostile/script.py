"""A scripted conversation: rows that are really signed and sealed, and a server that serves them as the test wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ezdms import crypto
from tests.client.hostile.people import Someone, where
from tests.client.hostile.wire import Answer, Asked

NOW = 1_790_000_000_000
Row = dict[str, Any]


def beside(body: Row) -> Row:
    """What an honest server says beside a message."""
    kind = body.get("kind", "text")
    target = body["text"][:22] if kind == "delete" else body["reference"][0] if kind == "edit" else None
    return {"expires_in": body.get("x", 0), "replaces": target}


class Script:
    """The messages of Judy and Bob, as Judy's client gets them. Tests may move, empty and change `rows`."""

    def __init__(self, judy: Someone, bob: Someone) -> None:
        self.people = {"judy": judy, "bob": bob}
        self.where = where(judy, bob)
        self.rows: list[Row] = []
        self.last: dict[str, tuple[int, str]] = {"judy": (0, ""), "bob": (0, "")}
        self._seqs = 0

    def says(self, who: str, text: str, *, a: tuple[int, str] | None = None, **more: Any) -> Row:
        """Add the next message of a user, who has seen all messages of the other one unless `a` is given."""
        writer, reader = self.people[who], self.people["bob" if who == "judy" else "judy"]
        n, p = crypto.next_link(self.last[who])
        body: dict[str, Any] = {"n": n, "p": p, "a": self.last[reader.name], "ts": NOW, "text": text, **more}
        if a is not None:
            body["a"] = a
        row = self.sealed(writer, body, reader) | beside(body)
        self.last[who] = (row["n"], row["hash"])
        self.rows.append(row)
        return row

    def changes(self, who: str, kind: str, target: Row, text: str = "", **more: Any) -> Row:
        """Add an edit, deletion or reaction of a message."""
        about = {"text": f"{target['message_id']} {target['hash']}"} if kind == "delete" else {"text": text}
        if kind != "delete":
            about |= {"reference": (target["message_id"], target["hash"]), "x": target["expires_in"]}  # type: ignore[dict-item]
        return self.says(who, **(about | ({"e": ""} if kind != "react" else {}) | {"kind": kind} | more))

    def sealed(self, writer: Someone, body: Row, reader: Someone) -> Row:
        """A row for a message, not yet part of the conversation."""
        return self.row_of(crypto.seal_message(writer.keys, reader.keys.ik, reader.keys.spki, **body), writer)

    def row_of(self, message: crypto.SealedMessage, writer: Someone) -> Row:
        """Judy's copy, as GET /messages shows it."""
        is_a = crypto.in_order(*(one.fp for one in self.people.values()))[0] == self.people["judy"].fp
        return {
            "message_id": message.message_id,
            "sender_id": writer.user_id if writer.name == "judy" else self.people["bob"].user_id,
            "created_at": NOW,
            "expires_in": 0,
            "replaces": None,
            "suite": 1,
            "n": message.n,
            "hash": message.hash,
            "encrypted": message.content_for_a if is_a else message.content_for_b,
        }

    def empty(self, row: Row, gone: str | None = "expired") -> None:
        """Remove a row's content."""
        row |= {"encrypted": None, "gone": gone}

    @contextmanager
    def served(self, seqs: list[int] | None = None) -> Iterator[None]:
        """In a `with` block, the server shows these rows, numbered from 1 unless `seqs` is given."""
        wire = self.people["judy"].wire
        rows = [{**row, "seq": seq} for seq, row in zip(seqs or range(1, len(self.rows) + 1), self.rows, strict=True)]

        def pages(asked: Asked, answer: Answer) -> None:
            query = {name: int(value) for name, value in asked.query.items()}
            found = [row for row in rows if query.get("after", 0) < row["seq"] < query.get("before", 2**60)]
            answer.json = found[: query["limit"]] if "after" in query else found[-query["limit"] :]

        def lines(_: Asked, answer: Answer) -> None:
            last = max((row["seq"] for row in rows), default=0)
            answer.json = [{**line, "last_seq": last, "unread": 0} for line in answer.json]

        with (
            wire.telling(f"GET /messages/{self.where}", pages),
            wire.telling("GET /conversations/.*", lines),
            wire.telling("POST /send_message|PUT /vault", None, passes_on=False),
        ):
            yield
