"""The vault: compare-and-set of one sealed blob per account, on the only route that accepts a larger body."""

from __future__ import annotations

import asyncio
import json

import pytest
from quart import Quart, Response

from ezdms import crypto
from ezdms.app import create_app
from ezdms.protocol import envelope
from ezdms.protocol.encoding import b64u_encode
from ezdms.settings import Settings
from ezdms.web.bodies import LARGER_BODIES, LARGEST_BODY
from tests.http.test_sessions import HTML, execute
from tests.support.people import PEOPLE, Person
from tests.support.vaults import noise_vault
from tests.websocket.test_live import SOON

LARGEST_PUT = LARGER_BODIES["/vault"]  # bytes of a whole body
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
NO_BODY = {
    *("/logout", "/sessions/<session_id>/end", "/sessions/end_others", "/messages_decrypted", "/push_off"),
    *("/passkeys/<credential_id>/remove", "/login_passkey/options"),
    "/files/<file_id>",  # bytes, not fields: test_files.py
    *(f"/conversations/<conversation_id>/{what}" for what in ("accept", "block", "unblock", "delete")),
}
STARTS = {  # of bodies that are well-formed at any length
    FORM: b"version=1&blob=",
    "application/json": b'{"version": 1, "blob": "',
    MULTIPART: b'--x\r\nContent-Disposition: form-data; name="blob"\r\n\r\n',
    MULTIPART + "; file": b'--x\r\nContent-Disposition: form-data; name="blob"; filename="f"\r\n\r\n',
}


BLOB = noise_vault(PEOPLE["alice"])


async def put(person: Person, version: object, blob: object, **headers: str) -> Response:
    """PUT /vault with the person's token."""
    fields = {"version": version, "blob": blob}
    return await person.client.put("/vault", json=fields, headers=person.headers | headers)


async def put_body(person: Person, body: bytes, content_type: str) -> Response:
    """PUT /vault with this exact body."""
    return await person.client.put("/vault", data=body, headers=person.headers | {"Content-Type": content_type})


async def vault(person: Person) -> tuple[int, str]:
    """The version and blob that the owner gets."""
    answer = await (await person.get("/vault")).get_json()
    assert set(answer) == {"version", "blob"}
    return answer["version"], answer["blob"]


async def test_a_vault_changes_one_version_at_a_time(alice: Person) -> None:
    assert await vault(alice) == (0, "")
    first, second = noise_vault(alice.keys), crypto.seal_vault(alice.keys, {"version": 2, "contacts": {}})
    for version, blob in ((1, first), (2, second), (3, first)):
        response = await put(alice, version, blob)
        assert response.status_code == 200
        assert await response.get_json() == {"version": version, "blob": blob}
        assert await vault(alice) == (version, blob)
    assert (await alice.client.put("/vault", form={"version": "4", "blob": second}, headers=alice.headers)).is_json
    assert await vault(alice) == (4, second)


@pytest.mark.parametrize(("stored", "refused"), [(0, [2, 3, 2**53 - 1]), (1, [1, 3]), (2, [1, 2, 4])])
async def test_a_version_other_than_the_next_one_changes_nothing(
    alice: Person, stored: int, refused: list[int]
) -> None:
    for version in range(1, stored + 1):
        await put(alice, version, noise_vault(alice.keys, word=f"v{version}"))
    before = await vault(alice)
    for version in refused:
        response = await put(alice, version, BLOB)
        answer = await response.get_json()
        assert (response.status_code, answer["code"], answer["version"]) == (409, "version", stored)
        assert await vault(alice) == before
    assert (await put(alice, stored + 1, BLOB)).status_code == 200


@pytest.mark.other_queries
@pytest.mark.parametrize("stored", [0, 1])
async def test_one_of_two_concurrent_writers_wins(alice: Person, stored: int) -> None:
    if stored:
        await put(alice, 1, BLOB)
    blobs = [noise_vault(alice.keys, word=f"writer{i}") for i in range(5)]
    responses = await asyncio.gather(*(put(alice, stored + 1, blob) for blob in blobs))
    statuses = [response.status_code for response in responses]
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    assert await vault(alice) == (stored + 1, blobs[statuses.index(200)])


