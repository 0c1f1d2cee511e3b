"""A server that hands over another file, half of one, or more; and that lies about where an upload continues."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import carrying, transport
from tests.client.hostile.conftest import World
from tests.client.hostile.people import Someone
from tests.client.hostile.wire import OURS, Answer, Asked

Lie = Callable[[Asked, Answer], None]
GET = "GET /files/.*"


def send(sender: Someone, to: str, path: Path) -> str:
    """Send a file; returns the message's id."""
    said = sender.run("send", to, "--file", str(path), "--json")
    assert said.code == 0, said.err
    return str(json.loads(said.out)["message_id"])


@pytest.fixture(scope="module")
def sent(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A file from Alice to Bob."""
    folder = tmp_path_factory.mktemp("sent")
    return {"id": send(world.alice.copy(folder), "bob", made(folder)), "path": folder / "plan.bin"}


def made(folder: Path, name: str = "plan.bin") -> Path:
    path = folder / name
    path.write_bytes(secrets.token_bytes(300_000))
    return path


def sealed(reader: Someone, other: str, message_id: str, folder: Path) -> bytes:
    """The sealed bytes that the server has."""
    found: list[bytes] = []
    with reader.wire.telling(GET, lambda asked, answer: found.append(answer.body)):
        said = reader.run("save", other, "--message", message_id, "--to", str(folder / message_id))
    assert said.code == 0, said.err
    return b"".join(found)


def saved(someone: Someone, message_id: str, folder: Path) -> tuple[int, str, list[Path]]:
    """Exit code, errors, and what is in the folder after saving."""
    folder.mkdir()
    said = someone.run("save", "bob", "--message", message_id, "--to", str(folder))
    return said.code, said.err, list(folder.iterdir())


def instead(body: Callable[[bytes], bytes], **headers: str) -> Lie:
    def lie(asked: Asked, answer: Answer) -> None:
        answer.body = body(answer.body)
        answer.headers |= {name.replace("_", "-"): value for name, value in headers.items()}

    return lie


LIES: dict[str, Lie] = {
    "a bit flipped": instead(lambda whole: whole[:70_000] + bytes([whole[70_000] ^ 1]) + whole[70_001:]),
    "the last bit flipped": instead(lambda whole: whole[:-1] + bytes([whole[-1] ^ 1])),
    "two chunks exchanged": instead(lambda whole: whole[65_552:131_104] + whole[:65_552] + whole[131_104:]),
    "a chunk twice": instead(lambda whole: whole[:65_552] * 2 + whole[131_104:]),
    "noise": instead(lambda whole: secrets.token_bytes(len(whole))),
    "zeros": instead(lambda whole: bytes(len(whole))),
    "a page": instead(lambda whole: b"<script>alert(1)</script>".ljust(len(whole)), Content_Type="text/html"),
    "one byte more": instead(lambda whole: whole + b"x"),
    "much more": instead(lambda whole: whole * 50),
    "compressed": instead(lambda whole: whole, Content_Encoding="gzip"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_what_is_not_the_file_is_not_saved(alice: Someone, sent: dict[str, Any], lie: Lie, tmp_path: Path) -> None:
    with alice.wire.telling(GET, lie):
        code, words, found = saved(alice, sent["id"], tmp_path / "to")
    assert (code, found) == (1, [])
    assert words.startswith("Error: ")
    assert words.count("\n") == 1
    code, _, (path,) = saved(alice, sent["id"], tmp_path / "again")
    assert path.read_bytes() == sent["path"].read_bytes()


def test_no_file_can_be_passed_off_as_another(
    alice: Someone, world: World, sent: dict[str, Any], tmp_path: Path
) -> None:
    for what, sender, to in (
        ("of the same conversation", alice, "bob"),
        ("of another conversation", alice, "carol"),
        ("of another person", world.bob, "alice"),
    ):
        message_id = send(sender, to, made(tmp_path, f"{what}.bin"))
        body = sealed(sender, to, message_id, tmp_path)
        assert len(body) == 303_184
        with alice.wire.telling(GET, instead(lambda whole, body=body: body)):  # type: ignore[misc]
            code, _, found = saved(alice, sent["id"], tmp_path / what)
        assert (code, found) == (1, []), what


def test_a_file_that_is_cut_off_is_asked_for_again_where_it_ended(
    alice: Someone, sent: dict[str, Any], tmp_path: Path
) -> None:
    ranges: list[str] = []

    def cuts(asked: Asked, answer: Answer) -> None:
        ranges.append(asked.headers.get("range", ""))
        answer.body = answer.body[:100_000]

    with alice.wire.telling(GET, cuts):
        code, _, (path,) = saved(alice, sent["id"], tmp_path / "to")
    assert (code, path.read_bytes()) == (0, sent["path"].read_bytes())
    assert ranges == ["", "bytes=100000-", "bytes=200000-", "bytes=300000-"][: len(ranges)]
    assert len(ranges) > 2


def ranged(status: int, said: str) -> Lie:
    """A lie: half of the file, and then another part than the one asked for."""

    def lie(asked: Asked, answer: Answer) -> None:
        if "range" not in asked.headers:
            answer.body = answer.body[:100_000]
            return
        answer.status = status
        answer.headers["content-range"] = said
        if not said:
            del answer.headers["content-range"]

    return lie


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, "bytes 100000-303167/303168"),
        (206, ""),
        (206, "bytes 0-303167/303168"),
        (206, "bytes 100000-303166/303168"),
        (206, "bytes 100000-303167/*"),
        (206, "nonsense"),
        (204, ""),
    ],
)
def test_a_range_that_was_not_asked_for_is_refused(
    alice: Someone, sent: dict[str, Any], status: int, said: str, tmp_path: Path
) -> None:
    with alice.wire.telling(GET, ranged(status, said)):
        code, words, found = saved(alice, sent["id"], tmp_path / "to")
    assert (code, found) == (1, [])
    assert "another part of the file" in words


@pytest.mark.parametrize("kept", [0, 1000])
def test_a_file_that_does_not_end_is_given_up(
    alice: Someone, sent: dict[str, Any], kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hands over the same few bytes again and again, or nothing."""
    monkeypatch.setattr(transport.Transport.__init__, "__kwdefaults__", {"patience": 1.0})

    def lie(asked: Asked, answer: Answer) -> None:
        answer.body = answer.body[:kept] if "range" not in asked.headers else b""

    with alice.wire.telling(GET, lie):
        code, words, found = saved(alice, sent["id"], tmp_path / "to")
    assert (code, found) == (4, [])
    assert "too early" in words


def test_a_file_that_arrives_too_slowly_is_given_up(
    alice: Someone, sent: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "LEAST_TIME", 0.5)
    monkeypatch.setattr(carrying, "SLOWEST", 10**9)
    with alice.wire.telling(GET, lambda asked, answer: answer.__setattr__("body", answer.body[:10])):
        code, words, found = saved(alice, sent["id"], tmp_path / "to")
    assert (code, found) == (4, [])
    assert "too slowly" in words


@pytest.mark.parametrize("member", ["another", None])
def test_a_message_with_another_file_than_it_says_is_not_shown(
    alice: Someone, sent: dict[str, Any], member: str | None
) -> None:
    other = None if member is None else "A" * 22

    def lie(asked: Asked, answer: Answer) -> None:
        answer.json = [row | {"file": other if row["message_id"] == sent["id"] else row["file"]} for row in answer.json]

    with alice.wire.telling("GET /messages/.*", lie):
        said = alice.run("read", "bob", "--json")
        found = [json.loads(line) for line in said.out.splitlines()]
        last = next(one for one in found if one["message_id"] == sent["id"])
        assert (last["state"], last["file"]) == ("unverified", None)
        assert alice.run("save", "bob", "--message", sent["id"]).code == 1


def test_a_text_is_not_shown_as_a_file(alice: Someone, world: World) -> None:
    said = alice.run("send", "bob", "a text", "--json")
    message_id = json.loads(said.out)["message_id"]

    def lie(asked: Asked, answer: Answer) -> None:
        answer.json = [row | {"file": "A" * 22} if row["message_id"] == message_id else row for row in answer.json]

    with alice.wire.telling("GET /messages/.*", lie):
        found = [json.loads(line) for line in alice.run("read", "bob", "--json").out.splitlines()]
    assert next(one["state"] for one in found if one["message_id"] == message_id) == "unverified"


def conflict(offset: Any) -> Lie:
    def lie(asked: Asked, answer: Answer) -> None:
        answer.status, answer.headers = 409, {"Content-Security-Policy": OURS, "Content-Type": "application/json"}
        answer.json = {"error": "Elsewhere.", "code": "offset", "offset": offset}

    return lie


@pytest.mark.parametrize("offset", [0, -1, 10**12, "5", None, True], ids=str)
def test_an_upload_does_not_continue_where_it_cannot(alice: Someone, world: World, tmp_path: Path, offset: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000)
    with alice.wire.telling("PATCH /files/.*", conflict(offset), passes_on=False):
        said = alice.run("send", "bob", "--file", str(path))
    assert said.code == 1
    assert "continues where it cannot" in said.err
    assert "queued" in said.err
    assert [bool(item["upload"]) for item in alice.values["outbox"]] == [True]
    assert outbox(alice) == []  # sent now


def outbox(someone: Someone) -> list[dict[str, Any]]:
    return [json.loads(line) for line in someone.run("outbox", "--json").out.splitlines()]


def test_an_upload_that_jumps_about_ends(alice: Someone, world: World, tmp_path: Path) -> None:
    path, asked_for = tmp_path / "a.bin", []
    path.write_bytes(b"x" * 1000)

    def lie(asked: Asked, answer: Answer) -> None:
        asked_for.append(int(asked.headers["upload-offset"]))
        conflict(5 if asked_for[-1] != 5 else 6)(asked, answer)

    with alice.wire.telling("PATCH /files/.*", lie, passes_on=False):
        said = alice.run("send", "bob", "--file", str(path))
    assert (said.code, "continues where it cannot" in said.err) == (1, True)
    assert len(asked_for) < 200
    alice.run("outbox", "--discard-all")


def test_an_upload_that_the_server_pretends_to_have_is_not_hidden(alice: Someone, world: World, tmp_path: Path) -> None:
    """Nothing tells the sender; the reader sees that the file is not there."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000)

    def lie(asked: Asked, answer: Answer) -> None:
        answer.status, answer.body = 204, b""
        answer.headers = {"Content-Security-Policy": OURS}

    with alice.wire.telling("PATCH /files/.*", lie, passes_on=False):
        said = alice.run("send", "bob", "--file", str(path))
    assert said.code == 1  # the server itself takes no message with half a file
    alice.run("outbox", "--discard-all")


@pytest.mark.parametrize("file_id", ["", "x", "A" * 21, "../" * 7 + "A", 5, None], ids=str)
def test_a_malformed_file_id_is_refused(alice: Someone, world: World, tmp_path: Path, file_id: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000)

    def lie(asked: Asked, answer: Answer) -> None:
        answer.json = {"file_id": file_id, "offset": 0}

    with alice.wire.telling("POST /files", lie):
        said = alice.run("send", "bob", "--file", str(path))
    assert (said.code, "no valid file_id" in said.err) == (1, True)
    assert outbox(alice) == []
    assert list(alice.home.rglob("*.files/*")) == []


def test_names_of_files_cannot_leave_the_folder_or_control_the_terminal(
    alice: Someone, world: World, tmp_path: Path
) -> None:
    """The sender is hostile, too."""
    for name in ("..", "a\u202egnp.exe", ".hidden", "x" * 128, "\u2066\u200b", "C:x", "-rf", "[Message deleted]"):
        alice.do(lambda client, name=name: _send_named(client, tmp_path, name))  # type: ignore[misc]
    said = alice.run("read", "bob")
    assert "\u202e" not in said.out
    assert "\u2066" not in said.out
    folder = tmp_path / "to"
    folder.mkdir()
    assert alice.run("save", "bob", "--all", "--to", str(folder)).code == 0
    names = {path.name for path in folder.iterdir()}
    assert len(list(tmp_path.rglob("*hidden*"))) == 1
    assert all(not name.startswith((".", "-")) and name.isprintable() for name in names)


async def _send_named(client: Any, folder: Path, name: str) -> None:
    """Send a file with exactly this name, as a changed client could."""
    path = folder / "named"
    path.write_bytes(b"x")
    contact = next(one for one in await client.contacts() if one.name == "bob")
    real = crypto.describe_file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "describe_file", lambda **said: real(**said | {"name": name}))
        await asyncio.wait_for(client.send_file(contact, path), 30)
