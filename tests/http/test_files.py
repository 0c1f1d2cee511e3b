"""Files: uploaded in parts, sent once, read by the two of the conversation, and deleted with their message."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from ezdms import crypto
from ezdms.actions import sweeping, uploading
from ezdms.app import create_app
from ezdms.db import now
from ezdms.models import file as files
from ezdms.protocol.encoding import b64u_decode, b64u_encode
from ezdms.protocol.envelope import sealed_size
from ezdms.settings import Settings
from ezdms.store.file_folder import FileFolder
from tests.conftest import NO_LIMITS
from tests.http.test_changes import refused, rows, sent
from tests.http.test_leaving import leave
from tests.http.test_marks import hide, marked
from tests.http.test_sessions import execute
from tests.support import engines
from tests.support.buckets import S3, new_prefix
from tests.support.people import PEOPLE, Person
from tests.support.someone import until
from tests.support.uploads import answer, begin, fetched, offset_of, on_disk, patch, sweep, uploaded
from tests.support.usage import usage

WHOLE = secrets.token_bytes(5000)
OCTETS = "application/octet-stream"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


class Place:
    """Where the app stores files: in its data folder, or in a bucket."""

    def __init__(self, data: Path, s3: S3 | None) -> None:
        self._data, self._s3 = data, s3
        self._prefix = "" if s3 is None else new_prefix()
        self.settings = {} if s3 is None else s3.settings(self._prefix)

    def stored(self) -> dict[str, bytes]:
        """All files, by where they are."""
        if self._s3 is None:
            return {str(path.relative_to(self._data)): path.read_bytes() for path in on_disk(self._data)}
        assert on_disk(self._data) == []
        return self._s3.objects(self._prefix)

    def change(self, old: bytes, new: bytes | None) -> None:
        """Cut the file with this content on the disk, or delete it."""
        [name] = [name for name, content in self.stored().items() if content == old]
        if self._s3 is not None:
            self._s3.change(self._prefix, name, new)
        elif new is None:
            (self._data / name).unlink()
        else:
            (self._data / name).write_bytes(new)

    def add(self, name: str, content: bytes) -> None:
        """A file that belongs to nothing."""
        if self._s3 is not None:
            [root] = {one.partition("/")[0] for one in self.stored()}
            self._s3.change(self._prefix, f"{root}/{name}/0000-{len(content)}", content)
        else:
            path = self._data / "files" / name[:2] / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(0o600)
            path.write_bytes(content)


on_both = pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, data: Path) -> Place:
    """The data folder, or a bucket for a test that is on_both."""
    is_bucket = getattr(request, "param", "folder") == "bucket"
    return Place(data, request.getfixturevalue("s3") if is_bucket else None)


@pytest.fixture
async def app(data: Path, place: Place) -> AsyncIterator[Quart]:
    """The app on a real database, without limits."""
    app = create_app(Settings(data_dir=data, **NO_LIMITS | place.settings))
    async with app.test_app():
        yield app


@on_both
async def test_a_file_is_uploaded_in_parts_and_read_by_both_and_nobody_else(
    alice: Person, bob: Person, eve: Person, conversation: str, place: Place
) -> None:
    file_id = await begin(alice, conversation, len(WHOLE))
    assert await offset_of(alice, file_id) == 0
    assert (await fetched(alice, file_id))[0] == 404  # not whole yet
    for start, end in ((0, 2000), (2000, 2000), (2000, 4999), (4999, 5000)):
        response = await patch(alice, file_id, start, WHOLE[start:end])
        assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(end))
        assert await offset_of(alice, file_id) == end
    fields = await sent(alice, bob, "a file", file=file_id)
    for person in (alice, bob):
        assert await fetched(person, file_id) == (200, WHOLE)
        assert [row["file"] for row in await rows(person, conversation)] == [file_id]
    await eve.start(alice)
    assert await fetched(eve, file_id) == (404, b"")
    assert await offset_of(bob, file_id) == await offset_of(eve, file_id) == -1
    [(name, content)] = place.stored().items()
    assert content == WHOLE
    assert file_id not in name
    assert fields["message_id"] not in name
    assert (await fetched(bob, file_id, Range="bytes=1990-2010")) == (206, WHOLE[1990:2011])


@on_both
async def test_the_disk_holds_no_content_name_or_type_of_a_file(
    alice: Person, bob: Person, conversation: str, data: Path, place: Place
) -> None:
    plain, name, kind = b"the plain content " * 10_000, "salary-2026.pdf", "application/x-payroll"
    sealer = crypto.FileSealer(len(plain))
    file_id = await uploaded(alice, conversation, b"".join([*sealer.feed(plain), *sealer.finish()]))
    described: dict[str, Any] = {
        "id": file_id,
        "key": sealer.key,
        "size": len(plain),
        "hash": sealer.hash,
        "name": name,
        "type": kind,
    }
    fields = alice.seal(bob, crypto.describe_file(**described), kind="file")
    assert (await alice.post("/send_message", fields | {"file": file_id})).status_code == 201
    files = place.stored()
    stored = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file()) + engines.rows(data)
    stored += b"".join(files.values()) + "".join(files).encode()
    assert file_id.encode() in stored  # the database is among it
    for secret in (plain[:18], name.encode(), kind.encode(), sealer.key, b64u_encode(sealer.key).encode()):
        assert secret not in stored
    assert all(re.search(r"/[0-9a-f]{32}(/[0-9]{4}-[0-9]+)?$", path) for path in files)
    assert [len(content) for content in files.values()] == [crypto.sealed_size(len(plain))]
    row = (await rows(bob, conversation))[-1]
    claimed = {name: row[name] for name in ("message_id", "n", "hash", "suite")}
    opened = crypto.open_message(bob.keys, alice.keys.ik, bob.keys.ik, row["encrypted"], **claimed)
    found = crypto.read_file(opened.text)
    opener = crypto.FileOpener(b64u_decode(found["key"]), found["size"], found["hash"])
    assert b"".join(opener.feed((await fetched(bob, row["file"]))[1])) == plain
    opener.finish()


async def test_a_browser_saves_a_file_and_runs_nothing_of_it(alice: Person, conversation: str) -> None:
    file_id = await uploaded(alice, conversation, b"<script>alert(1)</script>")
    for accept in ("text/html", "application/json", "image/svg+xml"):
        headers = (await alice.get(f"/files/{file_id}", Accept=accept)).headers
        assert headers["Content-Type"] == OCTETS
        assert headers["Content-Disposition"] == "attachment"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "sandbox;" in headers["Content-Security-Policy"]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=4000-", 4000, 5000),
        ("bytes=4990-9999", 4990, 5000),
        ("bytes=-10", 4990, 5000),
        ("bytes=-9999", 0, 5000),
    ],
)
async def test_a_range_of_a_file_can_be_read(
    alice: Person, conversation: str, asked: str, start: int, end: int
) -> None:
    file_id = await uploaded(alice, conversation, WHOLE)
    response = await alice.get(f"/files/{file_id}", Range=asked)
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/5000"
    assert response.headers["Content-Length"] == str(end - start)
    assert await response.get_data() == WHOLE[start:end]


@pytest.mark.parametrize("asked", ["bytes=5000-", "bytes=-0", "bytes=99999999-"])
async def test_a_range_beyond_the_end_is_refused(alice: Person, conversation: str, asked: str) -> None:
    file_id = await uploaded(alice, conversation, WHOLE)
    status, code, more = await answer(await alice.get(f"/files/{file_id}", Range=asked))
    assert (status, code, more["size"]) == (416, "range", 5000)


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=", "bytes=-", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "x"])
async def test_anything_else_than_one_range_is_answered_with_the_whole_file(
    alice: Person, conversation: str, asked: str
) -> None:
    file_id = await uploaded(alice, conversation, WHOLE)
    assert await fetched(alice, file_id, Range=asked) == (200, WHOLE)
    assert await fetched(alice, file_id, **{"Range": "bytes=0-1", "If-Range": '"x"'}) == (200, WHOLE)


@pytest.mark.parametrize("offset", [0, 999, 1001, 5000, 99999])
async def test_a_part_that_does_not_continue_the_upload_is_refused(
    alice: Person, conversation: str, offset: int
) -> None:
    file_id = await begin(alice, conversation, 5000)
    await patch(alice, file_id, 0, WHOLE[:1000])
    status, code, more = await answer(await patch(alice, file_id, offset, WHOLE[:10]))
    assert (status, code, more["offset"]) == (409, "offset", 1000)
    assert await offset_of(alice, file_id) == 1000


@on_both
async def test_two_requests_cannot_both_write_the_same_part(alice: Person, conversation: str) -> None:
    file_id = await begin(alice, conversation, 5000)
    answers = await asyncio.gather(*(patch(alice, file_id, 0, bytes([i]) * 5000) for i in range(5)))
    assert sorted(one.status_code for one in answers) == [204, 409, 409, 409, 409]
    _, whole = await fetched(alice, file_id)
    winner = [one.status_code for one in answers].index(204)
    assert whole == bytes([winner]) * 5000


@on_both
async def test_bytes_beyond_the_declared_size_are_refused(alice: Person, conversation: str) -> None:
    file_id = await begin(alice, conversation, 10)
    assert (await answer(await patch(alice, file_id, 0, b"x" * 11)))[:2] == (413, "too_large")
    assert (await patch(alice, file_id, 0, b"x" * 10)).status_code == 204
    assert (await answer(await patch(alice, file_id, 10, b"x")))[:2] == (413, "too_large")
    assert await fetched(alice, file_id) == (200, b"x" * 10)
    assert (await patch(alice, file_id, 10, b"")).status_code == 204  # the answer to the last part was lost


@pytest.mark.parametrize("offset", ["", "-1", "01", "1.0", "x", "٣", "99999999999999999"])
async def test_a_malformed_offset_is_refused(alice: Person, conversation: str, offset: str) -> None:
    file_id = await begin(alice, conversation, 10)
    if offset.isascii():
        assert (await answer(await patch(alice, file_id, offset, b"x")))[:2] == (400, "malformed_field")
    headers = alice.headers | {}
    assert (await alice.client.patch(f"/files/{file_id}", headers=headers, data=b"x")).status_code == 400
    assert await offset_of(alice, file_id) == 0


async def test_a_part_has_at_most_a_mebibyte(alice: Person, conversation: str) -> None:
    file_id = await begin(alice, conversation, 3 * 1024 * 1024)
    assert (await patch(alice, file_id, 0, bytes(1024 * 1024 + 1))).status_code == 413
    assert (await patch(alice, file_id, 0, bytes(1024 * 1024))).status_code == 204


@pytest.mark.parametrize("size", ["0", "-1", "01", "1e3", "", "x", "9" * 17])
async def test_a_malformed_size_is_refused(alice: Person, conversation: str, size: str) -> None:
    response = await alice.post("/files", {"conversation_id": conversation, "size": size})
    assert (await answer(response))[:2] == (400, "malformed_field")


async def test_a_file_that_is_too_large_is_refused_before_it_is_uploaded(alice: Person, conversation: str) -> None:
    largest = sealed_size(Settings().max_file)
    assert await begin(alice, conversation, largest)
    response = await alice.post("/files", {"conversation_id": conversation, "size": largest + 1})
    status, code, more = await answer(response)
    assert (status, code) == (413, "too_large")
    assert "26214400" in more["error"]


async def test_nobody_uploads_for_a_conversation_of_others(alice: Person, eve: Person, conversation: str) -> None:
    for conversation_id in (conversation, "0" * 24, "x"):
        response = await eve.post("/files", {"conversation_id": conversation_id, "size": 10})
        assert (await answer(response))[:2] == (404, "no_conversation")


async def test_uploads_of_others_look_like_unknown_ones(
    alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    file_id = await begin(alice, conversation, 10)
    for person in (bob, eve):
        for unknown in (file_id, "A" * 22, "x", "%00"):
            assert (await answer(await patch(person, unknown, 0, b"x")))[:2] == (404, "no_file")
            assert await offset_of(person, unknown) == -1
            assert (await answer(await person.get(f"/files/{unknown}")))[:2] == (404, "no_file")
    assert await offset_of(alice, file_id) == 0


@on_both
async def test_only_a_whole_own_unused_file_of_the_conversation_can_be_sent(
    alice: Person, bob: Person, eve: Person, conversation: str
) -> None:
    elsewhere = await alice.start(eve)
    fine = await uploaded(alice, conversation, WHOLE)
    unfinished = await begin(alice, conversation, 10)
    await patch(alice, unfinished, 0, b"x" * 9)
    wrong = [
        "A" * 22,
        unfinished,
        await uploaded(bob, conversation, WHOLE),
        await uploaded(alice, elsewhere, WHOLE),
        await uploaded(eve, elsewhere, WHOLE),
    ]
    for file_id in wrong:
        assert await refused(alice, bob, "a file", file=file_id) == (404, "no_file")
    first = await sent(alice, bob, "a file", file=fine)
    assert await refused(alice, bob, "again", file=fine) == (404, "no_file")
    assert await refused(alice, bob, "edit", file=wrong[0], replaces=first["message_id"]) == (400, "malformed_field")
    assert len(await rows(bob, conversation)) == 1  # nothing else was stored
    assert (await alice.post("/send_message", first)).status_code == 200  # a repeat
    await patch(alice, unfinished, 9, b"x")
    await sent(alice, bob, "now it is whole", file=unfinished)
    await sent(bob, alice, "mine", file=wrong[2])


async def test_a_refused_message_counts_nothing(app: Quart, alice: Person, bob: Person, conversation: str) -> None:
    before = await usage(app, alice)
    assert await refused(alice, bob, "a file", file="A" * 22) == (404, "no_file")
    assert await usage(app, alice) == before


@pytest.fixture
async def file_sent(alice: Person, bob: Person, conversation: str) -> tuple[str, dict[str, Any]]:
    """A file in a message of Alice to Bob: its id, and the message's fields."""
    file_id = await uploaded(alice, conversation, WHOLE)
    return file_id, await sent(alice, bob, "a file", file=file_id)


