"""Shared by the operator's commands: the data folder, and error messages."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ezdms.commands.sentences import cannot_use
from ezdms.settings import Settings, SettingsError


def settings_of(data_dir: Path | None) -> Settings:
    """The settings from the environment, with `data_dir` if given. Raises UsageError."""
    try:
        return Settings.load(os.environ, {} if data_dir is None else {"data_dir": str(data_dir)})
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="The server's data folder.  [EZDMS_DATA_DIR; default: ./data]"
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def says_why(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn errors into a message and exit code 1."""

    @wraps(function)
    def command(*args: Any, **given: Any) -> Any:
        from ezdms.hosting.backup import BackupError  # not needed for --help
        from ezdms.hosting.operator.actions import Refused
        from ezdms.hub.shared import BusError
        from ezdms.store.data_folder import FolderError
        from ezdms.store.file_store import StoreError
        from ezdms.store.schema import DatabaseError

        try:
            return function(*args, **given)
        except (BackupError, BusError, DatabaseError, FolderError, Refused, StoreError) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(cannot_use(error)) from error

    return command


def ask(data_dir: Path, action: str, **fields: Any) -> Any:
    """Have the running server do it, or do it here if none is running (hosting/operator)."""
    from ezdms.hosting.operator import channel  # not needed for --help

    return channel.ask(settings_of(data_dir), action, **fields)


def end_sessions_of(data_dir: Path, who: str) -> None:
    """Log this user out on all devices, and print how many."""
    done = ask(data_dir, "end_sessions", who=who)
    click.echo(f"{done['username']}: {count_of(done['sessions'], 'session')} ended.")


def remove_account_of(data_dir: Path, who: str, *, yes: bool) -> None:
    """Permanently delete the account of this user, after a question unless `yes`."""
    one = ask(data_dir, "find_user", who=who)
    if not yes:
        named = f"{one['username']} (user id {one['user_id']})"
        question = f"Remove {named}, with keys, sessions and their copies of all messages? This cannot be undone"
        click.confirm(question, abort=True, err=True)
    done = ask(data_dir, "remove_user", who=one["user_id"])
    click.echo(f"{done['username']} was removed.")


def count_of(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
