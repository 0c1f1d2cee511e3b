"""PostgreSQL: several processes on one database, and what happens when it goes away. Each Database stands for one."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ezdms.actions.accounts import _delete_user
from ezdms.actions.conversations import _find_or_insert
from ezdms.db import Conflict, Connection, Database, Unavailable, fetch_all, fetch_one
from ezdms.models.conversation import insert_conversation
from ezdms.models.deployment import insert_deployment
from ezdms.models.erasure import erase_slice
from ezdms.models.message import Draft, OutOfStep, Stored, insert_message
from ezdms.models.participant import mark_read
from ezdms.models.search_pin import insert_search_pin
from ezdms.models.session import Session
from ezdms.models.user import User, delete_user, insert_user
from ezdms.problem import Problem
from ezdms.protocol import encoding
from ezdms.store import schema
from ezdms.store.postgresql import database as postgresql_database
from ezdms.store.postgresql import session
from ezdms.store.postgresql.commit import Uncertain
from ezdms.store.postgresql.schema import check_version
from ezdms.store.postgresql.session import translated
from ezdms.store.schema import DatabaseError
from tests.support import engines
from tests.support.cable import Cable
from tests.support.people import PEOPLE, registration

PASSWORD = "correct-horse-battery"


@pytest.fixture
async def both(postgresql: engines.PostgreSQL, migrated: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two processes on the same database."""
    address = postgresql.create(migrated)
    opened = await Database.open(address), await Database.open(address)
    yield opened
    for database in opened:
        await database.close()


def somebody(name: str) -> User:
    return User(name, name, f"login {name}", "", "", 1, "", "", "statement", f"fp {name}", f"key {name}")


def meet(connection: Connection, a: str, b: str) -> str:
    for name in (a, b):
        if fetch_one(connection, "SELECT 1 FROM users WHERE user_id = :name", name=name) is None:
            insert_user(connection, somebody(name))
    conversation_id = f"{a} {b}"
    insert_conversation(connection, conversation_id=conversation_id, a=a, b=b, starter=a, pin_created_at=1)
    fetch_all(connection, "UPDATE participants SET accepted = 1")
    return conversation_id


def draft(conversation_id: str, sender: str, n: int, **more: Any) -> Draft:
    a, b = conversation_id.split(" ")
    return Draft(conversation_id, f"{sender}{n}", n, "hash", 1, "for a", "for b", f"key {a}", f"key {b}", **more)


async def send(database: Database, conversation_id: str, sender: str, n: int, **more: Any) -> Any:
    one = draft(conversation_id, sender, n, **more)
    return (await database.write(insert_message, one, sender_id=sender, quota=None))[1]


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in fetch_all(connection, sql)]


async def test_processes_that_start_at_once_on_an_empty_database_agree(postgresql: engines.PostgreSQL) -> None:
    address = postgresql.create()
    opened = await asyncio.gather(*(Database.open(address) for _ in range(6)))
    assert await opened[0].read(rows, "SELECT number FROM migrations ORDER BY number") == [
        (number,) for number, _, _ in schema.migrations()
    ]
    for database in opened:
        await database.close()


async def test_they_agree_on_one_deployment(postgresql: engines.PostgreSQL, migrated: str) -> None:
    address = postgresql.create(migrated)
    opened = [await Database.open(address) for _ in range(6)]
    made = [one.write(insert_deployment, deployment_id=str(number)) for number, one in enumerate(opened)]
    assert len(set(await asyncio.gather(*made))) == 1
    assert len(await opened[0].read(rows, "SELECT deployment_id FROM deployment")) == 1
    for database in opened:
        await database.close()


