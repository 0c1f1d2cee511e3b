"""Files sent and saved by the Python client, against a real server: streamed, resumed, and never half."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest

from ezdms import crypto
from ezdms.client import ClientError, NoFile, Unreachable, carrying
from ezdms.client.naming import safe_name, sent_name
from ezdms.client.transport import Transport
from tests.conftest import Server
from tests.support.talking import Talk
from tests.support.uploads import on_disk


def made(folder: Path, name: str, size: int) -> Path:
    """A file of random bytes."""
    path = folder / name
    path.write_bytes(secrets.token_bytes(size))
    return path


def kept(talk: Talk) -> list[Path]:
    """The sealed files on Alice's machine."""
    return [path for path in talk.alice.state.path.with_suffix(".files").rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [1, 70_000, 3_000_001])
async def test_a_file_reaches_all_devices_of_both(talk: Talk, tmp_path: Path, size: int) -> None:
    path = made(tmp_path, "Träume.pdf", size)
    await (await talk.alice.conversation(talk.with_bob)).send_file(path)
    assert kept(talk) == []
    for client in talk.told:
        (event,) = await talk.hears(client, "message")
        message = event.message
        assert message is not None
        assert (message.state, message.failure, message.text) == ("file", "", None)
        assert message.file is not None
        assert (message.file.name, message.file.size, message.file.type) == ("Träume.pdf", size, "application/pdf")
        assert "key" not in str(message.as_json()["file"])
        assert "key=" not in repr(message)
        folder = tmp_path / f"to-{len(os.listdir(tmp_path))}"
        folder.mkdir()
        first, second = await message.save(folder), await message.save(folder)
        assert (first.name, second.name) == ("Träume.pdf", "Träume (2).pdf")
        assert first.read_bytes() == second.read_bytes() == path.read_bytes()
        assert stat.S_IMODE(first.stat().st_mode) == 0o600
        with pytest.raises(ClientError, match="already exists"):
            await message.save(first)
        assert sorted(os.listdir(folder)) == ["Träume (2).pdf", "Träume.pdf"]


async def test_a_deleted_file_is_gone_for_both(talk: Talk, tmp_path: Path) -> None:
    await talk.alice.send_file(talk.with_bob, made(tmp_path, "a.bin", 1000))
    mine, theirs = (await talk.page(talk.alice))[-1], (await talk.page(talk.bob))[-1]
    await theirs.react("👍")
    await mine.delete()
    assert [(one.state, one.file) for one in await talk.page(talk.bob)] == [("deleted", None)]
    with pytest.raises(NoFile, match="does not have this file"):
        await theirs.save(tmp_path / "x")
    with pytest.raises(NoFile, match="has no file"):
        await (await talk.page(talk.bob))[-1].save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


async def test_a_file_can_be_answered_and_disappears_with_the_timer(talk: Talk, tmp_path: Path) -> None:
    await talk.alice.set_timer(talk.with_bob, 3600)
    await talk.alice.send_file(talk.with_bob, made(tmp_path, "a.bin", 10))
    theirs = (await talk.page(talk.bob))[-1]
    assert theirs.expires_at is not None
    await theirs.reply("thanks")
    answer = (await talk.page(talk.alice))[-1].answers
    assert answer is not None
    assert (answer.text, answer.state) == (None, "file")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: made(folder, "empty", 0), "is empty"),
        (lambda folder: made(folder, "large", crypto.LARGEST_FILE + 1), "at most 25 MiB"),
        (lambda folder: folder, "is not a file"),
    ],
    ids=["empty", "too large", "a folder"],
)
async def test_what_cannot_be_sent_is_refused_before_anything_is_sent(
    talk: Talk, tmp_path: Path, make: Any, words: str
) -> None:
    with pytest.raises((ClientError, IsADirectoryError)) as raised:
        await talk.alice.send_file(talk.with_bob, make(tmp_path))
    assert words in str(raised.value) or isinstance(raised.value, IsADirectoryError)
    with pytest.raises(FileNotFoundError):
        await talk.alice.send_file(talk.with_bob, tmp_path / "nothing")
    assert talk.alice.waiting() == []
    assert kept(talk) == []
    assert await talk.page(talk.bob) == []


async def test_a_fifo_does_not_block_the_client(talk: Talk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ClientError, match="is not a file"):
        await asyncio.wait_for(talk.alice.send_file(talk.with_bob, tmp_path / "fifo"), 10)


async def test_the_largest_file_can_be_sent(talk: Talk, tmp_path: Path) -> None:
    path = made(tmp_path, "large", crypto.LARGEST_FILE)
    await talk.alice.send_file(talk.with_bob, path)
    saved = await (await talk.page(talk.bob))[-1].save(tmp_path / "saved")
    assert saved.read_bytes() == path.read_bytes()


