"""What the server stands on: Python and SQLite, disk, permissions, clock, certificate file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from pathlib import Path

from ezdms.edge.certificate import days_left
from ezdms.store import data_folder
from ezdms.verify.place import FEWEST_DAYS
from ezdms.verify.report import Finding, failed, ok, warning

WAL_RESET_MENDED = (3, 51, 3)
LITTLE, TOO_LITTLE = 1024**3, 100 * 1024**2  # bytes that are free
TIMESYNC = Path("/run/systemd/timesync")


def check_versions() -> list[Finding]:
    """Python and SQLite."""
    python = ok("python", f"{sys.version.split()[0]}.")
    if sqlite3.sqlite_version_info >= WAL_RESET_MENDED:
        return [python, ok("sqlite", f"{sqlite3.sqlite_version}.")]
    return [
        python,
        ok(
            "sqlite",
            f"{sqlite3.sqlite_version}. Before 3.51.3 it can damage a database that several programs write at once. "
            "EZ-DMS writes through one connection, so there is nothing to do; let no other program write in it.",
        ),
    ]


def check_folder(data_dir: Path) -> list[Finding]:
    """Owner and permissions of the folder and of everything in it."""
    if not data_dir.is_dir():
        return [failed("data folder", f"There is no folder {data_dir}. Which one? Give --data-dir.")]
    findings = []
    open_to_others = [
        path for path in (data_dir, *sorted(data_dir.iterdir())) if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        names = ", ".join(str(path) for path in open_to_others[:3])
        findings.append(warning("permissions", f"Others may look into {names}. Run: chmod -R go= {data_dir}"))
    else:
        findings.append(ok("permissions", f"{data_dir} and what is in it belongs to its owner alone."))
    owners = {path.stat().st_uid for path in (data_dir, *data_dir.iterdir())}
    if len(owners) > 1:
        findings.append(
            failed(
                "owner",
                f"Files in {data_dir} belong to several users. Run: chown -R OWNER {data_dir}, with the "
                "user that runs EZ-DMS.",
            )
        )
    if not os.access(data_dir, os.W_OK):
        findings.append(warning("writable", f"{data_dir} cannot be written by you; can it by the user of the server?"))
    return findings


def check_disk(data_dir: Path, floor: int) -> Finding:
    """Room to write in. `floor`: the percent that must be free for new accounts to be taken."""
    free = shutil.disk_usage(data_dir).free
    said = f"{free / 1024**3:.1f} GiB are free where {data_dir} is"
    if data_folder.is_short_of_room(data_dir, floor):
        said = f"{said}, less than {floor} %: no new accounts are taken (--disk-floor)"
    if free < TOO_LITTLE:
        return failed("disk", f"{said}. Soon nobody can send. Make room.")
    if data_folder.is_short_of_room(data_dir, floor):
        return warning("disk", f"{said}. Make room.")
    if free < LITTLE:
        return warning("disk", f"{said}. Make room before it is full.")
    return ok("disk", f"{said}.")


def check_clock(newest: int | None, moment: int) -> Finding:
    """`newest`: the latest time in the database (ms). A clock that was set back dates new messages before old ones."""
    if newest is not None and newest > moment + 60_000:
        minutes = (newest - moment) // 60_000
        return failed(
            "clock", f"It is {minutes} minutes behind what is stored already. Set it (timedatectl set-ntp true)."
        )
    if TIMESYNC.is_dir() and not (TIMESYNC / "synchronized").exists():
        return warning("clock", "It is not kept in step with others. Run: timedatectl set-ntp true")
    return ok("clock", "Nothing that is stored comes from the future.")


def check_certificate(certfile: Path | None) -> list[Finding]:
    """How long the certificate lasts that the server was started with."""
    if certfile is None:
        return []
    try:
        days = days_left(certfile)
    except (OSError, ValueError) as error:
        return [failed("certificate file", f"{certfile} cannot be read as a certificate: {error}.")]
    said = f"{certfile} ends in {days} days"
    if days < 0:
        return [failed("certificate file", f"{certfile} has ended. Renew it and restart.")]
    if days < FEWEST_DAYS:
        return [warning("certificate file", f"{said}. Renew it and restart.")]
    return [ok("certificate file", f"{said}.")]
