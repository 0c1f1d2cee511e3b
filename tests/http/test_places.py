"""A browser with several accounts: each has a place, and a session cookie of its own."""

from __future__ import annotations

import pytest
from quart import Quart
from quart.testing import WebsocketResponseError

from tests.support.people import JSON, Person


def at(place: int, **tokens: str) -> dict[str, str]:
    """The headers of a browser's request for the account at this place, with these session cookies."""
    cookies = "; ".join(f"{name}={token}" for name, token in tokens.items())
    return {"Cookie": cookies, **JSON} | ({"Ezdms-Place": str(place)} if place else {})


async def test_each_place_of_a_browser_has_a_session_cookie_of_its_own_and_a_request_counts_for_one(
    app: Quart, alice: Person, bob: Person
) -> None:
    both = {"ezdms_session": alice.account["token"], "ezdms_session_3": bob.account["token"]}
    client = app.test_client(use_cookies=False)
    for place, person in ((0, alice), (3, bob)):
        response = await client.get("/me", headers=at(place, **both))
        assert (await response.get_json())["user_id"] == person.user_id
    for place in (1, 2, 4):
        assert (await client.get("/me", headers=at(place, **both))).status_code == 401
    assert (await client.get("/me", headers=at(0, ezdms_session_3=bob.account["token"]))).status_code == 401
    bearer = {"Authorization": f"Bearer {alice.account['token']}", **at(3, **both)}
    assert (await (await client.get("/me", headers=bearer)).get_json())["user_id"] == alice.user_id
    fields = {name: bob.fields[name] for name in ("login_id", "auth_key")}
    response = await client.post("/login", form=fields, headers=at(4, **both))
    [cookie] = response.headers.getlist("Set-Cookie")
    assert cookie.startswith("ezdms_session_4=")
    response = await client.post("/logout", headers=at(3, **both))
    [cookie] = response.headers.getlist("Set-Cookie")
    assert cookie.startswith("ezdms_session_3=;")
    assert (await client.get("/me", headers=at(3, **both))).status_code == 401
    assert (await client.get("/me", headers=at(0, **both))).status_code == 200


@pytest.mark.parametrize("place", ["5", "-1", "00", "1,2", "%D9%A1", "x", ""])
async def test_a_malformed_place_is_refused_and_sets_no_cookie(app: Quart, alice: Person, place: str) -> None:
    client = app.test_client(use_cookies=False)
    session = {"Cookie": f"ezdms_session={alice.account['token']}", **JSON}
    fields = {name: alice.fields[name] for name in ("login_id", "auth_key")}
    for path in ("/login", "/logout"):
        response = await client.post(path, form=fields, headers={**session, "Ezdms-Place": place})
        assert (response.status_code, (await response.get_json())["code"]) == (400, "malformed_field")
        assert "Set-Cookie" not in response.headers
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket(f"/ws?place={place}", headers=session) as connection:
            await connection.receive()
    assert refused.value.response.status_code == 400
    assert (await client.get("/me", headers=session)).status_code == 200


async def test_a_socket_is_opened_for_the_account_of_its_place(app: Quart, alice: Person, bob: Person) -> None:
    both = {"ezdms_session": alice.account["token"], "ezdms_session_1": bob.account["token"]}
    headers = at(0, **both) | {"Origin": "http://localhost"}
    client = app.test_client(use_cookies=False)
    for address, person in (("/ws", alice), ("/ws?place=1", bob)):
        async with client.websocket(address, headers=headers, scope_base={"subprotocols": ["ezdms.json"]}) as socket:
            await socket.receive()
            assert len(person.hub.mailboxes(person.user_id)) == 1
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket("/ws?place=2", headers=headers) as connection:
            await connection.receive()
    assert refused.value.response.status_code == 401