@on_both
async def test_a_file_is_deleted_with_its_message(
    app: Quart, alice: Person, bob: Person, file_sent: tuple[str, dict[str, Any]], place: Place
) -> None:
    file_id, fields = file_sent
    assert (await usage(app, alice)).file_bytes == len(WHOLE)
    await sweep(app)
    assert len(place.stored()) == 1
    await sent(alice, bob, "deleted", replaces=fields["message_id"])
    assert (await fetched(bob, file_id))[0] == (await fetched(alice, file_id))[0] == 404  # at once
    await sweep(app)
    assert place.stored() == {}
    assert await execute(app, "SELECT * FROM files") == []
    assert (await usage(app, alice)).file_bytes == 0


async def test_a_file_is_deleted_when_its_message_disappears(
    app: Quart, alice: Person, bob: Person, conversation: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await uploaded(alice, conversation, WHOLE)
    await sent(alice, bob, "a file", file=file_id, expires_in=60)
    monkeypatch.setattr(sweeping, "now", lambda: now() + 61_000)
    await app.extensions["ezdms.sweeper"].expire()
    assert await fetched(bob, file_id) == (404, b"")
    await sweep(app)
    assert on_disk(data) == []


async def test_a_file_is_deleted_by_the_retention_setting(
    app: Quart, file_sent: tuple[str, dict[str, Any]], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "now", lambda: now() + 2 * sweeping.DAY)
    retiring = sweeping.Sweeper(app.extensions["ezdms.database"], retention=1)
    await retiring.retire()
    await sweep(app)
    assert on_disk(data) == []


@on_both
async def test_a_file_stays_until_both_have_removed_its_message(
    app: Quart, alice: Person, bob: Person, conversation: str, file_sent: tuple[str, dict[str, Any]], place: Place
) -> None:
    file_id, fields = file_sent
    assert (await hide(bob, marked(bob, conversation, fields)))[0] == 204
    await sweep(app)
    assert await fetched(bob, file_id) == (404, b"")
    assert await fetched(alice, file_id) == (200, WHOLE)
    await alice.does("delete", conversation)
    await app.extensions["ezdms.sweeper"].clear()
    await sweep(app)
    assert place.stored() == {}


async def test_who_blocks_the_sender_gets_no_file(alice: Person, bob: Person, conversation: str) -> None:
    await bob.does("block", conversation)
    file_id = await uploaded(alice, conversation, WHOLE)
    await sent(alice, bob, "a file", file=file_id)
    assert await fetched(alice, file_id) == (200, WHOLE)
    assert await fetched(bob, file_id) == (404, b"")


@on_both
async def test_the_files_of_a_deleted_account_are_deleted_and_others_stay(
    app: Quart, alice: Person, bob: Person, conversation: str, file_sent: tuple[str, dict[str, Any]], place: Place
) -> None:
    await begin(alice, conversation, 10)
    unsent = await uploaded(alice, conversation, b"unsent")
    of_bob = await uploaded(bob, conversation, b"of Bob")
    await sent(bob, alice, "mine", file=of_bob)
    assert await leave(alice) == 204
    for file_id in (file_sent[0], unsent):
        assert await fetched(bob, file_id) == (404, b"")
    await sweep(app)
    assert list(place.stored().values()) == [b"of Bob"]
    assert await fetched(bob, of_bob) == (200, b"of Bob")
    response = await bob.post("/files", {"conversation_id": conversation, "size": 10})
    assert (await answer(response))[:2] == (410, "left")
    assert await leave(bob) == 204
    await sweep(app)
    assert place.stored() == {}
    assert await execute(app, "SELECT * FROM files") == []


@on_both
async def test_an_upload_that_is_never_sent_is_deleted_after_a_day(
    app: Quart, alice: Person, bob: Person, conversation: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_one = await uploaded(alice, conversation, b"sent")
    await sent(alice, bob, "a file", file=sent_one)
    whole, half = await uploaded(alice, conversation, b"whole"), await begin(alice, conversation, 10)
    await patch(alice, half, 0, b"half")
    monkeypatch.setattr(uploading, "now", lambda: now() + uploading.UNSENT_FOR - 10_000)
    await sweep(app)
    assert await offset_of(alice, half) == 4
    monkeypatch.setattr(uploading, "now", lambda: now() + uploading.UNSENT_FOR + 10_000)
    await sweep(app)
    assert await offset_of(alice, half) == await offset_of(alice, whole) == -1
    assert list(place.stored().values()) == [b"sent"]
    assert (await usage(app, alice)).file_bytes == 4
    assert await refused(alice, bob, "late", file=whole) == (404, "no_file")


async def test_declared_sizes_count_at_once_and_only_against_the_quota_of_files(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "quota", **NO_LIMITS | {"quota_files": 100}))
    async with app.test_app():
        alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
        conversation = await alice.start(bob)
        file_id = await begin(alice, conversation, 60)
        response = await alice.post("/files", {"conversation_id": conversation, "size": 41})
        status, code, _ = await answer(response)
        assert (status, code) == (507, "quota")
        assert await begin(alice, conversation, 40)
        assert await begin(bob, conversation, 100)  # has a quota of his own
        await patch(alice, file_id, 0, bytes(60))
        fields = await sent(alice, bob, "a file", file=file_id)
        await sent(alice, bob, "deleted", replaces=fields["message_id"])
        await sweep(app)
        assert await begin(alice, conversation, 60)
        attempts = [alice.post("/files", {"conversation_id": conversation, "size": 1}) for _ in range(3)]
        assert {one.status_code for one in await asyncio.gather(*attempts)} == {507}


async def test_an_account_has_a_limited_number_of_unsent_uploads(
    alice: Person, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_UNSENT", 2)
    for _ in range(2):
        await begin(alice, conversation, 1)
    response = await alice.post("/files", {"conversation_id": conversation, "size": 1})
    assert (await answer(response))[:2] == (507, "quota")


async def test_a_server_can_accept_smaller_files_or_none(tmp_path: Path) -> None:
    for most, size, status in ((1000, sealed_size(1000), 201), (1000, sealed_size(1000) + 1, 413), (0, 1, 413)):
        app = create_app(Settings(data_dir=tmp_path / f"{most}-{size}", **NO_LIMITS | {"max_file": most}))
        async with app.test_app():
            alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
            conversation = await alice.start(bob)
            response = await alice.post("/files", {"conversation_id": conversation, "size": size})
            assert response.status_code == status
            assert (await (await alice.get("/deployment")).get_json())["max_file"] == most


async def test_an_almost_full_disk_accepts_no_new_files(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "floor", **NO_LIMITS))
    async with app.test_app():
        alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
        conversation = await alice.start(bob)
        uploads = app.extensions["ezdms.uploads"]
        uploads._limits = uploads._limits._replace(floor=100)
        response = await alice.post("/files", {"conversation_id": conversation, "size": 1})
        assert (await answer(response))[:2] == (507, "disk")


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)])
async def test_a_disk_that_fills_up_halfway_keeps_what_was_stored(
    alice: Person, bob: Person, conversation: str, number: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await begin(alice, conversation, 5000)
    await patch(alice, file_id, 0, WHOLE[:1000])
    real: Callable[..., int] = os.pwrite

    def half(descriptor: int, part: bytes, offset: int) -> int:
        if offset > 1000:
            raise OSError(number, "no room")
        return real(descriptor, part[:100], offset)

    monkeypatch.setattr(os, "pwrite", half)
    assert (await patch(alice, file_id, 1000, WHOLE[1000:])).status_code == status
    assert await offset_of(alice, file_id) == 1000
    monkeypatch.undo()
    assert (await patch(alice, file_id, 1000, WHOLE[1000:])).status_code == 204
    await sent(alice, bob, "a file", file=file_id)
    assert await fetched(bob, file_id) == (200, WHOLE)


async def test_a_file_counts_only_once_it_is_durable(
    alice: Person, bob: Person, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await begin(alice, conversation, 10)
    real = os.fsync

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("ezdms.store.file_folder.os.fsync", fails)
    assert (await patch(alice, file_id, 0, b"x" * 10)).status_code == 503
    assert await refused(alice, bob, "a file", file=file_id) == (404, "no_file")
    monkeypatch.setattr("ezdms.store.file_folder.os.fsync", real)
    assert (await patch(alice, file_id, 10, b"")).status_code == 204
    await sent(alice, bob, "a file", file=file_id)


@on_both
async def test_what_a_crash_left_behind_is_swept(
    app: Quart, alice: Person, bob: Person, conversation: str, file_sent: tuple[str, dict[str, Any]], place: Place
) -> None:
    lost, cut = [await uploaded(alice, conversation, content) for content in (b"lost", b"cut off")]
    others = [b"one", b"two"]  # more than are lost
    for content in others:
        await uploaded(alice, conversation, content)
    half = await begin(alice, conversation, 10)
    await patch(alice, half, 0, b"half")
    place.change(b"lost", None)
    place.change(b"cut off", b"cut")
    place.add("ab" * 16, b"belongs to nothing")
    uploads = app.extensions["ezdms.uploads"]
    await uploads.clean()
    await uploads.sweep()
    assert set(place.stored().values()) == {WHOLE, b"half", *others}
    assert await fetched(bob, file_sent[0]) == (200, WHOLE)
    for gone in (lost, cut):
        assert await refused(alice, bob, "a file", file=gone) == (404, "no_file")
    assert (await usage(app, alice)).file_bytes == len(WHOLE) + 10 + 6
    assert await offset_of(alice, half) == 4


async def test_a_folder_that_is_missing_by_mistake_makes_the_server_forget_nothing(
    app: Quart, bob: Person, file_sent: tuple[str, dict[str, Any]], data: Path
) -> None:
    (data / "files").rename(data / "elsewhere")
    uploads = app.extensions["ezdms.uploads"]
    await uploads.clean()
    await uploads.sweep()
    assert await fetched(bob, file_sent[0]) == (404, b"")
    (data / "elsewhere").rename(data / "files")
    assert await fetched(bob, file_sent[0]) == (200, WHOLE)


async def test_a_file_uploaded_while_the_folder_was_missing_makes_the_server_forget_no_other(
    app: Quart, alice: Person, bob: Person, conversation: str, file_sent: tuple[str, dict[str, Any]], data: Path
) -> None:
    uploads = app.extensions["ezdms.uploads"]
    (data / "files").rename(data / "elsewhere")
    await uploaded(alice, conversation, b"new")
    await uploads.clean()
    await uploads.sweep()
    shutil.copytree(data / "elsewhere", data / "files", dirs_exist_ok=True)
    await uploads.clean()
    await uploads.sweep()
    assert await fetched(bob, file_sent[0]) == (200, WHOLE)


async def test_a_folder_that_cannot_be_listed_keeps_no_file_from_being_deleted(
    app: Quart,
    alice: Person,
    conversation: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    uploads = app.extensions["ezdms.uploads"]
    file_id = await uploaded(alice, conversation, b"to go")
    await uploads.close()
    await app.extensions["ezdms.database"].write(files.drop_file, file_id=file_id)
    listed = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder == data / "files":
            raise PermissionError(errno.EACCES, "Permission denied")
        return iter(listed(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)  # to root, nothing is forbidden
    uploads.start()
    await until(lambda: on_disk(data) == [])
    await until(lambda: "cannot delete files" in caplog.text)


async def test_only_folders_of_ours_are_listed(data: Path, app: Quart, alice: Person, conversation: str) -> None:
    await uploaded(alice, conversation, b"one")
    for name in ("lost+found", "zz"):
        (data / "files" / name).mkdir()
        (data / "files" / name / "somebody's").write_text("not ours")
    await app.extensions["ezdms.uploads"].clean()
    assert (data / "files" / "lost+found" / "somebody's").exists()
    assert (data / "files" / "zz" / "somebody's").exists()
    [ours] = FileFolder(data).names()
    assert FileFolder(data).size(ours) == 3


async def test_a_disk_that_cannot_delete_a_file_is_asked_again(
    app: Quart, alice: Person, bob: Person, file_sent: tuple[str, dict[str, Any]], data: Path, monkeypatch: Any
) -> None:
    await sent(alice, bob, "deleted", replaces=file_sent[1]["message_id"])

    def fails(self: Path) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(Path, "unlink", fails)
    await sweep(app)
    assert len(on_disk(data)) == 1
    monkeypatch.undo()
    await sweep(app)
    assert on_disk(data) == []


async def test_an_upload_survives_a_restart(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "again", **NO_LIMITS)
    app = create_app(settings)
    async with app.test_app():
        alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
        conversation = await alice.start(bob)
        file_id = await begin(alice, conversation, 5000)
        await patch(alice, file_id, 0, WHOLE[:3000])
    app = create_app(settings)
    async with app.test_app():
        for person in (alice, bob):
            person.app, person.client = app, app.test_client(use_cookies=False)
        assert await offset_of(alice, file_id) == 3000
        await patch(alice, file_id, 3000, WHOLE[3000:])
        await sent(alice, bob, "a file", file=file_id)
        assert await fetched(bob, file_id) == (200, WHOLE)
