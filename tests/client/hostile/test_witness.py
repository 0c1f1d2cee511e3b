"""The witness: a client records served builds, shares them with the user's other devices, and reports differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ezdms import __version__, crypto
from ezdms.client import Client
from ezdms.client.answers import read_vault
from ezdms.client.served import DAY, HOUR
from ezdms.release import digest_of
from ezdms.views import assets
from tests.client.hostile.people import Someone
from tests.client.hostile.wire import Answer, Asked, Wire

OWN = {"version": __version__, "digest": digest_of(assets.import_map())}


def another_build(_: Asked, answer: Answer) -> None:
    """A lie: the import map allows another script."""
    answer.body = answer.body.replace(b'{"integrity":{', b'{"integrity":{"/evil.js":"sha256-x",')


def pages(wire: Wire) -> list[Asked]:
    """The requests for the page."""
    return [one for one in wire.asked if one.path == "/"]


def stored(someone: Someone) -> dict[str, Any]:
    """The vault, as stored by the server."""

    async def read(client: Client) -> dict[str, Any]:
        vault = read_vault(await client._transport.get("/vault", largest=2**24))
        return crypto.open_vault(someone.keys, vault.blob)

    return someone.do(read)


def later(someone: Someone, milliseconds: int) -> None:
    """Pretend that this much time has passed since the last check."""
    with someone.state.change() as values:
        values["vault"]["looked"] -= milliseconds


def same_person(someone: Someone, folder: Path) -> Someone:
    """The same user on another device, just logged in."""
    other = Someone(someone.name, someone.pin, folder / "other", someone.wire, someone.keys)
    assert other.run("login").code == 0
    return other


def test_a_client_checks_the_page_hourly_and_stores_new_builds(tmp_path: Path, wire: Wire, world: object) -> None:
    ivy = Someone.register(wire, "ivy", tmp_path / "ivy")
    (build,) = stored(ivy)["served"]
    assert {name: build[name] for name in OWN} == OWN
    assert len(pages(wire)) == 1
    assert "authorization" not in {name.lower() for name in pages(wire)[0].headers}
    wire.forget()
    for _ in range(3):
        assert ivy.run("contacts").code == 0
    assert pages(wire) == []
    later(ivy, HOUR)
    wire.forget()
    assert ivy.run("contacts").code == 0
    assert len(pages(wire)) == 1
    assert [one for one in wire.asked if one.method == "PUT"] == []  # nothing new to store
    ivy.do(lambda client: client._witness.look(build["last"] + DAY))
    assert len([one for one in wire.asked if one.method == "PUT"]) == 1
    assert stored(ivy)["served"] == [build | {"last": build["last"] + DAY}]


def test_a_build_that_differs_from_the_installed_one_is_reported(tmp_path: Path, wire: Wire, world: object) -> None:
    ivy = Someone.register(wire, "ivy", tmp_path / "ivy")
    later(ivy, HOUR)
    assert "build" not in ivy.run("contacts").err  # the control
    later(ivy, HOUR)
    with wire.telling("GET /", another_build):
        said = ivy.run("contacts")
    assert said.code == 0
    assert f"its scripts differ from those of EZ-DMS {__version__} installed here" in said.err
    assert f"different builds of EZ-DMS {__version__}" in said.err


def test_another_device_learns_that_builds_differ(tmp_path: Path, wire: Wire, world: object) -> None:
    ivy = Someone.register(wire, "ivy", tmp_path / "ivy")
    with wire.telling("GET /", another_build):
        other = same_person(ivy, tmp_path)
    assert len(stored(other)["served"]) == 2
    later(ivy, HOUR)
    for _ in range(2):  # with a new check, and without one within the hour
        said = ivy.run("contacts")
        assert f"served your devices different builds of EZ-DMS {__version__}" in said.err
        assert f"run `ezdms verify {wire.url}`" in said.err
        assert f"build {OWN['digest'][:12]}, the one installed here" in said.err
        assert "differ from those of EZ-DMS" not in said.err


def test_an_unreadable_page_is_ignored(tmp_path: Path, wire: Wire, world: object) -> None:
    ivy = Someone.register(wire, "ivy", tmp_path / "ivy")

    def odd(_: Asked, answer: Answer) -> None:
        answer.status, answer.body = 500, b"\x1b]0;owned\x07"

    def large(_: Asked, answer: Answer) -> None:
        answer.body = b" " * 2**20

    for lie in (odd, large):
        later(ivy, HOUR)
        with wire.telling("GET /", lie):
            said = ivy.run("contacts")
        assert (said.code, said.err) == (0, "You have no contacts yet. Add one with `ezdms add SEARCH_PIN`.\n")
    assert len(stored(ivy)["served"]) == 1


def test_unknown_or_invalid_vault_members_are_harmless(tmp_path: Path, wire: Wire, world: object) -> None:
    ivy = Someone.register(wire, "ivy", tmp_path / "ivy")

    async def store(client: Client) -> None:
        with client.state.change() as values:
            values["vault"]["more"] = {"served": [1, {"version": "x"}], "settings": {"at": 1}}
            values["vault"]["dirty"] = True
        await client._conversations.vault.push_what_is_new()

    ivy.do(store)
    assert stored(ivy)["settings"] == {"at": 1}
    later(ivy, HOUR)
    assert ivy.run("contacts").code == 0
    vault = stored(ivy)
    assert vault["settings"] == {"at": 1}
    assert [{name: one[name] for name in OWN} for one in vault["served"]] == [OWN]


def test_builds_noted_concurrently_by_two_devices_are_kept(tmp_path: Path, wire: Wire, world: object) -> None:
    ivy = Someone.register(wire, "ivy", tmp_path / "ivy")
    other = same_person(ivy, tmp_path)
    later(ivy, HOUR)
    with wire.telling("GET /", another_build), wire.telling("PUT /vault", None, passes_on=False):
        assert ivy.run("contacts").code == 0  # the new build cannot be stored now
    build = stored(other)["served"][0] | {"version": "9.9.9"}
    other.do(lambda client: client._conversations.vault.note_served(build))
    assert len(stored(other)["served"]) == 2
    assert ivy.run("contacts").code == 0
    assert len(stored(ivy)["served"]) == 3
