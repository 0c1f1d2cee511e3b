"""Pages are the same bytes for every visitor and need no database query."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from ezdms.app import create_app
from ezdms.settings import Settings
from ezdms.views import shells
from tests.support.people import Person

HTML = {"Accept": "text/html"}
ADDRESSES = [address for addresses in shells.ADDRESSES.values() for address in addresses]
ODD: list[dict[str, str]] = [
    {"User-Agent": "curl/8"},
    {"Accept-Language": "tlh"},
    {"Accept-Language": "not a language, \x80;q=x"},
    {"Cookie": "language=xx"},
    {"Cookie": "ezdms_session=" + "A" * 43},
    {"Authorization": "Bearer " + "A" * 43},
    {"Referer": "http://localhost/c/0"},
    {"HX-Request": "true"},
    {"Range": "bytes=0-9"},
]


async def face(app: Quart, path: str, headers: dict[str, str]) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Status, body and every header."""
    response = await app.test_client(use_cookies=False).get(path, headers=headers)
    return response.status_code, await response.get_data(as_text=False), sorted(response.headers.items())


@pytest.mark.parametrize("path", [*ADDRESSES, "/c/ABCDEFGHJKMNPQRSTVWXYZ01"])
async def test_every_visitor_gets_the_same_bytes(app: Quart, alice: Person, path: str) -> None:
    nobody = await face(app, path, HTML)
    assert nobody[0] == 200
    cookie = {"Cookie": f"ezdms_session={alice.account['token']}"}
    for headers in ({"Authorization": alice.headers["Authorization"]}, cookie, *ODD):
        assert await face(app, path, HTML | headers) == nobody
    assert b"alice" not in nobody[1]


@pytest.mark.parametrize("path", ADDRESSES)
async def test_each_language_is_the_same_bytes_for_every_visitor_with_an_etag_of_its_own(
    app: Quart, alice: Person, path: str
) -> None:
    english, spanish = [await face(app, path, HTML | {"Accept-Language": code}) for code in ("en", "es")]
    assert b'<html lang="es" dir="ltr">' in spanish[1]
    assert dict(english[2])["etag"] != dict(spanish[2])["etag"]
    assert "Accept-Language, Cookie" in dict(english[2])["vary"] == dict(spanish[2])["vary"]
    session = {"Cookie": f"ezdms_session={alice.account['token']}; language=es"}
    for headers in ({"Accept-Language": "es-MX,es;q=0.9,en;q=0.8"}, session, session | {"Accept-Language": "en"}):
        assert await face(app, path, HTML | headers) == spanish
    assert await face(app, path, HTML | {"Accept-Language": "es", "Cookie": "language=en"}) == english
    known = HTML | {"If-None-Match": dict(spanish[2])["etag"]}
    assert (await face(app, path, known | {"Accept-Language": "es"}))[0] == 304
    assert (await face(app, path, known))[:2] == english[:2]  # the browser has another language


async def test_the_page_for_an_unknown_address_comes_in_the_language_of_the_browser(app: Quart) -> None:
    _, body, headers = await face(app, "/nowhere", HTML | {"Accept-Language": "es"})
    assert "No hay nada en esta dirección." in body.decode()
    assert dict(headers)["vary"] == "Accept, Accept-Language, Cookie"


async def test_conversations_and_account_pages_share_one_shell(app: Quart) -> None:
    bodies = {path: (await face(app, path, HTML))[1] for path in shells.ADDRESSES[shells.APP]}
    assert len(set(bodies.values())) == 1
    assert bodies["/"] != (await face(app, "/protection", HTML))[1]


@pytest.mark.parametrize("path", ADDRESSES)
async def test_a_cached_shell_gets_304_without_a_database_query(
    app: Quart, alice: Person, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = app.extensions["ezdms.database"]

    async def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the database was asked")

    for way in ("read", "write"):
        monkeypatch.setattr(database, way, never)
    session = {"Authorization": alice.headers["Authorization"]}
    client = app.test_client()
    first = await client.get(path, headers=HTML | session)
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    again = await client.get(path, headers=HTML | session | {"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await client.get(path, headers=HTML | session | {"If-None-Match": '"another"'})
    assert other.status_code == 200
    asked = await client.get("/me", headers=session)  # control: this route needs the database
    assert asked.status_code == 500


async def test_a_shell_changes_only_with_the_operators_texts(tmp_path: Any) -> None:
    found = set()
    for words in (
        {},
        {"server_name": "Club"},
        {"notice": "For members"},
        {"registration": "closed"},
        {"retention": 30},
        {"limit_send": None},
    ):
        app = create_app(Settings(data_dir=tmp_path, **words))
        async with app.test_app():
            found.add((await app.test_client().get("/", headers=HTML)).headers["ETag"])
    assert len(found) == 5
