"""Deleting an account with many messages holds up nobody, and continues after the server was killed."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from ezdms.models.erasure import SLICE
from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.operated import operate
from tests.support.served import Listener, Program, open_socket, wait

MANY = 300 * SLICE
WORD = "unmistakable-copy-of-alice"


def fill(server: Server, alice: Program, bob: Program) -> str:
    """Give them a long conversation. Returns the query that counts Alice's copies."""
    conversation_id = alice.start(bob)
    with closing(sqlite3.connect(server.data_dir / "ezdms.db")) as connection, connection:
        (alice_id, side), (bob_id, _) = (
            connection.execute(
                "SELECT u.user_id, side FROM users u JOIN participants USING (user_id) WHERE username = ?", (name,)
            ).fetchone()
            for name in ("alice", "bob")
        )
        copies = {"a": WORD, "b": "of Bob"} if side == "a" else {"a": "of Bob", "b": WORD}
        connection.executemany(
            "INSERT INTO messages VALUES (?, ?, 'm' || ?, ?, ?, '', 1, ?, ?, 0)",
            (
                (conversation_id, n, n, (alice_id, bob_id)[n % 2], n, f"{copies['a']} {n}", f"{copies['b']} {n}")
                for n in range(1, MANY + 1)
            ),
        )
        connection.execute("UPDATE conversations SET last_seq = ?", (MANY,))
        connection.execute("UPDATE participants SET last_n = ?", (MANY,))
    return f"SELECT COUNT(sealed_{side}) FROM messages"  # noqa: S608


def count(server: Server, sql: str) -> int:
    """The number that this query returns."""
    return int(Hostile(server).run(sql)[0][0])


def is_erasing(server: Server) -> bool:
    """True once an erasure has begun and until it is finished."""
    return count(server, "SELECT COUNT(*) FROM erasures") > 0


def test_a_large_account_is_deleted_at_once_and_erased_beside_other_writes_even_after_a_kill(server: Server) -> None:
    alice, bob, eve = (Program(server, name) for name in ("alice", "bob", "eve"))
    left = fill(server, alice, bob)
    with_eve = bob.start(eve)
    pin = {name: alice.fields[name] for name in ("login_id", "auth_key")}
    again = Program.of(server, alice)
    fields = pin | {"act": alice.act("delete_account")}
    with open_socket(server, alice.token) as her_socket, open_socket(server, bob.token) as his_socket:
        deletion = threading.Thread(target=lambda: _ask_until_killed(alice, fields))
        deletion.start()
        wait(lambda: is_erasing(server))
        assert Listener(her_socket).closed_with() == 1008
        for path, sent in (("/me", None), ("/login", pin)):
            assert again.exchange(path, sent)[0] == 401
        lines = bob.ask(f"/conversations/{bob.ask('/me')['user_id']}")
        assert [line["partner_username"] for line in lines if line["conversation_id"] != with_eve] == [""]
        assert b'"conversation"' in his_socket.recv(65536)
        bob.send(eve, "Hello")
        assert is_erasing(server), "too few messages to say anything"
        server.kill()
    deletion.join(timeout=30)
    assert 0 < count(server, left) < MANY
    server.start()
    eve.send(bob, "Hello again")
    wait(lambda: "erased the messages of deleted accounts: accounts=1" in server.log.read_text(), within=60)
    assert not is_erasing(server)
    assert count(server, left) == 2  # what Bob and Eve wrote has two copies
    assert len(bob.ask(f"/messages/{lines[0]['conversation_id']}?limit=200")) > 0
    assert WORD.encode() not in b"".join(path.read_bytes() for path in server.data_dir.glob("ezdms.db*"))
    for program in (alice, again, bob, eve):
        program.close()


def _ask_until_killed(alice: Program, fields: dict[str, str]) -> None:
    with pytest.raises((AssertionError, OSError)):
        alice.exchange("/delete_account", fields)


def test_the_operator_removes_a_large_account_from_a_stopped_server_completely(server: Server) -> None:
    alice, bob = Program(server, "alice"), Program(server, "bob")
    left = fill(server, alice, bob)
    assert server.stop() == 0
    assert "alice was removed." in operate(server.data_dir, "users", "remove", "alice", "--yes").stdout
    assert (count(server, left), count(server, "SELECT COUNT(*) FROM messages")) == (0, MANY)
    assert WORD.encode() not in b"".join(path.read_bytes() for path in server.data_dir.glob("ezdms.db*"))
    for program in (alice, bob):
        program.close()
