"""Files in backups, and what the doctor says of them."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from ezdms.client import NoFile, Unreachable
from ezdms.client.transport import Transport
from tests.conftest import Server
from tests.hosting.test_backup import rows
from tests.hosting.test_doctor import examine
from tests.support.operated import operate, refused, said
from tests.support.talking import Talk
from tests.support.uploads import on_disk

SIZE = 200_000


@pytest.fixture
async def talk(server: Server, tmp_path: Path) -> AsyncIterator[Talk]:
    """Alice has sent Bob a file, and another one is under way."""
    talk = await Talk.begin(server, tmp_path)
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(SIZE))
    await talk.alice.send_file(talk.with_bob, path)
    with pytest.MonkeyPatch.context() as patch:
        real = Transport.patch

        async def breaks(self: Transport, address: str, part: bytes, offset: int) -> None:
            await real(self, address, b"begun", offset)
            raise Unreachable("cut off")

        patch.setattr(Transport, "patch", breaks)
        with pytest.raises(Unreachable):
            await talk.alice.send_file(talk.with_bob, path)
    assert sorted(one.stat().st_size for one in on_disk(server.data_dir))[0] == len(b"begun")
    yield talk
    await talk.leave()


def restored(talk: Talk, copy: Path, *more: str) -> None:
    """Stop the server, restore the backup to a new folder, and start the server there."""
    elsewhere = copy.with_name("elsewhere")
    talk.server.stop()
    said(operate(elsewhere, "restore", str(copy), *more))
    talk.server.data_dir = elsewhere
    talk.server.start()


async def test_a_backup_has_the_files_of_its_time_and_no_uploads(talk: Talk, tmp_path: Path) -> None:
    copy, content = tmp_path / "b.db", (tmp_path / "a.bin").read_bytes()
    assert ", with 1 files, checked." in said(operate(talk.server.data_dir, "backup", str(copy)))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert SIZE < copy.stat().st_size < 4 * SIZE
    assert [path.name for path in tmp_path.glob("b.db*")] == ["b.db"]
    restored(talk, copy)
    assert len(on_disk(talk.server.data_dir)) == 1
    assert {path.name for path in talk.server.data_dir.iterdir()} & {"files.part", "ezdms.db.part"} == set()
    assert rows(talk.server.data_dir / "ezdms.db", "SELECT name FROM sqlite_master WHERE name = 'backup_files'") == []
    [(size, is_whole)] = rows(talk.server.data_dir / "ezdms.db", "SELECT size, is_whole FROM files")
    assert (is_whole, [(size,)]) == (1, rows(talk.server.data_dir / "ezdms.db", "SELECT SUM(file_bytes) FROM usage"))
    message = (await talk.page(talk.second))[-1]
    assert (await message.save(tmp_path / "saved")).read_bytes() == content
    assert examine(talk.server)["files"] == ("ok", "1 files, 0.2 MiB.")
    await talk.second.send_file(talk.with_bob, tmp_path / "a.bin")  # and new ones can be sent


@pytest.mark.parametrize("when", ["backup", "restore"])
async def test_files_can_be_left_out(talk: Talk, tmp_path: Path, when: str) -> None:
    copy = tmp_path / "b.db"
    more = {"backup": ["--without-files"], "restore": []}[when]
    told = said(operate(talk.server.data_dir, "backup", str(copy), *more))
    assert ("without files" in told) == (when == "backup")
    restored(talk, copy, *(["--without-files"] if when == "restore" else []))
    assert on_disk(talk.server.data_dir) == []
    assert rows(talk.server.data_dir / "ezdms.db", "SELECT * FROM files") == []
    assert rows(talk.server.data_dir / "ezdms.db", "SELECT MAX(file_bytes) FROM usage") == [(0,)]
    message = (await talk.page(talk.second))[-1]
    assert message.file is not None
    with pytest.raises(NoFile):
        await message.save(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


async def test_restoring_keeps_the_old_files_next_to_the_old_database(talk: Talk, tmp_path: Path) -> None:
    copy, folder = tmp_path / "b.db", talk.server.data_dir
    said(operate(folder, "backup", str(copy)))
    before = {path.read_bytes() for path in on_disk(folder)}
    talk.server.stop()
    assert "--replace" in refused(operate(folder, "restore", str(copy)))
    assert {path.read_bytes() for path in on_disk(folder)} == before
    assert "files.replaced-" in said(operate(folder, "restore", "--replace", str(copy)))
    (aside,) = folder.glob("files.replaced-*")
    assert {path.read_bytes() for path in aside.rglob("*") if path.is_file()} == before
    assert len(on_disk(folder)) == 1


async def test_a_damaged_backup_changes_no_files(talk: Talk, tmp_path: Path) -> None:
    copy, folder = tmp_path / "b.db", talk.server.data_dir
    said(operate(folder, "backup", str(copy)))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE backup_files SET name = '../../escaped'")
    before = {path: path.read_bytes() for path in on_disk(folder)}
    talk.server.stop()
    assert "'../../escaped'" in refused(operate(folder, "restore", "--replace", str(copy)))
    assert {path: path.read_bytes() for path in on_disk(folder)} == before
    assert not (folder / "files.part").exists()
    assert list(tmp_path.rglob("escaped")) == []
    talk.server.start()
    await (await talk.page(talk.bob))[-1].save(tmp_path / "saved")


async def test_the_doctor_counts_files_and_finds_those_that_are_missing(talk: Talk, tmp_path: Path) -> None:
    folder = talk.server.data_dir
    assert examine(talk.server)["files"][0] == "ok"
    unknown = folder / "files" / "ab" / ("ab" * 16)
    unknown.parent.mkdir(exist_ok=True)
    unknown.write_bytes(b"x")
    assert "1 more belong to nothing" in examine(talk.server)["files"][1]
    whole = max(on_disk_sizes(folder), key=lambda path: path.stat().st_size)
    whole.write_bytes(b"cut off")
    status, sentence = examine(talk.server)["files"]
    assert (status, sentence.startswith("1 of 1 files")) == ("failed", True)
    whole.unlink()
    assert examine(talk.server)["files"][0] == "failed"


def on_disk_sizes(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]
