"""People known only from the server's list: they are listed, but not stored until the user interacts with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import Client, contacts
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone, all_new, where
from tests.client.hostile.test_lists import LIST, line_of, lines, without
from tests.client.hostile.wire import Answer, Asked, Wire


def rows_of(*rows: dict[str, Any]) -> Callable[[Asked, Answer], None]:
    """A lie: only these rows."""

    def pages(asked: Asked, answer: Answer) -> None:
        after = int(asked.query.get("after", 0))
        answer.status, answer.json = 200, [row for row in rows if row["seq"] > after]

    return pages


def invented_row(anna: Someone, eve: crypto.Keys) -> dict[str, Any]:
    """A message that was not signed by the claimed sender."""
    mallory = crypto.generate_keys()
    forged = crypto.seal_message(mallory, anna.keys.ik, anna.keys.spki, n=1, p="", a=(0, ""), ts=5, text="x")
    is_for_b = crypto.in_order(mallory.fp, anna.fp)[0] == mallory.fp
    sealed = forged.content_for_b if is_for_b else forged.content_for_a
    kept = {"message_id": forged.message_id, "n": 1, "hash": forged.hash, "suite": 1, "encrypted": sealed}
    return kept | {"seq": 1, "created_at": 5, "sender_id": "M" * 21 + "A"}


def test_nothing_is_stored_about_invented_contacts(anna: Someone, wire: Wire) -> None:
    ghosts = [crypto.generate_keys() for _ in range(3)]
    invented = [line_of(anna, keys, f"ghost{i}") for i, keys in enumerate(ghosts)]
    before = anna.values

    async def listens(client: Client) -> list[Any]:
        return [message for ghost in ghosts for message in await all_new(client, where(anna, ghost))]

    forged = rows_of(invented_row(anna, ghosts[0]), {"seq": 2, "message_id": "A" * 22})
    wire.forget()
    with wire.telling(LIST, lines(lambda rows: [*rows, *invented])):
        listed = anna.run("contacts").out
        with wire.telling(
            f"GET /messages/({'|'.join(where(anna, ghost) for ghost in ghosts)})", forged, passes_on=False
        ):
            assert anna.do(listens) == []
    assert [f"ghost{i}  Not verified" in listed for i in range(3)] == [True] * 3
    after = anna.values
    assert [after[name] for name in ("contacts", "places", "vault")] == [
        before[name] | ({"looked": after["vault"].get("looked")} if name == "vault" else {})
        for name in ("contacts", "places", "vault")
    ]
    said = anna.run("contacts")  # the honest server again
    assert ("ghost" in said.all, "leaves out" in said.all) == (False, False)


@pytest.mark.parametrize("act", ["send", "verify", "accept"])
def test_interacting_with_someone_stores_them_as_a_contact(
    world: World, anna: Someone, wire: Wire, tmp_path: Path, act: str
) -> None:
    erin = Someone.register(wire, "erin", tmp_path / "erin")
    talk = where(anna, erin)
    assert erin.run("add", anna.search_pin).code == 0
    assert erin.run("send", "anna", "hi").code == 0
    assert anna.run("contacts").code == 0
    assert anna.run("read", "erin").code == 0
    assert [one.text for one in anna.do(lambda client: all_new(client, talk))] == ["hi"]
    assert talk not in anna.values["contacts"]  # whoever only writes is not stored

    async def confirms(client: Client) -> None:
        await client.confirm_safety_number(next(one for one in await client.contacts() if one.name == "erin"))

    if act == "verify":
        anna.do(confirms)
    else:
        assert anna.run(act, "erin", *(["hello"] if act == "send" else [])).code == 0
    assert anna.values["contacts"][talk]["name"] == "erin"
    with wire.telling(LIST, lines(without(talk))):
        assert "list leaves out your contact erin" in anna.run("contacts").out
    fresh = Someone("anna", anna.pin, tmp_path / "fresh", wire, anna.keys)
    assert fresh.run("login").code == 0
    assert talk in fresh.values["contacts"]  # through the vault


def test_a_stranger_is_heard_if_their_first_message_is_gone(anna: Someone, wire: Wire, tmp_path: Path) -> None:
    erin = Someone.register(wire, "erin", tmp_path / "erin")
    talk = where(anna, erin)
    assert erin.run("add", anna.search_pin).code == 0
    for text in ("one", "two"):
        assert erin.run("send", "anna", text).code == 0

    def emptied(_: Asked, answer: Answer) -> None:
        answer.json = [row | {"encrypted": None} if row["seq"] == 1 else row for row in answer.json]

    with wire.telling(f"GET /messages/{talk}", emptied):
        new = anna.do(lambda client: all_new(client, talk))
    assert [(one.text, one.place) for one in new] == [("two", "ok")]
    assert talk not in anna.values["contacts"]


USED: dict[str, tuple[dict[str, Any], Any, bool]] = {  # known, sent, and whether they are reported missing
    "nothing": ({}, None, False),
    "a message from me": ({"own": [1, "A" * 43]}, None, True),
    "a message from them": ({"theirs": [1, "A" * 43]}, None, True),
    "verified": ({"verified": "search-pin"}, None, True),
    "I wrote": ({}, [1, "A" * 43], True),
    "I deleted the conversation": ({"own": [1, "A" * 43], "cleared": [1, 0]}, None, False),
}


@pytest.mark.parametrize(("known", "sent", "is_missed"), USED.values(), ids=USED)
def test_a_listed_but_unused_contact_is_not_reported_missing(known: dict[str, Any], sent: Any, is_missed: bool) -> None:
    """Older versions stored everyone who was listed, and their vaults still have them."""
    assert contacts.is_missed({**contacts.NEW, **known}, sent) is is_missed