async def test_a_vault_is_visible_only_to_its_owner(app: Quart, alice: Person, eve: Person) -> None:
    own = [noise_vault(eve.keys, word=word) for word in ("one", "two")]
    await put(alice, 1, BLOB)
    assert eve.user_id != alice.user_id
    assert await vault(eve) == (0, "")
    fields = {"version": 1, "blob": own[0], "user_id": alice.user_id}
    assert (await eve.client.put("/vault", json=fields, headers=eve.headers)).status_code == 200
    assert (await put(eve, 2, own[1])).status_code == 200
    assert await vault(alice) == (1, BLOB)
    assert await vault(eve) == (2, own[1])
    assert len(await execute(app, "SELECT * FROM vaults")) == 2


HEADER, *REST = BLOB.split(".")
KID = envelope.key_id(PEOPLE["alice"].spki)


@pytest.mark.parametrize(
    "blob",
    [
        *("", "a b", "a..b", ".a", "a.", "a\n", "<b>", "ab==", "a+b", "é", "\0", "." * 99, "a.b.c.d.e"),
        BLOB + "=",
        BLOB + ".AAAA",
        BLOB.replace(".", "..", 1),
        BLOB[:-4],
        noise_vault(PEOPLE["eve"]),
        ".".join([envelope.envelope_header(KID), *REST]),  # a message
        ".".join([b64u_encode(b'{"alg":"dir","enc":"A256GCM"}'), *REST]),
        ".".join([HEADER, REST[0], REST[1], REST[2] + "AAAA", REST[3]]),
        ".".join([HEADER, REST[0], REST[1], REST[2][:-4], REST[3]]),
        ".".join([HEADER, REST[0][:-4], *REST[1:]]),
    ],
    ids=range(23),
)
async def test_an_invalid_or_foreign_vault_is_refused(alice: Person, blob: str) -> None:
    response = await put(alice, 1, blob)
    assert (response.status_code, (await response.get_json())["code"]) == (422, "envelope")
    assert await vault(alice) == (0, "")


@pytest.mark.parametrize("steps", [1, 2, 100, 256])
async def test_every_padded_size_is_accepted_and_counted_even_over_quota(app: Quart, alice: Person, steps: int) -> None:
    app.extensions["ezdms.settings"] = Settings(quota_account=1)
    size = steps * envelope.VAULT_STEP
    for version, blob in ((1, noise_vault(alice.keys, size)), (2, noise_vault(alice.keys, size, "B"))):
        assert (await put(alice, version, blob)).status_code == 200
        assert await vault(alice) == (version, blob)
    counted = await execute(app, "SELECT message_bytes, vault_bytes FROM usage")
    assert counted == [{"message_bytes": 0, "vault_bytes": size}]


async def test_a_vault_leaves_less_room_for_messages(app: Quart, alice: Person, bob: Person) -> None:
    await alice.start(bob)
    app.extensions["ezdms.settings"] = Settings(quota_account=8000)
    await alice.send(bob, "fits beside nothing else")
    assert (await put(alice, 1, noise_vault(alice.keys))).status_code == 200
    response = await alice.post("/send_message", alice.seal(bob, "no more"))
    assert (response.status_code, (await response.get_json())["code"]) == (507, "quota")


@pytest.mark.parametrize(
    "version", [0, -1, "", "x", "01", "+1", "1.0", "1e0", " 1", "१", 2**53, 10**30, 1.0, True, None]
)
async def test_a_malformed_version_is_refused(alice: Person, version: object) -> None:
    assert (await put(alice, version, BLOB)).status_code == 400
    assert await vault(alice) == (0, "")


