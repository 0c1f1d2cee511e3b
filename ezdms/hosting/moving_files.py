"""Moves the files of a data folder to a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ezdms.actions import deployment
from ezdms.app import place_of
from ezdms.db import Database
from ezdms.hosting.operator.actions import Refused
from ezdms.settings import BucketPlace, Settings
from ezdms.store import data_folder
from ezdms.store.bucket import NAME, SLOT, Bucket, BucketError
from ezdms.store.file_folder import FileFolder
from ezdms.store.file_store import StoreError, has_files

Progress = Callable[[str, int, int], None]


def move(settings: Settings, place: BucketPlace, progress: Progress) -> int:
    """Copy all, check their sizes, and then delete them from the folder. Returns how many. Raises Refused, StoreError,
    FolderError or DatabaseError."""
    if not has_files(settings.data_dir):
        return 0
    with data_folder.held(settings.data_dir):
        return asyncio.run(_move(settings, place, progress))


async def _move(settings: Settings, place: BucketPlace, progress: Progress) -> int:
    database = await Database.open(place_of(settings))
    try:
        deployment_id = await deployment.find_id(database)
    finally:
        await database.close()
    bucket, folder = Bucket(place, settings.files_key, deployment_id), FileFolder(settings.data_dir)
    names = list(folder.names())
    strange = next((name for name in names if not NAME.fullmatch(name)), None)
    if strange is not None:
        raise Refused(f"{folder.path / strange[:2] / strange} is not a file of EZ-DMS. Move it elsewhere first.")
    try:
        await bucket.check()
        for done, name in enumerate(names):
            progress("Copying files", done, len(names))
            await _copy(folder, bucket, name)
    except BucketError as error:
        raise StoreError(f"The bucket of EZDMS_FILES_URL cannot be used: {error}. Nothing was deleted.") from error
    for name in names:
        folder.remove(name)
    progress("Copying files", len(names), len(names))
    return len(names)


async def _copy(folder: FileFolder, bucket: Bucket, name: str) -> None:
    size, end = folder.size(name), await bucket.size(name)
    if end > size:
        await bucket.remove(name)
        end = 0
    with folder.opened(name) as file:
        file.seek(end)
        while end < size:
            end = await bucket.append(name, end, file.read(SLOT - end % SLOT), size)
