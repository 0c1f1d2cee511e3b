"""How many queries a request makes: each one waits for another thread, and all share one writer."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from ezdms import crypto
from ezdms.actions.sessions import Sessions
from ezdms.db import Database
from tests.support.people import Person


@pytest.fixture
def trips(app: Quart, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the queries that are run from now on."""
    asked: list[str] = []

    def counted(name: str) -> None:
        engine = type(app.extensions["ezdms.database"])
        real = getattr(engine, name)

        def run(self: Database, query: Any, *args: Any, **values: Any) -> Any:
            asked.append(query.__name__)
            return real(self, query, *args, **values)

        monkeypatch.setattr(engine, name, run)

    counted("read")
    counted("submit")
    return asked


async def test_starting_a_conversation_takes_one_query(alice: Person, bob: Person, trips: list[str]) -> None:
    await alice.get("/me")
    trips.clear()
    await alice.start(bob, accepted=False)
    assert trips == ["_find_or_insert"]
    await alice.start(bob, accepted=False)
    assert trips == ["_find_or_insert"] * 2


async def test_opening_a_conversation_takes_two_queries_including_the_session(
    app: Quart, alice: Person, bob: Person, trips: list[str]
) -> None:
    await alice.start(bob)
    await alice.send(bob, "unread")
    app.extensions["ezdms.sessions"] = Sessions(app.extensions["ezdms.database"])  # an empty session cache
    trips.clear()
    conversation_id = crypto.conversation_id(alice.keys.fp, bob.keys.fp)
    assert (await bob.get(f"/c/{conversation_id}/open")).status_code == 200
    assert trips == ["select_session", "_open"]
    assert (await (await bob.get(f"/conversations/{bob.user_id}")).get_json())[0]["unread"] == 0
