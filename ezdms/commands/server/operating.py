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
        from ezdms.store.data_folder import FolderError
        from ezdms.store.schema import DatabaseError

        try:
            return function(*args, **given)
        except (BackupError, DatabaseError, FolderError, Refused) as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(cannot_use(error)) from error

    return command