@pytest.mark.parametrize("missing", ["version", "blob"])
async def test_both_fields_are_required(alice: Person, missing: str) -> None:
    fields = {name: value for name, value in {"version": 1, "blob": BLOB}.items() if name != missing}
    assert (await alice.client.put("/vault", json=fields, headers=alice.headers)).status_code == 400


async def test_browsers_get_an_html_message(alice: Person) -> None:
    assert "version 1" in await (await put(alice, 1, BLOB, Accept=HTML)).get_data(as_text=True)
    refused = await put(alice, 1, BLOB, Accept=HTML)
    assert (refused.status_code, refused.mimetype) == (409, HTML)
    assert 'role="alert"' in await refused.get_data(as_text=True)


async def test_the_largest_vault_fits_and_one_byte_more_is_refused(alice: Person) -> None:
    start = STARTS[FORM]
    blob = noise_vault(alice.keys, envelope.LARGEST_VAULT)
    body = start + blob.encode()
    filled = body + b"&x=" + b"A" * (LARGEST_PUT - len(body) - 3)
    assert (await put_body(alice, filled + b"A", FORM)).status_code == 413
    assert await vault(alice) == (0, "")
    assert (await put_body(alice, filled, FORM)).status_code == 200
    assert await vault(alice) == (1, blob)
    filled = b'{"version": 2, "blob": "' + blob.encode() + b'"}'
    filled += b" " * (LARGEST_PUT - len(filled))
    assert (await put_body(alice, filled + b" ", "application/json")).status_code == 413
    assert (await put_body(alice, filled, "application/json")).status_code == 200


def taking_a_body() -> list[tuple[str, str]]:
    """(method, path) of every route that reads a body."""
    found = [
        (method, rule.rule)
        for rule in create_app(Settings()).url_map.iter_rules()
        for method in (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
        if rule.rule not in NO_BODY
    ]
    return sorted(found)


async def streamed(person: Person, method: str, path: str, content_type: str, size: int, announced: int = 0) -> int:
    """The status of an answer that arrives while an endless body of at least `size` bytes is being sent."""
    headers = person.headers | {"Content-Type": content_type.removesuffix("; file")}
    if announced:
        headers["Content-Length"] = str(announced)
    async with person.client.request(path, method=method, headers=headers) as connection:
        if not announced:
            await connection.send(STARTS[content_type])
        for _ in range(0, size, 4096):
            await connection.send(b"A" * 4096)
            await asyncio.sleep(0.003)  # in chunks, as over a network
        answer = json.loads(await asyncio.wait_for(connection.receive(), SOON))
    assert set(answer) >= {"error", "code"}
    return (await connection.as_response()).status_code


@pytest.mark.parametrize("content_type", list(STARTS))
async def test_a_larger_body_is_refused_before_its_end(alice: Person, content_type: str) -> None:
    async def tried(method: str, path: str) -> tuple[str, int, int]:
        most = LARGER_BODIES.get(path, LARGEST_BODY)
        sent = await streamed(alice, method, path, content_type, most + 1)
        return f"{method} {path}", sent, await streamed(alice, method, path, content_type, 0, announced=most + 1)

    found = await asyncio.gather(*(tried(*route) for route in taking_a_body()))
    assert len(found) > 20
    assert [one for one in found if one[1:] != (413, 413)] == []
    assert await vault(alice) == (0, "")


def test_only_the_vault_accepts_a_larger_body() -> None:
    assert ("PUT", "/vault") in taking_a_body()
    assert LARGEST_BODY == 64 * 1024 < LARGEST_PUT
    assert list(LARGER_BODIES) == ["/vault", "/report"]


async def test_a_route_without_a_body_does_not_read_one(alice: Person) -> None:
    headers = alice.headers | {"Content-Type": FORM}
    async with alice.client.request("/sessions/end_others", method="POST", headers=headers) as connection:
        for _ in range(100):
            await connection.send(b"A" * 1024)
        await asyncio.wait_for(connection.receive(), SOON)
    assert (await connection.as_response()).status_code == 200
