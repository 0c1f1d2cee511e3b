"""How the operator's commands reach the server: a socket in the data folder, open only to its owner (and root).

One line of JSON each way: {"action": …, fields}, then {"result": …} or {"error": a sentence}. Without a running server
the command locks the folder and does the same itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from ezdms import logs
from ezdms.actions import deployment, joining
from ezdms.actions.erasing import Eraser
from ezdms.db import Database
from ezdms.hosting.operator import audit
from ezdms.hosting.operator.actions import ACTIONS, Refused, Running, count_of
from ezdms.hub import Hub
from ezdms.settings import Settings
from ezdms.store import data_folder, secret_key

LARGEST_QUESTION = 64 * 1024  # bytes
PATIENCE = 60.0  # seconds for an answer


@contextmanager
def _path_of(data_dir: Path) -> Iterator[str]:
    """A path of the socket short enough for the system (108 bytes), however deep the folder is."""
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        short = Path(f"/proc/self/fd/{descriptor}")
        yield str((short if short.exists() else data_dir) / data_folder.CHANNEL)
    finally:
        os.close(descriptor)


@asynccontextmanager
async def open_channel(data_dir: Path, running: Running) -> AsyncIterator[None]:
    """Answer the operator's commands. The folder must be locked. Without Unix sockets, the channel stays off."""
    (data_dir / data_folder.CHANNEL).unlink(missing_ok=True)  # left by a killed server
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _path_of(data_dir) as path:
            listener.bind(path)
        (data_dir / data_folder.CHANNEL).chmod(0o600)
    except OSError:
        listener.close()
        logs.event(logging.ERROR, "operator channel is off")
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = await _act(data_dir, running, json.loads(await reader.readline()))
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        except (ValueError, ConnectionError):
            pass  # not one of our commands, or it is gone
        finally:
            writer.close()

    server = await asyncio.start_unix_server(answer, sock=listener, limit=LARGEST_QUESTION)
    try:
        yield
    finally:
        server.close()
        (data_dir / data_folder.CHANNEL).unlink(missing_ok=True)


async def _act(data_dir: Path, running: Running, question: Any) -> dict[str, Any]:
    action = ACTIONS.get(question.pop("action", "")) if isinstance(question, dict) else None
    if action is None:
        return {"error": "The server does not know this command because it runs a different version. Restart it."}
    try:
        result = await action(running, **question)
    except Refused as error:
        logs.event(logging.INFO, "operator action refused", action=action.__name__)
        return {"error": str(error)}
    except Exception:
        logs.event(logging.ERROR, "operator action failed", action=action.__name__)
        return {"error": "The server could not do that. See its log."}
    if action.__name__ in audit.DONE:
        count = count_of(result)
        audit.append(data_dir, action.__name__, count)
        audit.log(action.__name__, count)
    return {"result": result}


def ask(settings: Settings, action: str, **fields: Any) -> Any:
    """Run an action in the running server, or here if there is none, or several processes serve.

    Raises Refused, FolderError, DatabaseError or BusError.
    """
    data_dir = settings.data_dir
    if settings.database_url is not None:
        return _result_of(asyncio.run(_act_beside(settings, {"action": action, **fields})))
    if not (data_dir / data_folder.DATABASE).exists():
        raise Refused(
            f"There is no EZ-DMS in {data_dir}: no {data_folder.DATABASE}. Set the right folder with --data-dir."
        )
    data_folder.check_not_moved(data_dir)
    try:
        return ask_server(data_dir, action, **fields)
    except (FileNotFoundError, ConnectionError):
        return _result_of(_act_here(data_dir, {"action": action, **fields}))


@asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[Running]:
    """What several processes share, for an action beside them. Raises FolderError, DatabaseError or BusError."""
    data_folder.make(settings.data_dir, by_root=True)
    key = secret_key.load(settings.data_dir)
    hub = joining.new_hub()
    with data_folder.held(settings.data_dir, shared=True):
        database = await Database.open(settings.database_url or "")
        try:
            deployment_id = await deployment.find_id(database)
            async with joining.joined(database, hub, settings.bus_url or "", key, deployment_id):
                await joining.check_key(database, key, settings.data_dir)
                eraser = Eraser(database)
                told = {"registration": settings.registration, "public_url": settings.public_url}
                yield Running(database, hub, eraser, **told)  # type: ignore[arg-type]
                await eraser.finish(within=None)
        finally:
            await database.close()


async def _act_beside(settings: Settings, question: dict[str, Any]) -> dict[str, Any]:
    async with beside(settings) as running:
        return await _act(settings.data_dir, running, question)


def ask_server(data_dir: Path, action: str, **fields: Any) -> Any:
    """Run an action in the running server. Raises Refused; OSError if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire, _path_of(data_dir) as path:
        wire.settimeout(PATIENCE)
        wire.connect(path)
        wire.sendall(json.dumps({"action": action, **fields}).encode() + b"\n")
        with wire.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise Refused("The server stopped before it answered. Try again.")
    return _result_of(json.loads(line))


def leave_line(data_dir: Path, action: str) -> None:
    """Leave an audit line for what a command did by itself, in the log of the running server, too."""
    if data_dir.is_dir():
        audit.append(data_dir, action, None)
        with suppress(OSError, Refused, ValueError):  # no server, or one of another version
            ask_server(data_dir, "note", done=action)


def _result_of(said: dict[str, Any]) -> Any:
    if "error" in said:
        raise Refused(said["error"])
    return said["result"]


def _act_here(data_dir: Path, question: dict[str, Any]) -> dict[str, Any]:
    async def act() -> dict[str, Any]:
        database = await Database.open(data_dir / data_folder.DATABASE)
        try:
            eraser = Eraser(database)
            answer = await _act(data_dir, Running(database, Hub(), eraser), question)
            await eraser.finish(within=None)
            return answer
        finally:
            await database.close()

    with data_folder.held(data_dir):
        return asyncio.run(act())