async def test_messages_that_are_lost_during_their_commit_are_not_stored_by_trying_again(
    postgresql: engines.PostgreSQL, migrated: str
) -> None:
    address = postgresql.create(migrated)
    database = await Database.open(address)
    conversation_id = await database.write(meet, "alice", "bob")
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as other:
        await other.execute("CREATE TABLE slow AS SELECT 60 AS seconds")
        await other.execute(
            """CREATE FUNCTION wait() RETURNS TRIGGER LANGUAGE plpgsql AS
               $$ BEGIN PERFORM pg_sleep(seconds) FROM slow; RETURN NULL; END $$"""
        )
        await other.execute(
            """CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON messages DEFERRABLE INITIALLY DEFERRED
               FOR EACH ROW EXECUTE FUNCTION wait()"""
        )
        sending = asyncio.create_task(send(database, conversation_id, "alice", 1))
        found = "FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
        while not (await (await other.execute(f"SELECT 1 {found}".encode())).fetchall()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await other.execute("UPDATE slow SET seconds = 0")  # once more would work
        await other.execute(f"SELECT pg_terminate_backend(pid) {found}".encode())
        with pytest.raises(Uncertain):
            await sending
        assert await database.read(rows, "SELECT n FROM messages") == []
        assert isinstance(await send(database, conversation_id, "alice", 1), Stored)  # their own repeat
    await database.close()


async def test_nothing_is_read_whole_although_tables_were_empty_when_it_was_planned(
    postgresql: engines.PostgreSQL, migrated: str
) -> None:
    address = postgresql.create(migrated)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")  # from now on, they are known to be empty
    database = await Database.open(address)
    look = "EXPLAIN SELECT 1 FROM messages WHERE conversation_id = 'a b' AND message_id = 'a1'"
    for plan in (await database.read(rows, look), await database.write(rows, look)):
        assert "Seq Scan" not in str(plan)
        assert "Index" in str(plan)
    await database.close()


async def test_a_newer_schema_is_refused(postgresql: engines.PostgreSQL, migrated: str) -> None:
    address = postgresql.create(migrated)
    with psycopg.connect(address) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_future', 0)")
    with pytest.raises(DatabaseError, match="has schema 9999"):
        await Database.open(address)


async def test_a_schema_that_is_one_ahead_is_served_unless_it_has_taken_something_away(
    postgresql: engines.PostgreSQL, migrated: str
) -> None:
    newest = schema.migrations()[-1][0]
    address = postgresql.create(migrated)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("INSERT INTO migrations VALUES (%s, 'adds', 0)", [newest + 1])
        await (await Database.open(address)).close()
        connection.execute("UPDATE migrations SET name = %s WHERE name = 'adds'", [f"00{newest + 1}_drop_something"])
        with pytest.raises(DatabaseError, match=f"has schema {newest + 1}"):
            await Database.open(address)


def test_a_migration_that_takes_something_away_is_called_drop() -> None:
    several = 11  # since then, the version before may run beside the one that migrates
    for number, name, sql in schema.migrations():
        whole = "\n".join([sql, *schema.additions().get(number, [])])
        statements = re.sub(r"--.*", "", whole)
        takes_away = re.search(r"\b(DROP|RENAME|TRUNCATE|DELETE FROM|SET NOT NULL|TYPE)\b", statements)
        if number > several and takes_away:
            assert f"{number:04}_drop_" in name, takes_away


async def test_a_migration_may_take_longer_than_a_request_and_waits_for_tables_that_others_hold(
    postgresql: engines.PostgreSQL, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session.LIMITS, "statement_timeout", 300)
    monkeypatch.setitem(session.LIMITS, "lock_timeout", 100)
    newest = schema.migrations()[-1][0] + 1
    steps = [
        *schema.migrations(),
        (newest, "slow", "ALTER TABLE messages ADD COLUMN more BIGINT;\nSELECT pg_sleep(1);\n"),
    ]
    monkeypatch.setattr(schema, "migrations", lambda: steps)
    address = postgresql.create(migrated)
    with psycopg.connect(address) as connection:
        connection.execute("LOCK TABLE messages IN ROW EXCLUSIVE MODE")
        opening = [asyncio.create_task(Database.open(address)) for _ in range(2)]
        await asyncio.sleep(0.25)
    for database in await asyncio.gather(*opening):
        assert await database.read(rows, "SELECT MAX(number) FROM migrations") == [(newest,)]
        await database.close()


@pytest.mark.parametrize(("number", "version"), [(90_624, 9), (130_022, 13), (139_999, 13)])
def test_a_postgresql_before_14_is_refused(number: int, version: int) -> None:
    with pytest.raises(DatabaseError, match=rf"needs PostgreSQL 14 or newer, but this is {version}\."):
        check_version(number)
    check_version(140_000)


async def test_a_database_of_another_program_is_refused_and_left_alone(postgresql: engines.PostgreSQL) -> None:
    address = postgresql.create()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE migrations (version TEXT)")
    with pytest.raises(DatabaseError, match="belongs to another program"):
        await Database.open(address)
    with psycopg.connect(address) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == [("migrations",)]


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://ezdms:{PASSWORD}@127.0.0.1:1/ezdms",
        f"postgresql://ezdms:{PASSWORD}@/ezdms?host=/nowhere",
        f"postgresql://ezdms:{PASSWORD}@127.0.0.1:port/ezdms",
        f"postgresql://ezdms:{PASSWORD}@127.0.0.1/ezdms?nonsense={PASSWORD}",
        f"{PASSWORD} ",
    ],
)
async def test_no_error_about_an_address_tells_its_password(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DatabaseError) as refused:
        await Database.open(address)
    causes = refused.value, refused.value.__cause__
    assert not [one for one in causes if one is not None and PASSWORD in str(one)]
    assert PASSWORD not in caplog.text


