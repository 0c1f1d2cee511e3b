"""`ezdms move`: from SQLite to PostgreSQL. `ezdms move-files`: from the data folder to a bucket."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms.commands.server.keeping import show_progress
from ezdms.commands.server.operating import data_dir_option, says_why, settings_of
from ezdms.settings import SettingsError, parse_database_url


@click.command("move")
@data_dir_option
@click.option("--to", "to", metavar="URL", help="An empty PostgreSQL database, without a password.")
@click.option(
    "--to-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with its address.  [default: EZDMS_DATABASE_URL or EZDMS_DATABASE_URL_FILE]",
)
@says_why
def move(data_dir: Path | None, to: str | None, to_file: Path | None) -> None:
    """Copy the database from SQLite into an empty PostgreSQL, and check every row. The server must be stopped.

    If it is interrupted, run it again: it continues. The SQLite database stays as it is, and is marked, so that nobody
    serves it by mistake.
    """
    from ezdms.hosting.moving import move_to  # loads the driver

    settings = settings_of(data_dir)
    address = _address(to, to_file) or settings.database_url
    if address is None:
        raise click.UsageError("Where to? Use --to-file, or set EZDMS_DATABASE_URL.")
    rows = move_to(settings, address, show_progress())
    click.echo(f"{rows} rows were copied, and are the same in both.")
    click.echo("Set EZDMS_DATABASE_URL and EZDMS_BUS_URL to serve them (docs/scaling.md).")


@click.command("move-files")
@data_dir_option
@says_why
def move_files(data_dir: Path | None) -> None:
    """Move the files from the data folder to the bucket of EZDMS_FILES_URL. The server must be stopped.

    A file is deleted from the folder once all are in the bucket. If it is interrupted, run it again: it continues.
    """
    from ezdms.hosting.moving_files import move  # loads the client

    settings = settings_of(data_dir)
    if settings.files_url is None:
        raise click.UsageError("Where to? Set EZDMS_FILES_URL.")
    count = move(settings, settings.files_url, show_progress())
    click.echo(f"{count} files were moved, and are whole." if count else "There are no files to move.")


def _address(to: str | None, to_file: Path | None) -> str | None:
    if to is not None and to_file is not None:
        raise click.UsageError("Use --to or --to-file, not both.")
    if to is None and to_file is None:
        return None
    try:
        if to_file is not None:
            return parse_database_url(to_file.read_text("utf-8").strip())
        address = parse_database_url(to or "")
    except SettingsError as error:
        raise click.UsageError(f"The address cannot be used: {error}.") from None
    if ":" in address.partition("://")[2].rpartition("@")[0] or "password=" in address:
        raise click.UsageError("Every user of this machine can see a password in a command. Use --to-file instead.")
    return address
