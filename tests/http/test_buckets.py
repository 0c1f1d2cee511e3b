"""Files in a bucket that is away, hangs, answers wrongly, or lost something: all else works meanwhile, nothing is lost,
and no key is told. What both stores have in common is in test_files.py."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from quart import Quart

from ezdms.actions.uploading import Uploads
from ezdms.app import create_app, open_database
from ezdms.settings import Settings, parse_files_key, parse_files_url
from ezdms.store import bucket
from ezdms.store.bucket import SLOT, Bucket, BucketError
from ezdms.store.file_store import StoreError
from tests.conftest import NO_LIMITS
from tests.http.test_changes import rows, sent
from tests.http.test_sessions import execute
from tests.support.buckets import ACCESS_KEY, S3, SECRET_KEY, new_prefix
from tests.support.people import PEOPLE, Person
from tests.support.relay import Relay
from tests.support.served import serving
from tests.support.uploads import answer, begin, fetched, offset_of, patch, sweep, uploaded

LARGE = secrets.token_bytes(SLOT + 5000)  # two objects
SKEWED = "<Error><Code>RequestTimeTooSkewed</Code><Message>secret details</Message></Error>"


@dataclass
class Site:
    """An app whose bucket is behind a relay, and two people with a conversation."""

    app: Quart
    relay: Relay
    s3: S3
    prefix: str
    alice: Person
    bob: Person
    conversation: str

    @property
    def uploads(self) -> Uploads:
        """The app's."""
        return self.app.extensions["ezdms.uploads"]  # type: ignore[no-any-return]


@asynccontextmanager
async def relayed(s3: S3) -> AsyncIterator[Relay]:
    """A relay before the bucket."""
    relay = Relay(s3)
    await relay.mend()
    try:
        yield relay
    finally:
        await relay.cut()


@pytest.fixture
async def site(s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Site]:
    """Running; at the end, no key is in the log."""
    async with relayed(s3) as relay:
        prefix = new_prefix()
        settings = Settings(data_dir=tmp_path / "data", **NO_LIMITS | s3.settings(prefix, port=relay.port))
        app = create_app(settings)
        async with app.test_app():
            alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
            yield Site(app, relay, s3, prefix, alice, bob, await alice.start(bob))
    assert SECRET_KEY not in caplog.text
    assert ACCESS_KEY not in caplog.text
    assert "secret details" not in caplog.text