async def test_the_text_of_a_conflict_has_no_stored_value(both: tuple[Database, Database]) -> None:
    await both[0].write(insert_user, somebody("secretive"))
    with pytest.raises(Conflict) as refused:
        await both[1].write(insert_user, somebody("secretive"))
    assert "secretive" not in str(refused.value)


async def test_a_failed_write_does_not_affect_those_it_shares_a_commit_with(both: tuple[Database, Database]) -> None:
    conversation = await both[0].write(meet, "alice", "bob")
    await send(both[0], conversation, "alice", 1)
    taken = draft(conversation, "alice", 1)._replace(n=5)
    writes = [
        both[0].write(insert_message, one, sender_id="alice", quota=None)
        for one in (draft(conversation, "alice", 2), taken, draft(conversation, "alice", 6))
    ]
    first, second, third = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(second, Conflict)
    assert [one[1].seq for one in (first, third) if isinstance(one, tuple) and isinstance(one[1], Stored)] == [2, 3]


async def test_messages_from_two_processes_are_in_one_order_without_gaps(both: tuple[Database, Database]) -> None:
    names = [f"user{i}" for i in range(6)]
    pairs = [await both[0].write(meet, a, b) for a in names for b in names if a < b]
    most = 12

    async def write_in(place: int, conversation: str) -> None:
        """Each process sends for one side, and marks for the other."""
        sender = conversation.split(" ")[place]
        for n in range(1, most + 1):
            outcome = await send(both[place], conversation, sender, n)
            assert isinstance(outcome, Stored)
            other = conversation.split(" ")[1 - place]
            await both[place].write(mark_read, conversation_id=conversation, user_id=other, seq=outcome.seq)

    await asyncio.gather(*(write_in(place, pair) for place in (0, 1) for pair in pairs))
    for conversation in pairs:
        sql = f"SELECT seq, sender_id, n FROM messages WHERE conversation_id = '{conversation}' ORDER BY seq"  # noqa: S608
        stored = await both[0].read(rows, sql)
        assert [seq for seq, _, _ in stored] == list(range(1, 2 * most + 1))
        for sender in conversation.split(" "):
            assert [n for _, name, n in stored if name == sender] == list(range(1, most + 1))
    [(bytes_of_all,)] = await both[0].read(rows, "SELECT SUM(message_bytes) FROM usage")
    assert bytes_of_all == len(pairs) * 2 * most * len("for afor b")


async def test_batches_that_cross_lock_in_one_order(
    both: tuple[Database, Database], postgresql: engines.PostgreSQL
) -> None:
    """Two processes write in the same conversations, one after the other and the other way round, in one trip each."""
    pairs = [await both[0].write(meet, f"here{i}", f"there{i}") for i in range(6)]
    log = postgresql.folder / "log"
    before = log.read_text().count("deadlock detected")

    async def write_all(place: int, n: int) -> None:
        order = pairs if place else pairs[::-1]
        await asyncio.gather(*(send(both[place], pair, pair.split(" ")[place], n) for pair in order))

    for n in range(1, 41):
        await asyncio.gather(write_all(0, n), write_all(1, n))
    assert log.read_text().count("deadlock detected") == before
    [(count,)] = await both[0].read(rows, "SELECT COUNT(*) FROM messages")
    assert count == 40 * 2 * len(pairs)


async def test_one_senders_messages_keep_their_order_even_if_some_are_changes(both: tuple[Database, Database]) -> None:
    conversation = await both[0].write(meet, "alice", "bob")
    drafts = [draft(conversation, "alice", n, replaces="alice1" if n % 3 == 0 else "") for n in range(1, 31)]
    writes = [both[0].submit(insert_message, one, sender_id="alice", quota=None) for one in drafts]
    outcomes = [outcome for _, outcome in await asyncio.gather(*writes)]
    assert [one.seq for one in outcomes if isinstance(one, Stored)] == list(range(1, 31))


