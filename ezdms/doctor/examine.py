"""Runs all checks in order. Each finding says what to fix."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ezdms import __version__
from ezdms.db import now
from ezdms.doctor import bucket, machine, public, several
from ezdms.hosting import backup, backup_files
from ezdms.hosting.operator.actions import Refused
from ezdms.hosting.operator.channel import ask_server
from ezdms.settings import UNIX, Settings
from ezdms.store import data_folder
from ezdms.store.data_folder import FolderError
from ezdms.store.file_folder import FILES
from ezdms.store.sqlite.integrity import RESTORE
from ezdms.verify.report import Finding, failed, ok, warning

OLD_BACKUP = 7 * 24 * 60 * 60  # seconds


async def examine(settings: Settings, url: str | None, *, cafile: Path | None = None) -> list[Finding]:
    """All findings. `url`: the public address; by default the one the server knows, unless that is local."""
    data_dir = settings.data_dir
    findings = [*machine.check_versions(), *machine.check_folder(data_dir)]
    if not data_dir.is_dir():
        return findings
    findings.append(machine.check_disk(data_dir, settings.disk_floor))
    if settings.database_url is not None:
        findings += await several.examine(settings)
        findings += machine.check_certificate(settings.certfile)
        return [*findings, *await _judge_address(url or settings.public_url, cafile, lambda: None)]
    running = _status(data_dir)
    findings += _judge_running(running)
    findings += _judge_database(data_dir, settings)
    if settings.files_url is not None and (data_dir / data_folder.DATABASE).exists():
        findings.append(await bucket.examine(settings, *backup_files.look_up(data_dir / data_folder.DATABASE)))
    findings += machine.check_certificate(_certfile(settings, running))
    findings.append(_judge_backup(data_dir))
    address = url or (running or {}).get("public_url") or settings.public_url
    findings += await _judge_address(address, cafile, lambda: _is_behind_proxy(data_dir))
    findings += _judge_proxies(_status(data_dir) if running else None)  # after a request has come through them
    return findings


async def _judge_address(
    address: str | None, cafile: Path | None, is_behind_proxy: Callable[[], bool | None]
) -> list[Finding]:
    if address is None:
        return [warning("public address", "Not checked. Run ezdms doctor https://chat.example.org, or set public-url.")]
    found = await public.check(address, cafile=cafile, is_behind_proxy=is_behind_proxy)
    return [*found, await public.check_push_services()]


def _status(data_dir: Path) -> dict[str, Any] | None:
    """The status of the running server; None if none is running."""
    try:
        return dict(ask_server(data_dir, "status"))
    except (OSError, Refused, FolderError):
        return None


def _is_behind_proxy(data_dir: Path) -> bool | None:
    """Whether any request had forwarding headers; None if no server is running."""
    running = _status(data_dir)
    return None if running is None else bool(running["proxies"])


def _certfile(settings: Settings, running: dict[str, Any] | None) -> Path | None:
    named = (running or {}).get("certfile")
    return Path(named) if named else settings.certfile


def _judge_running(running: dict[str, Any] | None) -> list[Finding]:
    if running is None:
        return [warning("server", "None is running with this data folder. Start it with: ezdms serve")]
    if running["version"] != __version__:
        return [
            warning("server", f"It runs {running['version']}, but {__version__} is installed. Restart it to upgrade.")
        ]
    if running["fault"]:
        return [failed("server", running["fault"])]
    since = _span((now() - running["started_at"]) / 1000)
    said = f"{running['version']}, for {since}; users: {running['users']}, open sockets: {running['sockets']}"
    return [ok("server", f"{said}; registration is {running['registration']}.")]


def _judge_database(data_dir: Path, settings: Settings) -> list[Finding]:
    path = data_dir / data_folder.DATABASE
    if not path.exists():
        return [warning("database", f"There is none in {data_dir} yet. The first start creates it.")]
    try:
        backup.check(path, lambda what, done, total: None)
    except backup.BackupError as error:
        return [failed("database", f"{error} {RESTORE}")]
    size = path.stat().st_size / 1024 / 1024
    return [
        ok("database", f"{size:.1f} MiB, no damage found."),
        *([] if settings.files_url is not None else [_judge_files(path, data_dir)]),
        machine.check_clock(backup.newest_time(path), now()),
    ]


def _judge_files(database: Path, data_dir: Path) -> Finding:
    count, size, missing, unknown = backup_files.look(database, data_dir)
    said = f"{count} files, {size / 1024 / 1024:.1f} MiB"
    if missing:
        return failed(
            "files",
            f"{missing} of {said} are not in {data_dir / FILES}, or not whole. Put them back, or restore a backup.",
        )
    if unknown:
        return ok("files", f"{said}; {unknown} more belong to nothing: the next start deletes them.")
    return ok("files", f"{said}.")


def _judge_backup(data_dir: Path) -> Finding:
    at = backup.last_backup(data_dir)
    if at is None:
        return warning(
            "backup", "None was made with `ezdms backup FILE`. Unless something else makes backups, run it every day."
        )
    age = time.time() - at
    said = f"The last one was made {_span(age)} ago"
    if age > OLD_BACKUP:
        return warning("backup", f"{said}. Make one every day.")
    return ok("backup", f"{said}.")


def _span(seconds: float) -> str:
    """A time span in words."""
    hours = int(seconds // 3600)
    return "less than two hours" if hours < 2 else f"{hours} hours" if hours < 48 else f"{hours // 24} days"


def _judge_proxies(running: dict[str, Any] | None) -> list[Finding]:
    if running is None:
        return []
    proxies = running["proxies"]
    strange = sorted(address for address, is_trusted in proxies.items() if not is_trusted)
    if UNIX in strange:
        return [
            failed(
                "proxy",
                "The server listens on a Unix socket, and does not trust the proxy there: all clients count as one "
                "address, and cookies are not marked as secure. Start with --trusted-proxies unix",
            )
        ]
    if strange:
        return [
            failed(
                "proxy",
                f"Requests with forwarding headers come from {', '.join(strange)}, which is not trusted: all clients "
                f"count as one address, and cookies are not marked as secure. If that is your proxy, start with "
                f"--trusted-proxies {','.join(strange)}",
            )
        ]
    if proxies:
        return [ok("proxy", f"{', '.join(sorted(proxies))} is in front of the server, and trusted.")]
    return [ok("proxy", "None was seen in front of the server.")]
