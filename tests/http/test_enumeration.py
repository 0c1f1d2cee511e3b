"""Guessing ids reveals nothing: what belongs to others answers exactly like what does not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from quart import Quart, Response

from ezdms.app import create_app
from ezdms.protocol.encoding import b64u_encode
from ezdms.settings import Settings
from tests.support.people import Person

FACES = ["application/json", "text/html"]
NO_ID = "A" * 22
NO_CONVERSATION = "0" * 24

Face = tuple[int, bytes, list[tuple[str, str]]]
Ask = Callable[[Person, str, str], Awaitable[Response]]


async def face(response: Response) -> Face:
    """Everything that could distinguish two answers: status, body, and every header but the date."""
    headers = sorted((name.lower(), value) for name, value in response.headers.items() if name.lower() != "date")
    return response.status_code, await response.get_data(as_text=False), headers


async def list_messages(person: Person, conversation_id: str, accept: str) -> Response:
    return await person.get(f"/messages/{conversation_id}", Accept=accept)


async def page_backwards(person: Person, conversation_id: str, accept: str) -> Response:
    return await person.get(f"/messages/{conversation_id}?before=2&limit=1", Accept=accept)


async def open_page(person: Person, conversation_id: str, accept: str) -> Response:
    return await person.get(f"/c/{conversation_id}/open", Accept=accept)


async def list_signals(person: Person, conversation_id: str, accept: str) -> Response:
    return await person.get(f"/signals/{conversation_id}", Accept=accept)


def does(what: str) -> Ask:
    async def ask(person: Person, conversation_id: str, accept: str) -> Response:
        return await person.post(f"/conversations/{conversation_id}/{what}", {"until": 0}, Accept=accept)

    return ask


async def list_conversations(person: Person, user_id: str, accept: str) -> Response:
    return await person.get(f"/conversations/{user_id}", Accept=accept)


async def end_session(person: Person, session_id: str, accept: str) -> Response:
    return await person.post(f"/sessions/{session_id}/end", Accept=accept)


BY_CONVERSATION: dict[str, Ask] = {
    "GET /messages/<conversation_id>": list_messages,
    "GET /messages/<conversation_id>?before": page_backwards,
    "GET /c/<conversation_id>/open": open_page,
    "GET /signals/<conversation_id>": list_signals,
    "POST /conversations/<conversation_id>/accept": does("accept"),
    "POST /conversations/<conversation_id>/block": does("block"),
    "POST /conversations/<conversation_id>/unblock": does("unblock"),
    "POST /conversations/<conversation_id>/mute": does("mute"),
    "POST /conversations/<conversation_id>/delete": does("delete"),
}
TRIED_BELOW = {"GET /conversations/<user_id>", "POST /sessions/<session_id>/end", "GET /c/<conversation_id>"}
TRIED_BELOW |= {f"{method} /files/<file_id>" for method in ("GET", "PATCH")}  # test_files.py
TRIED_BELOW |= {f"POST /passkeys/<credential_id>/{act}" for act in ("rename", "remove")}  # test_passkeys.py
SHAPELESS = ["x", "0" * 23, "0" * 25, "0" * 1000, "%00", "'", "ÿ", "%2e"]


def test_every_route_with_an_id_in_its_path_is_covered() -> None:
    found = {
        f"{method} {rule.rule}"
        for rule in create_app(Settings()).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.arguments and rule.endpoint != "static"
    }
    assert found == {name.partition("?")[0] for name in BY_CONVERSATION} | TRIED_BELOW


@pytest.mark.parametrize("accept", FACES)
@pytest.mark.parametrize("name", list(BY_CONVERSATION))
async def test_a_conversation_of_others_looks_like_an_unknown_one(
    alice: Person, bob: Person, eve: Person, name: str, accept: str
) -> None:
    ask = BY_CONVERSATION[name]
    conversation_id = await alice.start(bob)
    await alice.send(bob, "one")
    await bob.send(alice, "two")
    assert (await ask(alice, conversation_id, accept)).status_code in (200, 204)
    assert (await eve.get(f"/conversations/{eve.user_id}")).status_code == 200  # logged in, but an outsider
    assert await (await eve.get(f"/conversations/{eve.user_id}")).get_json() == []
    there = await face(await ask(eve, conversation_id, accept))
    assert there[0] == 404
    assert there == await face(await ask(eve, NO_CONVERSATION, accept))
    assert conversation_id.encode() not in there[1]


async def test_the_page_of_a_conversation_is_the_same_for_participants_outsiders_and_anonymous_visitors(
    app: Quart, alice: Person, bob: Person, eve: Person
) -> None:
    conversation_id = await alice.start(bob)
    headers = {"Accept": "text/html"}
    nobody = await face(await app.test_client().get(f"/c/{conversation_id}", headers=headers))
    assert nobody[0] == 200
    for person in (alice, eve):
        for where in (conversation_id, NO_CONVERSATION):
            assert await face(await person.get(f"/c/{where}", **headers)) == nobody


@pytest.mark.parametrize("odd", SHAPELESS)
async def test_a_malformed_id_looks_like_an_unknown_one(alice: Person, odd: str) -> None:
    for ask in (list_messages, open_page, list_signals):
        unknown = await face(await ask(alice, NO_CONVERSATION, "application/json"))
        assert await face(await ask(alice, odd, "application/json")) == unknown


@pytest.mark.parametrize("accept", FACES)
async def test_sending_to_a_conversation_of_others_looks_like_sending_to_an_unknown_one(
    alice: Person, bob: Person, eve: Person, accept: str
) -> None:
    conversation_id = await alice.start(bob)
    sent = alice.seal(bob, "one")
    assert (await alice.post("/send_message", sent)).status_code == 201
    fields = alice.seal(bob, "two")
    before = await bob.texts(alice)
    nowhere = await face(await eve.post("/send_message", fields | {"conversation_id": NO_CONVERSATION}, Accept=accept))
    assert nowhere[0] == 404
    replayed = {**sent, "message_id": b64u_encode(bytes(16))}
    for tried in (fields, sent, replayed):  # new, repeated, and one with a used counter
        assert await face(await eve.post("/send_message", tried, Accept=accept)) == nowhere
    assert await bob.texts(alice) == before == ["one"]
    assert (await alice.post("/send_message", fields)).status_code == 201  # the same fields, from a participant
    assert conversation_id == fields["conversation_id"]


@pytest.mark.parametrize("accept", FACES)
async def test_the_list_of_another_user_looks_like_that_of_an_unknown_user(
    alice: Person, bob: Person, eve: Person, accept: str
) -> None:
    await alice.start(bob)
    assert (await list_conversations(alice, alice.user_id, accept)).status_code == 200
    there = await face(await list_conversations(eve, alice.user_id, accept))
    assert there[0] == 403
    assert there == await face(await list_conversations(eve, NO_ID, accept))


@pytest.mark.parametrize("accept", FACES)
async def test_the_session_of_another_user_looks_like_an_unknown_one(alice: Person, eve: Person, accept: str) -> None:
    sessions = await (await alice.get("/sessions")).get_json()
    session_id = sessions[0]["session_id"]
    assert session_id not in str(await (await eve.get("/sessions")).get_json())
    there = await face(await end_session(eve, session_id, accept))
    assert there[0] == 404
    assert there == await face(await end_session(eve, NO_ID, accept))
    assert (await end_session(alice, session_id, accept)).status_code == 200


@pytest.mark.parametrize("accept", FACES)
async def test_a_replaced_search_pin_looks_like_an_unknown_one(
    app: Quart, alice: Person, bob: Person, eve: Person, accept: str
) -> None:
    withdrawn = {"partner_search_pin": alice.search_pin}
    assert (await bob.post("/start_conversation", withdrawn)).status_code == 201
    salt = b64u_encode(bytes(16))
    response = await alice.post("/search_pin", {"search_salt": salt, "act": alice.act("search_pin", salt)})
    assert response.status_code == 200
    there = await face(await eve.post("/start_conversation", withdrawn, Accept=accept))
    assert there[0] == 404
    unknown = {"partner_search_pin": "K1NY4-V0TH9-BQKPC-Y5ABA-X5PSS"}
    assert there == await face(await eve.post("/start_conversation", unknown, Accept=accept))
    found = {"partner_search_pin": (await response.get_json())["search_pin"]}
    assert (await eve.post("/start_conversation", found)).status_code == 201
