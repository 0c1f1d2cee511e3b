"""Two processes with their files in one bucket, each with a data folder of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.hosting.test_files_on_disk import begin, patch
from tests.several.conftest import Site
from tests.support import buses, engines
from tests.support.buckets import ACCESS_KEY, S3, SECRET_KEY, new_prefix
from tests.support.served import Program, wait

SIZE = 1_300_000


@pytest.fixture
def prefix() -> str:
    """Of this test's objects."""
    return new_prefix()


@pytest.fixture
def site(
    tmp_path: Path, postgresql: engines.PostgreSQL, migrated: str, bus: buses.Redis, s3: S3, prefix: str
) -> Iterator[Site]:
    """Two processes that serve, with the same key in two folders."""
    both = Site(tmp_path, postgresql.create(migrated), bus)
    first, second = both.servers
    for server in both.servers:
        server.settings |= {"files_url": s3.url(prefix), "files_key": f"{ACCESS_KEY}:{SECRET_KEY}"}
    second.data_dir = tmp_path / "other"
    try:
        first.start()
        second.data_dir.mkdir(mode=0o700)
        shutil.copy(first.data_dir / "ezdms.key", second.data_dir)
        second.start()
        yield both
    finally:
        for server in both.servers:
            server.kill()


def test_an_upload_goes_on_at_another_process_and_is_deleted_with_its_message(
    site: Site, people: tuple[Program, Program], s3: S3, prefix: str
) -> None:
    alice, bob = people
    other = Program.of(site.servers[1], alice)
    content = os.urandom(SIZE)
    conversation_id = site.sql("SELECT conversation_id FROM participants LIMIT 1")[0][0]
    file_id = begin(alice, conversation_id, SIZE)
    ends = (0, 400_000, 900_000, 1_200_000, SIZE)
    for number, (start, end) in enumerate(pairwise(ends)):
        server, program = (site.servers[number % 2], (alice, other)[number % 2])
        answered = patch(server, program, file_id, start, content[start:end])
        assert (answered.status_code, answered.headers["Upload-Offset"]) == (204, str(end))
    fields = alice.seal(bob, "a file") | {"file": file_id}
    alice.ask("/send_message", fields)
    for program in (alice, bob):  # each at another process
        assert program.exchange(f"/files/{file_id}") == (200, content)
    for server in site.servers:
        assert not (server.data_dir / "files").exists()
    assert len(s3.objects(prefix)) == 2
    alice.ask("/send_message", alice.seal(bob, "deleted") | {"replaces": fields["message_id"]})
    assert bob.exchange(f"/files/{file_id}")[0] == 404
    wait(lambda: s3.objects(prefix) == {}, within=60)
    other.close()
