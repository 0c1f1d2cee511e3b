"""Checks several processes on one database and one bus."""

from __future__ import annotations

from typing import Any

from ezdms import __version__
from ezdms.actions import deployment
from ezdms.actions.uploading import whole_files
from ezdms.db import Unavailable
from ezdms.doctor import bucket
from ezdms.hosting.operator.actions import Running, status
from ezdms.hosting.operator.channel import beside
from ezdms.hub.shared import LARGEST_SKEW, BusError
from ezdms.settings import Settings
from ezdms.store.data_folder import FolderError
from ezdms.store.schema import DatabaseError
from ezdms.verify.report import Finding, failed, ok, warning

LONGEST_LAG = 0.1  # seconds


async def examine(settings: Settings) -> list[Finding]:
    """The database, the bus, and every process."""
    try:
        async with beside(settings) as running:
            found = await status(running)
            files = await _judge_files(settings, running)
    except (BusError, DatabaseError, FolderError, Unavailable) as error:
        return [failed("database and bus", str(error))]
    if found["fault"]:
        return [failed("database", found["fault"])]
    findings = [ok("database and bus", f"They answer. Users: {found['users']}."), *files]
    processes = found["processes"]
    if not processes:
        return [*findings, warning("processes", "None is running. Start one with: ezdms serve")]
    return [*findings, *map(_judge_process, processes), *_judge_clocks(processes)]


async def _judge_files(settings: Settings, running: Running) -> list[Finding]:
    if settings.files_url is None:
        return []
    whole: dict[str, int] = {}
    async for found in whole_files(running.database):
        whole |= {name: size for _, name, size in found}
    deployment_id = await deployment.find_id(running.database)
    return [await bucket.examine(settings, deployment_id, whole)]


def _judge_process(one: dict[str, Any]) -> Finding:
    name = f"process {one['pid']} on {one['host']}"
    said = (
        f"{one['version']}; open sockets: {one['sockets']}; clock {one['skew']:+.1f} s, "
        f"bus answers in {one['lag'] * 1000:.0f} ms"
    )
    if one["version"] != __version__:
        return warning(name, f"{said}. {__version__} is installed here: restart it to upgrade.")
    if one["lag"] > LONGEST_LAG:
        return warning(name, f"{said}. The bus is far away, or one of them is overloaded.")
    return ok(name, f"{said}.")


def _judge_clocks(processes: list[dict[str, Any]]) -> list[Finding]:
    skews = [one["skew"] for one in processes]
    apart = max(skews) - min(skews)
    if apart > LARGEST_SKEW:
        return [failed("clocks", f"They are {apart:.0f} s apart, which messages' times show. Synchronize them (NTP).")]
    return []
