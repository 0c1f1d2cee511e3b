"""One of several processes on a database and a bus: how it joins the others, and learns of what they do."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from ezdms.actions import tasks
from ezdms.actions.cut_off import Watch
from ezdms.actions.event import Codec, Event
from ezdms.actions.pushing import Pusher
from ezdms.db import Database, Unavailable
from ezdms.hub.shared import SharedHub
from ezdms.models.several import delete_ended, insert_mark, select_alive, select_ended
from ezdms.store import data_folder

LOOK_EVERY = 0.4  # seconds: a session that ends at another process has no socket a second later
ALONE_FOR = 30.0  # seconds without a look: less than what select_ended tells of
CLEAN_EVERY = 60.0  # seconds
ASKED = 1000  # sessions, in one query


def new_hub() -> SharedHub[Event]:
    """The hub of a process that has others beside it."""
    return SharedHub(Codec())


async def check_key(database: Database, key: bytes, folder: Path) -> None:
    """Raises FolderError unless this is the key of the other processes, too."""
    mark = hashlib.blake2b(b"", key=key, person=b"ezdms processes", digest_size=16).hexdigest()
    if await database.write(insert_mark, mark=mark) != mark:
        raise data_folder.FolderError(
            f"The key in {folder / data_folder.KEY} is not the one that this database is used with. All processes need "
            "the same data folder, or copies of its key (docs/scaling.md): share it, and set EZDMS_DATA_DIR."
        )


@asynccontextmanager
async def joined(
    database: Database,
    hub: SharedHub[Event],
    address: str,
    key: bytes,
    deployment_id: str,
    about: dict[str, Any] | None = None,
) -> AsyncIterator[None]:
    """Be one of several processes while this is open. `about`: as in SharedHub.open. Raises BusError."""
    from ezdms.hub.bus import Bus  # loads the driver

    hub.on_news["change"] = lambda _: database.note_change()
    hub.on_back.append(database.note_change)
    database.on_change = lambda: hub.announce("change")
    await hub.open(Bus(address, key=key, deployment_id=deployment_id), about)
    running = [tasks.begin("the look at ended sessions", _look_forever(database, hub))]
    if about is not None:
        watch = Watch(database, hub, about)
        running += [tasks.begin("the watch", watch.on_database()), tasks.begin("the watch", watch.on_bus())]
    try:
        yield
    finally:
        await tasks.stop(*running)
        await hub.close()


def share_subscribers(hub: SharedHub[Event], pusher: Pusher) -> None:
    """Have the pusher know who subscribes at other processes."""
    reading: set[asyncio.Task[None]] = set()

    def read() -> None:
        task = tasks.begin("the list of subscribers", pusher.know_all())
        reading.add(task)
        task.add_done_callback(reading.discard)

    hub.on_news["subscriber"] = pusher.know
    hub.on_back.append(read)


async def _look_forever(database: Database, hub: SharedHub[Event]) -> None:
    """Close the sockets of sessions that end at other processes, whether or not the bus tells of it."""
    looked = cleaned = time.monotonic()
    hashes: dict[str, str] = {}  # of the sessions of open sockets
    while True:
        await asyncio.sleep(LOOK_EVERY)
        with suppress(Unavailable):
            moment = time.monotonic()
            if ended := await database.read(select_ended):
                hashes = {one: hashes.get(one) or _hash(one) for one in hub.session_ids}
                hub.drop_sessions({one for one, hash_ in hashes.items() if hash_ in ended})
            if moment - looked > ALONE_FOR:
                await _look_at_all(database, hub)
            looked = moment
            if moment - cleaned > CLEAN_EVERY:
                cleaned = moment
                await database.write(delete_ended)


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


async def _look_at_all(database: Database, hub: SharedHub[Event]) -> None:
    session_ids = sorted(hub.session_ids)
    for start in range(0, len(session_ids), ASKED):
        some = session_ids[start : start + ASKED]
        hub.drop_sessions(set(some) - await database.read(select_alive, session_ids=some))