async def test_who_deletes_the_account_while_others_send_leaves_no_copy(both: tuple[Database, Database]) -> None:
    for number in range(15):
        leaver, sender = f"leaver{number}", f"sender{number}"
        pairs = [await both[0].write(meet, leaver, f"{sender}of{i}") for i in range(3)]

        async def send_on(conversation: str) -> None:
            for n in range(1, 9):
                await send(both[1], conversation, conversation.split(" ")[1], n)

        async def leave(user_id: str) -> None:
            await asyncio.sleep(0.002)
            await both[0].write(_delete_user, user_id=user_id, act=None)
            while not await both[0].write(erase_slice, user_id=user_id):
                pass

        await asyncio.gather(*(send_on(pair) for pair in pairs), leave(leaver))
    assert await both[0].read(rows, "SELECT conversation_id, seq FROM messages WHERE sealed_a IS NOT NULL") == []
    assert await both[0].read(rows, "SELECT 1 FROM messages WHERE sealed_b IS NOT NULL LIMIT 1") == [(1,)]


async def test_a_lock_that_is_waited_for_in_vain_leaves_the_connection_as_good_as_before(
    postgresql: engines.PostgreSQL, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session.LIMITS, "lock_timeout", 50)
    address = postgresql.create(migrated)
    database = await Database.open(address)
    await database.write(meet, "alice", "bob")
    for n in range(1, 13, 2):  # the driver prepares a statement when it sends it for the sixth time
        assert isinstance(await send(database, "alice bob", "alice", n), Stored)
        with psycopg.connect(address) as other:
            other.execute("SELECT 1 FROM conversations FOR UPDATE")
            with pytest.raises(Unavailable):
                await send(database, "alice bob", "alice", n + 1)
        assert isinstance(await send(database, "alice bob", "alice", n + 1), Stored)
    await database.close()


async def test_after_a_restart_of_postgresql_nobody_is_refused(own_postgresql: engines.PostgreSQL) -> None:
    database = await Database.open(own_postgresql.create())
    await database.write(meet, "alice", "bob")
    for _ in range(8):
        await database.read(rows, "SELECT 1")  # every connection is open
    own_postgresql.stop()
    own_postgresql.start()
    for _ in range(8):
        assert await database.read(rows, "SELECT COUNT(*) FROM users") == [(2,)]
    assert isinstance(await send(database, "alice bob", "alice", 1), Stored)
    await database.close()


async def test_while_postgresql_is_away_everything_is_unavailable_and_the_operator_is_told(
    own_postgresql: engines.PostgreSQL,
) -> None:
    database = await Database.open(own_postgresql.create())
    await database.write(meet, "alice", "bob")
    assert await database.examine() == ""
    own_postgresql.stop()
    with pytest.raises(Unavailable, match="PostgreSQL"):
        await database.read(rows, "SELECT 1")
    with pytest.raises(Unavailable, match="PostgreSQL"):
        await send(database, "alice bob", "alice", 1)
    assert "PostgreSQL" in await database.examine()
    own_postgresql.start()
    assert isinstance(await send(database, "alice bob", "alice", 1), Stored)
    assert await database.examine() == ""
    await database.close()


