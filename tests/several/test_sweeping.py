"""One of several processes sweeps; when it is killed, another one goes on."""

from __future__ import annotations

from tests.several.conftest import Site
from tests.support.served import Program, wait

EMPTIED = "SELECT count(*) FROM messages WHERE sealed_a IS NULL AND sealed_b IS NULL"
ERASURES = "SELECT count(*) FROM erasures"
LEADERS = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def test_messages_disappear_and_accounts_are_erased_after_the_process_that_does_it_was_killed(
    site: Site, people: tuple[Program, Program]
) -> None:
    first, second = site.servers
    second.kill()
    wait(lambda: site.sql(LEADERS) == [(1,)], within=15)  # the first one
    second.start()
    first.kill()
    alice = Program.of(second, people[0])
    alice.ask("/send_message", alice.seal(people[1], "gone soon", x=5) | {"expires_in": 5})
    (user_id,) = site.sql("SELECT user_id FROM participants ORDER BY 1 LIMIT 1")[0]
    site.sql(f"INSERT INTO erasures (user_id, conversation_id, seq) VALUES ('{user_id}', '', 0)")  # noqa: S608
    assert (site.sql(EMPTIED), site.sql(ERASURES)) == ([(0,)], [(1,)])  # as if the killed one had been at it
    wait(lambda: (site.sql(EMPTIED), site.sql(ERASURES)) == ([(1,)], [(0,)]), within=40)
    assert site.sql(LEADERS) == [(1,)]
    alice.close()
