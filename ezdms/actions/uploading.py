"""Uploads and downloads of sealed files, and their end: what nobody may have any more is deleted from the disk."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Awaitable
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from ezdms import logs
from ezdms.actions import tasks
from ezdms.actions.send import has_left, no_conversation, no_file
from ezdms.actions.sessions import random_id
from ezdms.db import Database, Unavailable, now
from ezdms.models.file import (
    File,
    Refusal,
    delete_files,
    drop_file,
    drop_stale,
    finish_file,
    insert_file,
    is_stale,
    select_gone,
    select_readable,
    select_unknown,
    select_upload,
    select_whole,
)
from ezdms.problem import Problem
from ezdms.protocol.envelope import sealed_size
from ezdms.store.file_folder import WrongOffset
from ezdms.store.file_store import FileStore, new_name

TICK = 10.0  # seconds; what has gone is off the disk within a minute
UNSENT_FOR = 24 * 60 * 60 * 1000  # ms
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
T = TypeVar("T")


class Limits(NamedTuple):
    """From the settings. `largest`: bytes before sealing, 0 = no files. `quota`: bytes. `floor`: percent."""

    largest: int
    quota: int | None
    floor: int


class Uploads:
    """All files of one server. Each is written by one request at a time, and read only once it is whole."""

    def __init__(self, database: Database, store: FileStore, limits: Limits) -> None:
        self._database = database
        self._store = store
        self._limits = limits
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._task: asyncio.Task[None] | None = None
        self._cannot_use = logs.Seldom("files cannot be stored or read")
        self._cannot_delete = logs.Seldom("cannot delete files")
        self.received = self.sent = 0  # bytes since the start

    def start(self) -> None:
        """Delete what a crash left, and go on until close()."""
        self._task = tasks.begin("the uploads", self._keep_clean())

    async def close(self) -> None:
        """Stop. The next start continues."""
        if self._task is not None:
            await tasks.stop(self._task)

    async def begin(self, *, conversation_id: str, user_id: str, size: int) -> str:
        """Begin an upload of `size` sealed bytes. Returns its id. Problem 404, 410, 413 or 507."""
        if not self._limits.largest:
            raise Problem(413, "too_large", "This server does not accept files.")
        if size > sealed_size(self._limits.largest):
            raise Problem(413, "too_large", f"A file has at most {self._limits.largest} bytes on this server.")
        if self._store.is_short_of_room(self._limits.floor):
            raise disk_is_full()
        file_id = random_id(16)
        refusal = await self._database.write(
            insert_file,
            file_id=file_id,
            name=new_name(),
            conversation_id=conversation_id,
            user_id=user_id,
            size=size,
            quota=self._limits.quota,
        )
        if refusal is Refusal.NO_CONVERSATION:
            raise no_conversation()
        if refusal is Refusal.LEFT:
            raise has_left()
        if refusal is Refusal.QUOTA:
            raise Problem(507, "quota", "Your storage for files on this server is full. Delete files, then try again.")
        return file_id

    async def find_upload(self, file_id: str, *, user_id: str) -> tuple[File, int]:
        """A file that this user uploads, and how many bytes of it are stored. Problem 404."""
        file = await self._upload(file_id, user_id)
        return file, file.size if file.is_whole else await self._asked(self._store.size(file.name))

    async def _upload(self, file_id: str, user_id: str) -> File:
        file = await self._database.read(select_upload, file_id=file_id, user_id=user_id)
        if file is None:
            raise no_file()
        return file

    async def append(self, file_id: str, offset: int, part: bytes, *, user_id: str) -> int:
        """Store the next bytes of an upload. Returns the new end. The last bytes count once all are durable.

        Problem 404; 409 if the upload is not at `offset`; 413 if the bytes go beyond its end; 507 if the disk is full.
        """
        async with self._locks.setdefault(file_id, asyncio.Lock()):
            file = await self._upload(file_id, user_id)
            if file.is_whole or offset + len(part) > file.size:
                _, end = await self.find_upload(file_id, user_id=user_id)
                if end != offset:
                    raise _wrong_offset(end)
                if part:
                    raise Problem(413, "too_large", "These bytes go beyond the end of the file.")
                return end
            try:
                end = await self._asked(self._store.append(file.name, offset, part, file.size))
            except WrongOffset as error:
                raise _wrong_offset(error.offset) from error
            self.received += len(part)
            is_there = await self._database.read(select_upload, file_id=file_id, user_id=user_id) is not None
            if is_there and end == file.size:
                is_there = await self._database.write(finish_file, file_id=file_id)
            if not is_there:  # deleted meanwhile, perhaps by another process, which has not seen these bytes
                await self._delete(file.name)
                raise no_file()
            return end

    async def _asked(self, answer: Awaitable[T]) -> T:
        """What the store answers. Problem 507, or Unavailable."""
        try:
            return await answer
        except OSError as error:
            if error.errno in FULL:
                raise disk_is_full() from error
            self._cannot_use.event(logging.WARNING, why=str(error.strerror))
            raise Unavailable(f"A file cannot be stored or read: {error.strerror}.") from error

    async def find(self, file_id: str, *, user_id: str) -> File:
        """A whole file that this user may have. Problem 404."""
        file = await self._database.read(select_readable, file_id=file_id, user_id=user_id)
        if file is None or await self._asked(self._store.size(file.name)) != file.size:
            raise no_file()
        return file

    async def read(self, file: File, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, in blocks; the first is there already. The iterator raises OSError if the
        file is deleted meanwhile, or the bucket goes away."""
        blocks = self._store.read(file.name, file.size, start, end)
        return self._counted(await self._asked(anext(blocks)), blocks)

    async def _counted(self, first: bytes, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self.sent += len(first)
        yield first
        async for block in blocks:
            self.sent += len(block)
            yield block

    async def sweep(self) -> None:
        """Delete files that have gone with their messages or accounts, and uploads that were never sent."""
        before = now() - UNSENT_FOR
        if await self._database.read(is_stale, before=before):
            await self._database.write(drop_stale, before=before)
        while gone := await self._database.read(select_gone):
            are_deleted = await asyncio.gather(*(self._delete_alone(*one) for one in gone))
            deleted = [file_id for (file_id, _), is_deleted in zip(gone, are_deleted, strict=True) if is_deleted]
            await self._database.write(delete_files, file_ids=deleted)
            if len(deleted) < len(gone):  # the disk fails: at the next tick
                return

    async def _delete_alone(self, file_id: str, name: str) -> bool:
        async with self._locks.setdefault(file_id, asyncio.Lock()):
            return await self._delete(name)

    async def _delete(self, name: str) -> bool:
        try:
            await self._store.remove(name)
        except OSError as error:
            self._cannot_delete.event(logging.ERROR, why=str(error.strerror))
            return False
        return True

    async def clean(self) -> None:
        """Delete stored files that belong to nothing, and forget files that are not stored, after a crash. Raises
        OSError.

        A file counts once it is durable, so a crash loses hardly any: if half of them are missing, it is the wrong
        folder or bucket, or none. Then nothing is forgotten or deleted.
        """
        count = 0
        missing: list[tuple[str, str, int]] = []
        async for whole in whole_files(self._database):
            sizes = await self._store.sizes([name for _, name, _ in whole])
            missing += [one for one in whole if sizes.get(one[1]) != one[2]]
            count += len(whole)
        if missing and 2 * len(missing) >= count:
            logs.event(logging.ERROR, "files are missing where they should be stored", missing=len(missing), of=count)
            return
        for file_id, name, size in missing:
            if await self._store.size(name) != size:  # looked up twice: what is dropped is lost
                await self._database.write(drop_file, file_id=file_id)
        async for found in self._store.names():
            for name in await self._database.read(select_unknown, names=found):
                await self._delete(name)

    async def _keep_clean(self) -> None:
        is_clean = False
        while True:
            try:
                if await self._database.leads():  # of several processes, one deletes
                    await self.sweep()
                    if not is_clean:
                        await self.clean()
                        is_clean = True
            except Unavailable:
                pass  # the database says so
            except OSError as error:  # the disk is full or fails, or the bucket is away
                self._cannot_delete.event(logging.ERROR, why=str(error.strerror or type(error).__name__))
            await asyncio.sleep(TICK)


async def whole_files(database: Database) -> AsyncIterator[list[tuple[str, str, int]]]:
    """(file_id, name, size) of each file that is whole, by name, in slices."""
    after = ""
    while found := await database.read(select_whole, after=after):
        yield found
        after = found[-1][1]


def disk_is_full() -> Problem:
    """The rest of the disk is reserved for messages, or there is none."""
    return Problem(507, "disk", "This server is almost full and is not accepting files right now. Try again later.")


def _wrong_offset(end: int) -> Problem:
    return Problem(409, "offset", f"The upload continues at byte {end}.", offset=end)