async def test_a_postgresql_that_says_nothing_any_more_is_out_of_reach_and_found_again(
    postgresql: engines.PostgreSQL, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LONGEST", 0.5)
    monkeypatch.setattr(session, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(session, "CONNECT_WITHIN", 2)  # the shortest
    name = postgresql.name(postgresql.create(migrated))
    with Cable(postgresql.folder / ".s.PGSQL.5432") as cable:
        database = await Database.open(f"postgresql://ezdms@127.0.0.1:{cable.port}/{name}")
        await database.write(meet, "alice", "bob")
        assert await database.read(rows, "SELECT pg_sleep(0.2)") == [("",)]
        cable.hold()
        asked = database.read(rows, "SELECT 1"), send(database, "alice bob", "alice", 1)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable, Uncertain]
        cable.mend()
        assert await database.read(rows, "SELECT COUNT(*) FROM users") == [(2,)]
        assert isinstance(await send(database, "alice bob", "alice", 1), Stored | OutOfStep)  # the repeat decides
        assert await database.read(rows, "SELECT seq, n FROM messages") == [(1, 1)]
        await database.close()


async def test_a_value_with_a_nul_is_found_nowhere(both: tuple[Database, Database]) -> None:
    await both[0].write(meet, "alice", "bob")
    await both[0].write(mark_read, conversation_id="alice\0bob", user_id="alice\0", seq=1)
    assert await both[0].read(lambda one: fetch_all(one, "SELECT 1 FROM users WHERE user_id = :x", x="alice\0")) == []


async def test_a_message_with_a_nul_fails_alone(both: tuple[Database, Database]) -> None:
    conversation = await both[0].write(meet, "alice", "bob")
    drafts = [draft(conversation, "alice", 1), draft("alice\0 bob", "alice", 2), draft(conversation, "alice", 3)]
    writes = [both[0].submit(insert_message, one, sender_id="alice", quota=None) for one in drafts]
    assert [outcome is not None for _, outcome in await asyncio.gather(*writes)] == [True, False, True]


async def test_a_reader_cannot_write(both: tuple[Database, Database]) -> None:
    with pytest.raises(Unavailable, match="read-only"):
        await both[0].read(insert_user, somebody("alice"))


def test_parameters_are_translated_and_literals_are_not() -> None:
    assert translated("a = :a_1 AND b = ':c' AND d::text LIKE '%'") == (
        b"a = %(a_1)s AND b = ':c' AND d::text LIKE '%%'",
        (),
    )
    assert translated("?2 + ?1 + ?2") == (b"%s + %s + %s", (1, 0, 1))
    assert translated("? + ?") == (b"%s + %s", (0, 1))


async def test_who_is_deleting_the_account_at_another_process_cannot_be_found_by_search_pin(
    both: tuple[Database, Database],
) -> None:
    statements = {name: registration(PEOPLE[name], name)["statement"] for name in ("alice", "bob")}
    keys = {name: PEOPLE[name].fp for name in statements}
    is_left, may_commit = threading.Event(), threading.Event()

    def register(connection: Connection) -> None:
        for name, statement in statements.items():
            fingerprint = encoding.b64u_encode(keys[name])
            insert_user(connection, replace(somebody(name), statement=statement, fingerprint=fingerprint))
        insert_search_pin(connection, search_pin="PIN", user_id="bob", salt="")

    def leave(connection: Connection, *, user_id: str) -> None:
        delete_user(connection, user_id=user_id)
        is_left.set()
        may_commit.wait(5)

    await both[0].write(register)
    alice = Session("s", "alice", "alice", statements["alice"], "", "", 0, 0, 0)
    leaving = asyncio.create_task(both[0].write(leave, user_id="bob"))
    await asyncio.to_thread(is_left.wait, 5)
    starting = asyncio.create_task(both[1].write(_find_or_insert, session=alice, search_pin="PIN"))
    await asyncio.sleep(0.1)
    may_commit.set()
    await leaving
    with pytest.raises(Problem) as refused:
        await starting
    assert refused.value.code == "unknown_pin"


async def test_of_several_processes_one_leads_until_it_ends(postgresql: engines.PostgreSQL, migrated: str) -> None:
    address = postgresql.create(migrated)
    opened = [await Database.open(address) for _ in range(3)]
    assert [await one.leads() for one in opened] == [True, False, False]
    assert [await one.leads() for one in opened] == [True, False, False]
    await opened[0].close()
    async with asyncio.timeout(10):  # PostgreSQL ends the connection a moment later
        while not await opened[1].leads():
            pass
    assert [await one.leads() for one in opened[1:]] == [True, False]
    for database in opened[1:]:
        await database.close()


async def test_a_leader_that_is_stopped_or_cut_off_leads_no_more(
    postgresql: engines.PostgreSQL, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_database, "LEADS_FOR", 1500)  # ms; more than a busy machine takes between two lines
    address = postgresql.create(migrated)
    opened = [await Database.open(address) for _ in range(2)]
    assert [await one.leads() for one in opened] == [True, False]
    async with asyncio.timeout(10):  # the first asks nothing for longer than PostgreSQL waits
        while not await opened[1].leads():
            pass
    assert [await one.leads() for one in reversed(opened)] == [True, False]
    for database in opened:
        await database.close()


def test_a_database_for_tests_that_was_given_back_is_empty_unless_someone_uses_it(
    postgresql: engines.PostgreSQL, migrated: str
) -> None:
    address = postgresql.take(migrated)
    with psycopg.connect(address) as connection:
        before = connection.execute("SELECT number FROM migrations").fetchall()
        connection.execute("INSERT INTO deployment (deployment_id, created_at) VALUES ('x', 1)")
    postgresql.give_back(address)
    assert postgresql.take(migrated) == address
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT * FROM deployment").fetchall() == []
        assert connection.execute("SELECT number FROM migrations").fetchall() == before != []
        connection.execute("INSERT INTO deployment (deployment_id, created_at) VALUES ('x', 1)")
        connection.execute("LOCK TABLE deployment")
        postgresql.give_back(address)
    assert postgresql.take(migrated) != address
