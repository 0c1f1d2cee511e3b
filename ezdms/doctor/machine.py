"""Checks of the machine: Python and SQLite, disk, permissions, clock, certificate file."""

from __future__ import annotations

import os
import shlex
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
LITTLE, TOO_LITTLE = 1024**3, 100 * 1024**2  # bytes free
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
            f"{sqlite3.sqlite_version}. Before 3.51.3 it can damage a database that several programs write to. "
            "EZ-DMS writes through one connection, so there is nothing to do. Let no other program write to it.",
        ),
    ]


def check_folder(data_dir: Path) -> list[Finding]:
    """Owner and permissions of the folder and of everything in it."""
    if not data_dir.is_dir():
        return [failed("data folder", f"There is no folder {data_dir}. Set the right one with --data-dir.")]
    findings = []
    open_to_others = [
        path for path in (data_dir, *sorted(data_dir.iterdir())) if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        names = ", ".join(str(path) for path in open_to_others[:3])
        findings.append(warning("permissions", f"Other users can read {names}. Run: chmod -R go= {data_dir}"))
    else:
        findings.append(ok("permissions", f"Only the owner can access {data_dir} and the files in it."))
    findings += _check_owner(data_dir)
    if not os.access(data_dir, os.W_OK):
        findings.append(warning("writable", f"You cannot write to {data_dir}. Make sure the server's user can."))
    return findings


def _check_owner(data_dir: Path) -> list[Finding]:
    """The server runs as the folder's owner, and must be able to use every file in it, except those of others."""
    owner = data_dir.stat()
    others = [
        path.name
        for path in sorted(data_dir.iterdir())
        if path.lstat().st_uid != owner.st_uid and not path.name.startswith(".")  # such as Litestream's
    ]
    if not others:
        return []
    sentence = f"{', '.join(others[:3])} does not belong to the folder's owner, so the server cannot use it. Run: "
    return [failed("owner", f"{sentence}chown -R {owner.st_uid}:{owner.st_gid} {shlex.quote(str(data_dir.resolve()))}")]


def check_disk(data_dir: Path, floor: int) -> Finding:
    """Free disk space. `floor`: the percent that must be free to accept new accounts."""
    free = shutil.disk_usage(data_dir).free
    said = f"{free / 1024**3:.1f} GiB are free on the disk of {data_dir}"
    if data_folder.is_short_of_room(data_dir, floor):
        said = f"{said}, less than {floor} %: new accounts are refused (--disk-floor)"
    if free < TOO_LITTLE:
        return failed("disk", f"{said}. Soon nobody can send. Free up space.")
    if data_folder.is_short_of_room(data_dir, floor):
        return warning("disk", f"{said}. Free up space.")
    if free < LITTLE:
        return warning("disk", f"{said}. Free up space before it is full.")
    return ok("disk", f"{said}.")


def check_clock(newest: int | None, moment: int) -> Finding:
    """`newest`: the latest time in the database (ms). A clock set back gives new messages earlier times."""
    if newest is not None and newest > moment + 60_000:
        minutes = (newest - moment) // 60_000
        return failed(
            "clock", f"It is {minutes} minutes behind the newest stored time. Set it (timedatectl set-ntp true)."
        )
    if TIMESYNC.is_dir() and not (TIMESYNC / "synchronized").exists():
        return warning("clock", "It is not synchronized. Run: timedatectl set-ntp true")
    return ok("clock", "No stored time is in the future.")


def check_certificate(certfile: Path | None) -> list[Finding]:
    """How long the certificate of the running server is still valid."""
    if certfile is None:
        return []
    try:
        days = days_left(certfile)
    except (OSError, ValueError) as error:
        return [failed("certificate file", f"{certfile} cannot be read as a certificate: {error}.")]
    said = f"{certfile} expires in {days} days"
    if days < 0:
        return [failed("certificate file", f"{certfile} has expired. Renew it and restart.")]
    if days < FEWEST_DAYS:
        return [warning("certificate file", f"{said}. Renew it and restart.")]
    return [ok("certificate file", f"{said}.")]
