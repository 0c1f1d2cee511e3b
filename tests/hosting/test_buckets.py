"""A server whose files are in a bucket: how it starts, moves its files there, is backed up, restored and examined."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ezdms.hosting import serve
from ezdms.settings import Settings, parse_files_url
from ezdms.store.file_store import StoreError
from tests.conftest import Server
from tests.hosting.test_doctor import examine
from tests.hosting.test_files_on_disk import begin, patch
from tests.support.buckets import ACCESS_KEY, S3, SECRET_KEY, new_prefix
from tests.support.operated import operate, refused, said
from tests.support.served import Program, call, wait
from tests.support.uploads import on_disk

CONTENT = os.urandom(1_500_000)  # two objects


def bucket(s3: S3, prefix: str, folder: Path) -> dict[str, str]:
    """The settings, with the key in a file."""
    (folder / "key").write_text(f"{ACCESS_KEY}:{SECRET_KEY}\n")
    return {"files_url": s3.url(prefix), "files_key_file": str(folder / "key")}


def environment(settings: dict[str, str]) -> dict[str, str]:
    """The same for a command."""
    return {f"EZDMS_{name.upper()}": value for name, value in settings.items()}


def test_a_server_moves_its_files_to_a_bucket_and_is_backed_up_without_them(
    server: Server, s3: S3, tmp_path: Path
) -> None:
    prefix = new_prefix()
    settings = bucket(s3, prefix, tmp_path)
    given = environment(settings)
    alice, bob = Program(server, "alice"), Program(server, "bob")
    conversation_id = alice.start(bob)
    file_id = begin(alice, conversation_id, len(CONTENT))
    assert patch(server, alice, file_id, 0, CONTENT[:1_000_000]).status_code == 204
    assert "Another EZ-DMS" in refused(operate(server.data_dir, "move-files", **given))
    assert server.stop() == 0
    assert "Run: ezdms move-files" in refused(operate(server.data_dir, "serve", **given))
    assert "Set EZDMS_FILES_URL" in refused(operate(server.data_dir, "move-files"))
    wrong = given | {"EZDMS_FILES_URL": s3.url(prefix, bucket="elsewhere")}
    assert "no such bucket" in refused(operate(server.data_dir, "move-files", **wrong))
    assert len(on_disk(server.data_dir)) == 1  # nothing was deleted
    assert said(operate(server.data_dir, "move-files", **given)) == "1 files were moved, and are whole.\n"
    assert said(operate(server.data_dir, "move-files", **given)) == "There are no files to move.\n"
    assert on_disk(server.data_dir) == []
    server.settings |= settings
    server.start()
    assert patch(server, alice, file_id, 1_000_000, CONTENT[1_000_000:]).status_code == 204
    fields = alice.seal(bob, "a file") | {"file": file_id}
    assert alice.exchange("/send_message", fields)[0] == 201
    assert bob.exchange(f"/files/{file_id}") == (200, CONTENT)
    assert [len(one) for one in s3.objects(prefix).values()] == [1024 * 1024, len(CONTENT) - 1024 * 1024]
    assert SECRET_KEY not in server.log.read_text()

    copy = tmp_path / "b.db"
    assert "The files are in the bucket" in said(operate(server.data_dir, "backup", str(copy), **given))
    assert copy.stat().st_size < len(CONTENT)
    assert examine(server, **given)["files"] == (
        "ok",
        "1 files, 1.4 MiB, in the bucket files. It can be read and written.",
    )
    assert server.stop() == 0
    elsewhere = tmp_path / "elsewhere"
    assert "deletes the files from the bucket" in said(operate(elsewhere, "restore", str(copy), **given))
    server.data_dir = elsewhere
    server.start()
    assert bob.exchange(f"/files/{file_id}") == (200, CONTENT)

    lost = sorted(s3.objects(prefix))[1]
    others = [b"one", b"two"]  # more than are lost: it is the right bucket
    for content in others:
        assert patch(server, alice, begin(alice, conversation_id, 3), 0, content).status_code == 204
    s3.change(prefix, lost, None)
    assert examine(server, **given)["files"] == (
        "failed",
        "1 of 3 files, 1.4 MiB are not in the bucket, or not whole. Put them back.",
    )
    (tmp_path / "key").write_text(f"{ACCESS_KEY}:none")
    assert examine(server, **given)["files"] == (
        "failed",
        "The bucket of EZDMS_FILES_URL cannot be used: the secret key in EZDMS_FILES_KEY is wrong.",
    )
    (tmp_path / "key").write_text(f"{ACCESS_KEY}:{SECRET_KEY}")
    s3.change(prefix, f"{lost.partition('/')[0]}/{'ab' * 16}/0000-19", b"belongs to nothing")
    assert server.stop() == 0
    server.start()  # drops what is lost, and deletes what belongs to nothing
    wait(lambda: sorted(s3.objects(prefix).values()) == others, within=30)
    assert bob.exchange(f"/files/{file_id}")[0] == 404
    for program in (alice, bob):
        program.close()


def test_a_server_stops_in_time_while_its_bucket_hangs(server: Server, s3: S3, tmp_path: Path) -> None:
    assert server.stop() == 0
    server.settings |= bucket(s3, new_prefix(), tmp_path)
    server.start()
    alice, bob = Program(server, "alice"), Program(server, "bob")
    file_id = begin(alice, alice.start(bob), 4)
    assert patch(server, alice, file_id, 0, b"file").status_code == 204
    s3.send_signal(signal.SIGSTOP)
    try:
        raw = call(server)
        raw.sendall(f"GET /files/{file_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n\r\n".encode())
        assert alice.ask("/ping") == {"status": "ok"}  # it has been read: this came later
        assert server.stop() == 0
        raw.close()
    finally:
        s3.send_signal(signal.SIGCONT)
    assert server.complaints() == ""
    for program in (alice, bob):
        program.close()


def test_a_backup_with_files_is_not_restored_beside_a_bucket(server: Server, s3: S3, tmp_path: Path) -> None:
    given = environment(bucket(s3, new_prefix(), tmp_path))
    copy = tmp_path / "b.db"
    said(operate(server.data_dir, "backup", str(copy)))
    assert "in a bucket (EZDMS_FILES_URL)" in refused(operate(tmp_path / "elsewhere", "restore", str(copy), **given))
    assert not (tmp_path / "elsewhere" / "ezdms.db").exists()
    said(operate(tmp_path / "elsewhere", "restore", str(copy), "--without-files", **given))


def test_a_server_without_the_client_of_buckets_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(StoreError, match=r"pip install 'ezdms\[several\]'"):
        serve._check_drivers(Settings(files_url=parse_files_url("s3://files")))
