"""A server that misbehaves on purpose: it writes whatever it likes into the database."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, WebSocketRoute

from ezdms.actions.sessions import LONGEST
from tests.conftest import Server

REMEMBERED = re.compile("(DELETE FROM|UPDATE|INTO) (users|sessions|vaults|search_pins)")
COLUMNS = "conversation_id, seq, message_id, sender_id, n, hash, suite, sealed_a, sealed_b, created_at"


class Hostile:
    """A hostile operator with access to the tables. What is done to messages is done in one conversation, or in all."""

    def __init__(self, server: Server, conversation: str = "*") -> None:
        self.path = Path(server.data_dir) / "ezdms.db"
        self.conversation = conversation

    def run(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Run a statement, and return once the server shows its effect: sessions are cached for a moment."""
        with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(sql, values).fetchall()
        if REMEMBERED.search(sql):
            time.sleep(LONGEST + 0.1)
        return rows

    def user(self, name: str) -> sqlite3.Row:
        """Return a user's row."""
        return self.run("SELECT * FROM users WHERE username = ?", name)[0]

    def change_user(self, name: str, **columns: Any) -> None:
        """Overwrite columns of a user's row."""
        for column, value in columns.items():
            self.run(f"UPDATE users SET {column} = ? WHERE username = ?", value, name)  # noqa: S608

    def here(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Run a statement that ends with a condition, for the conversation."""
        return self.run(f"{sql} AND conversation_id GLOB ?", *values, self.conversation)

    def drop(self, seq: int) -> None:
        """Remove a message and close the gap in `seq`."""
        self.here("DELETE FROM messages WHERE seq = ?", seq)
        self.here("UPDATE messages SET seq = -seq WHERE seq > ?", seq)
        self.here("UPDATE messages SET seq = -seq - 1 WHERE seq < 0")
        self.here("UPDATE conversations SET last_seq = last_seq - 1 WHERE true")

    def exchange(self, one: int, other: int) -> None:
        """Swap two messages."""
        self.here("UPDATE messages SET seq = -1 WHERE seq = ?", one)
        self.here("UPDATE messages SET seq = ? WHERE seq = ?", one, other)
        self.here("UPDATE messages SET seq = ? WHERE seq = -1", other)

    def repeat(self, seq: int, *, conversation_id: str | None = None, **changed: Any) -> None:
        """Show a message again at the end, with other outer ids and the same sealed content."""
        found = self.here(f"SELECT {COLUMNS} FROM messages WHERE seq = ?", seq)  # noqa: S608
        row = dict(min(found, key=lambda one: one["created_at"]))
        row["conversation_id"] = conversation_id or row["conversation_id"]
        last = self.run("SELECT last_seq FROM conversations WHERE conversation_id = ?", row["conversation_id"])
        row |= {"seq": last[0]["last_seq"] + 1, "message_id": "A" * 22, "n": 1000} | changed
        self.insert(row)

    def insert(self, row: dict[str, Any]) -> None:
        """Insert a message as the last one of its conversation."""
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        self.run(f"INSERT INTO messages ({columns}) VALUES ({marks})", *row.values())  # noqa: S608
        self.run("UPDATE conversations SET last_seq = ? WHERE conversation_id = ?", row["seq"], row["conversation_id"])


async def alter(page: Page, address: str, change: Any) -> None:
    """Change the text of every response from this address."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=change(await response.text()))

    await page.route(address, answer)


async def contact_of(page: Page) -> dict[str, Any]:
    """Return what the browser has stored about the contact in the open conversation."""
    found: dict[str, Any] = await page.evaluate(
        """async () => {
            const { loadContact } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
            return loadContact(location.pathname.slice(3));
        }"""
    )
    return found


class Slipping:
    """A socket into which the server injects its own frames."""

    def __init__(self) -> None:
        self._sockets: list[WebSocketRoute] = []

    @classmethod
    async def into(cls, page: Page) -> Slipping:
        """Take effect from the next connection on."""
        slipping = cls()

        def connect(socket: WebSocketRoute) -> None:
            socket.connect_to_server()
            slipping._sockets.append(socket)

        await page.route_web_socket("**/ws", connect)
        return slipping

    def slip(self, frame: str) -> None:
        """Deliver this frame as if the server had sent it."""
        self._sockets[-1].send(frame)

    @property
    def is_open(self) -> bool:
        return bool(self._sockets)
