"""One of several processes sweeps; when it is killed, another one goes on."""

from __future__ import annotations

import pytest

from tests.several.conftest import Site
from tests.support.served import Program, wait

EMPTIED = "SELECT count(*) FROM messages WHERE sealed_a IS NULL AND sealed_b IS NULL"
LEADERS = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.mark.parametrize("killed", [0, 1])
def test_messages_disappear_whichever_process_is_killed(
    site: Site, people: tuple[Program, Program], killed: int
) -> None:
    wait(lambda: site.sql(LEADERS) == [(1,)], within=15)
    site.servers[killed].kill()
    alice = Program.of(site.servers[1 - killed], people[0])
    alice.ask("/send_message", alice.seal(people[1], "gone soon", x=5) | {"expires_in": 5})
    assert site.sql(EMPTIED) == [(0,)]
    wait(lambda: site.sql(EMPTIED) == [(1,)], within=40)
    assert site.sql(LEADERS) == [(1,)]
    alice.close()


def test_an_account_whose_process_was_killed_while_it_erased_is_erased_by_the_other(
    site: Site, people: tuple[Program, Program]
) -> None:
    alice, bob = people
    alice.send(bob, "to be erased")
    (user_id, conversation_id) = site.sql("SELECT user_id, conversation_id FROM participants ORDER BY 1 LIMIT 1")[0]
    wait(lambda: site.sql(LEADERS) == [(1,)], within=15)
    site.servers[0].kill()
    site.sql(f"INSERT INTO erasures (user_id, conversation_id, seq) VALUES ('{user_id}', '', 0)")  # noqa: S608
    wait(lambda: site.sql("SELECT count(*) FROM erasures") == [(0,)], within=40)
    assert conversation_id
