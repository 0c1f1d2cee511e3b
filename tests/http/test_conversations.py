"""Starting a conversation by Search PIN, and listing conversations."""

from __future__ import annotations

import pytest

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode
from tests.support.people import Person


async def test_starting_a_conversation_returns_what_the_client_needs_to_check_the_pin(
    alice: Person, bob: Person
) -> None:
    response = await alice.post("/start_conversation", {"partner_search_pin": bob.search_pin})
    assert response.status_code == 201
    answer = await response.get_json()
    assert set(answer) == {
        "conversation_id",
        "existing",
        "partner_id",
        "partner_username",
        "partner_search_pin",
        "partner_search_salt",
        "partner_statement",
    }
    statement = crypto.verify_statement(answer["partner_statement"])
    assert crypto.search_pin_commits(bob.search_pin, statement.ik, b64u_decode(answer["partner_search_salt"]))
    assert answer["conversation_id"] == crypto.conversation_id(alice.keys.fp, bob.keys.fp)
    assert (answer["existing"], answer["partner_id"], answer["partner_username"]) == (False, bob.user_id, "bob")


async def test_starting_again_from_either_side_returns_the_same_conversation(alice: Person, bob: Person) -> None:
    first = await alice.start(bob)
    response = await bob.post("/start_conversation", {"partner_search_pin": alice.search_pin})
    answer = await response.get_json()
    assert (response.status_code, answer["existing"], answer["conversation_id"]) == (200, True, first)


async def test_a_search_pin_is_normalized_before_the_lookup(alice: Person, bob: Person) -> None:
    typed = " " + bob.search_pin.lower().replace("-", " ").replace("0", "o").replace("1", "l") + "\n"
    assert (await alice.post("/start_conversation", {"partner_search_pin": typed})).status_code == 201


@pytest.mark.parametrize(
    ("typed", "status", "code", "word"),
    [
        ("", 400, "malformed_pin", "Enter their Search PIN"),
        ("hello", 400, "malformed_pin", "25"),
        ("12XT-6D6C-9WPW-09H0", 400, "malformed_pin", "Login PIN"),
        ("9XM9A-MQQPM-79YKF-XPQ75-NHP59", 400, "malformed_pin", "typo"),
        ("9XM9A-MQQPM-79YKF-XPQ75-NHPU8", 400, "malformed_pin", "U"),
        ("K1NY4-V0TH9-BQKPC-Y5ABA-X5PSS", 404, "unknown_pin", "Nobody"),
    ],
)
async def test_a_wrong_search_pin_gets_a_helpful_message(
    alice: Person, typed: str, status: int, code: str, word: str
) -> None:
    response = await alice.post("/start_conversation", {"partner_search_pin": typed})
    answer = await response.get_json()
    assert (response.status_code, answer["code"]) == (status, code)
    assert word in answer["error"]


async def test_a_user_cannot_start_a_conversation_with_themselves(alice: Person) -> None:
    response = await alice.post("/start_conversation", {"partner_search_pin": alice.search_pin})
    assert (response.status_code, (await response.get_json())["code"]) == (400, "oneself")


async def test_users_list_their_own_conversations_latest_first(alice: Person, bob: Person, eve: Person) -> None:
    await alice.start(bob)
    await alice.start(eve)
    await eve.send(alice, "hello")
    await bob.send(alice, "hello")
    rows = await (await alice.get(f"/conversations/{alice.user_id}")).get_json()
    assert [row["partner_username"] for row in rows] == ["bob", "eve"]
    assert set(rows[0]) == {
        "conversation_id",
        "partner_id",
        "partner_username",
        "partner_statement",
        "created_at",
        "last_seq",
        "unread",
        "state",
        "muted_until",
        "found_by",
        "pin_created_at",
    }
    assert (rows[0]["last_seq"], rows[0]["unread"]) == (1, 1)
    assert len(await (await bob.get(f"/conversations/{bob.user_id}")).get_json()) == 1


async def test_users_cannot_list_the_conversations_of_others(alice: Person, bob: Person) -> None:
    await alice.start(bob)
    there = await bob.get(f"/conversations/{alice.user_id}")
    nowhere = await bob.get("/conversations/AAAAAAAAAAAAAAAAAAAAAA")
    assert there.status_code == nowhere.status_code == 403
    assert await there.get_data() == await nowhere.get_data()