async def test_an_upload_that_was_cut_off_continues_with_the_same_bytes(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, sent = made(tmp_path, "a.bin", 5_000_000), Transport.patch, list[tuple[int, int]]()

    async def breaks(self: Transport, target: str, part: bytes, offset: int) -> None:
        sent.append((offset, len(part)))
        if offset == 2 * carrying.PART:
            raise Unreachable("cut off")
        await real(self, target, part, offset)

    monkeypatch.setattr(Transport, "patch", breaks)
    with pytest.raises(Unreachable):
        await talk.alice.send_file(talk.with_bob, path)
    (waiting,) = talk.alice.waiting()
    assert (waiting.kind, waiting.text) == ("file", "a.bin")
    (sealed,) = kept(talk)
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    path.write_bytes(b"changed meanwhile")
    monkeypatch.setattr(Transport, "patch", real)
    talk.server.stop()
    talk.server.start()
    await talk.alice.flush(talk.with_bob)
    assert kept(talk) == []
    assert talk.alice.waiting() == []
    saved = await (await talk.page(talk.bob))[-1].save(tmp_path / "saved")
    assert saved.stat().st_size == 5_000_000
    assert [one.state for one in await talk.page(talk.bob)] == ["file"]


async def test_an_upload_that_the_server_lost_begins_again(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = made(tmp_path, "a.bin", 100_000), Transport.patch

    async def breaks(self: Transport, target: str, part: bytes, offset: int) -> None:
        raise Unreachable("cut off")

    monkeypatch.setattr(Transport, "patch", breaks)
    with pytest.raises(Unreachable):
        await talk.alice.send_file(talk.with_bob, path)
    with pytest.raises(Unreachable):
        await talk.alice.send(talk.with_bob, "after it")
    monkeypatch.setattr(Transport, "patch", real)
    first = talk.alice.state.values["outbox"][0]["message_id"]
    talk.alice._outbox.move_file(first, talk.with_bob, "A" * 22)  # as if the server had deleted it
    await talk.alice.flush(talk.with_bob)
    shown = await talk.page(talk.bob)
    assert [(one.state, one.text) for one in shown] == [("file", None), ("text", "after it")]
    assert {one.failure for one in shown} == {""}
    saved = await shown[0].save(tmp_path / "saved")
    assert saved.read_bytes() == path.read_bytes()


async def test_a_file_of_another_hash_than_its_message_says_is_not_saved(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender can lie, too: everyone must save the same file, or none."""
    real = crypto.describe_file
    monkeypatch.setattr(crypto, "describe_file", lambda **given: real(**given | {"hash": "A" * 43}))
    await talk.alice.send_file(talk.with_bob, made(tmp_path, "a.bin", 1000))
    with pytest.raises(crypto.Refused, match="not the file that was sent"):
        await (await talk.page(talk.bob))[-1].save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


async def test_a_discarded_file_leaves_nothing_behind(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(self: Transport, target: str, part: bytes, offset: int) -> None:
        raise Unreachable("cut off")

    monkeypatch.setattr(Transport, "patch", breaks)
    with pytest.raises(Unreachable):
        await talk.alice.send_file(talk.with_bob, made(tmp_path, "a.bin", 10))
    assert len(kept(talk)) == 1
    await talk.alice.discard(talk.alice.waiting()[0])
    assert kept(talk) == []


async def test_a_file_over_quota_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with Server(tmp_path, quota_files="1KiB", max_file="2KiB") as server:
        talk = await Talk.begin(server, tmp_path)
        with pytest.raises(ClientError, match="storage for files"):
            await talk.alice.send_file(talk.with_bob, made(tmp_path, "a", 1500))
        with pytest.raises(ClientError, match="too large: a file has at most 2 KiB"):
            await talk.alice.send_file(talk.with_bob, made(tmp_path, "b", 2049))
        assert talk.alice.waiting() == []
        assert kept(talk) == []
        await talk.leave()


async def test_the_server_has_only_sealed_bytes_under_a_random_name(talk: Talk, tmp_path: Path) -> None:
    path = tmp_path / "secret-plans.txt"
    path.write_bytes(b"the plain content " * 1000)
    await talk.alice.send_file(talk.with_bob, path)
    (stored,) = on_disk(talk.server.data_dir)
    everything = b"".join(one.read_bytes() for one in talk.server.data_dir.rglob("*") if one.is_file())
    assert stored.read_bytes() in everything
    assert b"the plain content" not in everything
    assert b"secret-plans" not in everything


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("a\0b", "a_b"),
        ("photo\u202egpj.exe", "photo_gpj.exe"),
        ("\u200b\u2066", "file"),
        ("", "file"),
        ("///", "file"),
        ("C:\\x", "C__x"),
        ("-rf", "_-rf"),
        ("con.txt", "_con.txt"),
        ("NUL", "_NUL"),
        ("a. ", "a"),
        ("\ud800", "file"),
        ("x" * 300 + ".pdf", "x" * 124 + ".pdf"),
        ("x." + "y" * 300, "x." + "y" * 126),
        ("漢" * 128, "漢" * 66),
    ],
)
def test_a_name_is_made_safe(given: str, safe: str) -> None:
    assert safe_name(given) == safe
    assert safe_name(safe) == safe
    assert len(safe.encode()) <= 200
    assert crypto.FILE_NAME.fullmatch(sent_name(given))