def status(code: int, body: str = "", **headers: str) -> bytes:
    """An answer of a bucket."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", "Connection: close", *lines, "", body]
    return "\r\n".join(lines).encode()


async def test_while_the_bucket_is_away_only_files_fail_and_nothing_is_lost(site: Site) -> None:
    whole, half = (
        await uploaded(site.alice, site.conversation, LARGE[:SLOT]),
        await begin(site.alice, site.conversation, 9),
    )
    await sent(site.alice, site.bob, "a file", file=whole)
    await patch(site.alice, half, 0, b"half")
    await site.relay.cut()
    refused = [await site.bob.get(f"/files/{whole}"), await patch(site.alice, half, 4, b"whole")]
    for response in refused:
        assert (await answer(response))[:2] == (503, "unavailable")
        assert int(response.headers["Retry-After"]) > 0
    assert (await site.alice.client.head(f"/files/{half}", headers=site.alice.headers)).status_code == 503
    await sent(site.bob, site.alice, "can you read this?")
    assert len(await rows(site.alice, site.conversation)) == 2
    assert await begin(site.alice, site.conversation, 5)
    await site.uploads.sweep()
    await site.relay.mend()
    assert await fetched(site.bob, whole) == (200, LARGE[:SLOT])
    assert await offset_of(site.alice, half) == 4
    assert (await patch(site.alice, half, 4, b"whole")).status_code == 204
    assert await fetched(site.alice, half) == (200, b"halfwhole")


async def test_a_bucket_that_hangs_costs_others_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "ONE", timedelta(seconds=1))
    key = parse_files_key(f"{ACCESS_KEY}:{SECRET_KEY}")
    place = parse_files_url(site.s3.url(site.prefix, port=site.relay.port))
    site.uploads._store = Bucket(place, key, site.app.extensions["ezdms.deployment_id"])
    file_id = await uploaded(site.alice, site.conversation, b"a file")
    site.s3.send_signal(signal.SIGSTOP)
    try:
        waiting = [asyncio.create_task(fetched(site.alice, file_id)) for _ in range(50)]
        await asyncio.sleep(0)
        await sent(site.bob, site.alice, "meanwhile")
        assert not any(one.done() for one in waiting)
        assert set(await asyncio.gather(*waiting)) == {(503, b"")}
    finally:
        site.s3.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "said",
    [
        status(500, "<html>"),
        status(403, SKEWED),
        status(404, "<Error><Code>NoSuchBucket</Code></Error>"),
        status(307, Location="http://127.0.0.1:9/elsewhere"),
        status(200, "not XML"),
        status(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")[:60],
        b"SSH-2.0-x\r\n",
    ],
)
async def test_whatever_the_bucket_answers_is_an_error_and_never_a_file(site: Site, said: bytes) -> None:
    file_id = await uploaded(site.alice, site.conversation, b"a file")
    await site.relay.capture(said)
    assert await fetched(site.alice, file_id) == (503, b"")
    assert (await patch(site.alice, await begin(site.alice, site.conversation, 9), 0, b"x")).status_code == 503
    await site.relay.capture(b"")
    assert await fetched(site.alice, file_id) == (200, b"a file")


@pytest.mark.parametrize("size", [5999, 6001])
async def test_an_object_of_another_size_is_no_file(site: Site, size: int) -> None:
    file_id = await uploaded(site.alice, site.conversation, LARGE[:6000])
    [name] = site.s3.objects(site.prefix)
    site.s3.change(site.prefix, name, LARGE[:size])
    assert await fetched(site.alice, file_id) == (404, b"")
    blocks = site.uploads._store.read(name.split("/")[1], 6000, 0, 6000)
    with pytest.raises(BucketError, match="another size"):
        await anext(blocks)


async def test_an_answer_that_ends_early_is_an_error_and_never_half_a_file(site: Site) -> None:
    file_id = await uploaded(site.alice, site.conversation, LARGE[:6000])
    [name] = site.s3.objects(site.prefix)
    when = "Sat, 28 Nov 2026 20:00:00 GMT"
    head = status(200, "x" * 6000, ETag='"x"', Last_Modified=when)
    for said in (head[:-1000], head):  # the second is whole: this is what is read
        await site.relay.capture(said)
        blocks = site.uploads._store.read(name.split("/")[1], 6000, 0, 6000)
        if said is head:
            assert await anext(blocks) == b"x" * 6000
        else:
            with pytest.raises(BucketError):
                await anext(blocks)
    await site.relay.capture(b"")
    assert await fetched(site.alice, file_id) == (200, LARGE[:6000])


async def test_a_bucket_that_goes_away_in_the_middle_breaks_the_download_off(site: Site) -> None:
    file_id = await begin(site.alice, site.conversation, len(LARGE))
    await patch(site.alice, file_id, 0, LARGE[:SLOT])
    await patch(site.alice, file_id, SLOT, LARGE[SLOT:])
    assert await fetched(site.alice, file_id, Range=f"bytes={SLOT - 9}-{SLOT + 9}") == (
        206,
        LARGE[SLOT - 9 : SLOT + 10],
    )
    file = await site.uploads.find(file_id, user_id=site.alice.user_id)
    blocks = await site.uploads.read(file, 0, len(LARGE))
    assert await anext(blocks) == LARGE[:SLOT]
    await site.relay.cut()
    with pytest.raises(OSError, match="cannot be reached"):
        await anext(blocks)


async def test_a_download_that_breaks_off_never_looks_whole(site: Site, tmp_path: Path) -> None:
    count = 24  # MiB: more than what is on its way
    file_id = await begin(site.alice, site.conversation, count * SLOT)
    for number in range(count):
        assert (await patch(site.alice, file_id, number * SLOT, LARGE[:SLOT])).status_code == 204
    async with serving(site.app, tmp_path) as port, httpx.AsyncClient(trust_env=False) as client:
        asked = client.stream("GET", f"http://127.0.0.1:{port}/files/{file_id}", headers=site.alice.headers)
        async with asked as response:
            assert (response.status_code, response.headers["Content-Length"]) == (200, str(count * SLOT))
            blocks = response.aiter_raw()
            await anext(blocks)
            await site.relay.cut()
            with pytest.raises(httpx.HTTPError):
                _ = [block async for block in blocks]


async def test_parts_of_any_size_make_objects_of_a_mebibyte(site: Site) -> None:
    file_id = await begin(site.alice, site.conversation, len(LARGE))
    ends = [0, 1, 4000, SLOT - 1, SLOT + 1, len(LARGE) - 1, len(LARGE)]
    for start, end in pairwise(ends):
        assert await offset_of(site.alice, file_id) == start
        assert (await patch(site.alice, file_id, start, LARGE[start:end])).status_code == 204
    assert [len(one) for one in site.s3.objects(site.prefix).values()] == [SLOT, 5000]
    await sent(site.alice, site.bob, "a file", file=file_id)
    assert await fetched(site.bob, file_id) == (200, LARGE)


async def test_a_part_that_comes_too_late_shortens_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    put, started, may_go = obstore.put_async, asyncio.Event(), asyncio.Event()

    async def put_late(*given: Any, **named: Any) -> Any:
        monkeypatch.setattr(obstore, "put_async", put)
        started.set()
        await may_go.wait()
        return await put(*given, **named)

    file_id = await begin(site.alice, site.conversation, 6000)
    assert (await patch(site.alice, file_id, 0, LARGE[:1000])).status_code == 204
    [name] = {name.split("/")[1] for name in site.s3.objects(site.prefix)}
    monkeypatch.setattr(obstore, "put_async", put_late)
    late = asyncio.create_task(site.uploads._store.append(name, 1000, LARGE[1000:2000], 6000))  # at another process
    await started.wait()
    for start, end in ((1000, 2000), (2000, 6000)):  # its client went on
        assert (await patch(site.alice, file_id, start, LARGE[start:end])).status_code == 204
    may_go.set()
    assert await late == 2000
    assert await fetched(site.alice, file_id) == (200, LARGE[:6000])
    await site.uploads._store.remove(name)
    assert site.s3.objects(site.prefix) == {}


async def test_what_another_process_deletes_during_an_upload_does_not_stay(site: Site) -> None:
    file_id = await begin(site.alice, site.conversation, 9)
    store = site.uploads._store

    async def append(name: str, offset: int, part: bytes, size: int) -> int:
        end = await Bucket.append(store, name, offset, part, size)  # type: ignore[arg-type]
        await execute(site.app, "DELETE FROM files")
        return end

    store.append = append  # type: ignore[method-assign]
    assert (await patch(site.alice, file_id, 0, b"x")).status_code == 404
    assert site.s3.objects(site.prefix) == {}


async def test_an_empty_bucket_makes_the_server_forget_nothing(site: Site) -> None:
    file_id = await uploaded(site.alice, site.conversation, b"a file")
    [(name, content)] = site.s3.objects(site.prefix).items()
    site.s3.change(site.prefix, name, None)
    await site.uploads.clean()
    await sweep(site.app)
    site.s3.change(site.prefix, name, content)
    assert await fetched(site.alice, file_id) == (200, b"a file")


async def test_two_servers_in_one_bucket_do_not_touch_each_other(site: Site, tmp_path: Path) -> None:
    file_id = await uploaded(site.alice, site.conversation, b"a file")
    settings = site.app.extensions["ezdms.settings"]
    other = create_app(replace(settings, data_dir=tmp_path / "other"))
    async with other.test_app():
        await other.extensions["ezdms.uploads"].clean()
    assert await fetched(site.alice, file_id) == (200, b"a file")


@pytest.mark.parametrize(
    ("said", "key", "name"),
    [
        ("access key in EZDMS_FILES_KEY is unknown", f"nobody:{SECRET_KEY}", "files"),
        ("secret key in EZDMS_FILES_KEY is wrong", f"{ACCESS_KEY}:battery-staple", "files"),
        ("no such bucket: create it", f"{ACCESS_KEY}:{SECRET_KEY}", "elsewhere"),
    ],
)
async def test_a_bucket_that_refuses_stops_the_start_with_a_sentence(
    s3: S3, tmp_path: Path, said: str, key: str, name: str
) -> None:
    place = parse_files_url(s3.url(new_prefix(), bucket=name))
    app = create_app(Settings(data_dir=tmp_path / "data", files_url=place, files_key=parse_files_key(key)))
    with pytest.raises(StoreError, match=said) as refused:
        await open_database(app)
    assert key.partition(":")[2] not in str(refused.value)


async def test_a_given_key_is_used_without_anything_of_another_one(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = s3.settings(new_prefix())
    deployment_id = "A" * 22
    for name in ("AWS_SESSION_TOKEN", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    await Bucket(settings["files_url"], settings["files_key"], deployment_id).check()
    monkeypatch.undo()
    for name, value in (("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)):
        monkeypatch.setenv(name, value)
    await Bucket(settings["files_url"], None, deployment_id).check()  # without one, those of the environment


async def test_a_wrong_clock_stops_the_start_with_a_sentence(s3: S3, tmp_path: Path) -> None:
    async with relayed(s3) as relay:
        await relay.capture(status(403, SKEWED))
        app = create_app(Settings(data_dir=tmp_path / "data", **s3.settings(new_prefix(), port=relay.port)))
        with pytest.raises(StoreError, match="clock is wrong"):
            await open_database(app)


async def test_a_bucket_that_is_away_does_not_stop_the_start(s3: S3, tmp_path: Path) -> None:
    async with relayed(s3) as relay:
        await relay.cut()
        settings = Settings(data_dir=tmp_path / "data", **NO_LIMITS | s3.settings(new_prefix(), port=relay.port))
        app = create_app(settings)
        async with app.test_app():
            alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
            conversation = await alice.start(bob)
            await relay.mend()
            assert await fetched(alice, await uploaded(alice, conversation, b"a file")) == (200, b"a file")


async def test_files_that_are_still_in_the_folder_stop_the_start(s3: S3, tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", **NO_LIMITS))
    async with app.test_app():
        alice, bob = [await Person(app, PEOPLE[name], name).register() for name in ("alice", "bob")]
        await uploaded(alice, await alice.start(bob), b"a file")
    app = create_app(Settings(data_dir=tmp_path / "data", **s3.settings(new_prefix())))
    with pytest.raises(StoreError, match="Run: ezdms move-files"):
        await open_database(app)
