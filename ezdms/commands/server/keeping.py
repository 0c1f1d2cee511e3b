"""`ezdms backup`, `restore` and `cert`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from ezdms.commands.server.operating import data_dir_option, says_why, settings_of
from ezdms.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False)


def _settings_of(data_dir: Path | None) -> Settings:
    """The settings of a server on SQLite. Raises BackupError if the database is in PostgreSQL."""
    from ezdms.hosting.backup import BackupError

    settings = settings_of(data_dir)
    if settings.database_url is not None:
        raise BackupError(
            "The database is in PostgreSQL (EZDMS_DATABASE_URL), whose own tools make and restore backups: pg_dump and "
            "pg_restore, or pg_basebackup. See Backup in docs/scaling.md. Copy the data folder, too."
        )
    return settings


def show_progress() -> Callable[[str, int, int], None]:
    """A progress line in a terminal; nothing in a pipe or cron's mail."""
    if not sys.stderr.isatty():
        return lambda what, done, total: None

    def show(what: str, done: int, total: int) -> None:
        click.echo(f"\r{what} … {100 * done // max(total, 1):3} %", nl=done >= total, err=True)

    return show


@click.command("backup")
@click.argument("file", type=FILE)
@data_dir_option
@click.option("--replace", is_flag=True, help="Replace FILE if it exists.")
@click.option("--without-files", is_flag=True, help="Leave out the files that people sent.")
@says_why
def backup(file: Path, data_dir: Path | None, replace: bool, without_files: bool) -> None:
    """Copy the database and the files to FILE while the server runs, and check the copy. It is readable only by you.

    FILE must be outside the data folder, ideally on another disk. It holds what the server holds: names, who talks to
    whom, and encrypted messages and files. Uploads under way are not in it, and no files that are in a bucket.
    """
    from ezdms.hosting.backup import back_up
    from ezdms.hosting.operator.channel import leave_line

    settings = _settings_of(data_dir)
    source, in_bucket = settings.data_dir, settings.files_url is not None
    size, files = back_up(
        source, file, show_progress(), replace=replace, with_files=not without_files, in_bucket=in_bucket
    )
    leave_line(source, "backup")
    with_files = f", with {files} files" if files else ", without files" if without_files else ""
    click.echo(f"Backed up to {file}: {size / 1024 / 1024:.1f} MiB{with_files}, checked.")
    if in_bucket and not without_files:
        click.echo(
            "The files are in the bucket of EZDMS_FILES_URL, and not in this backup. Back it up by its own means."
        )


@click.command("restore")
@click.argument("file", type=FILE)
@data_dir_option
@click.option("--replace", is_flag=True, help="Replace an existing database; the old one is kept.")
@click.option("--without-files", is_flag=True, help="Leave out the files that people sent.")
@says_why
def restore(file: Path, data_dir: Path | None, replace: bool, without_files: bool) -> None:
    """Restore the server's database and files from a backup. The server must be stopped.

    Everything newer than the backup is lost. Browsers that saw newer messages will raise an alarm, as they should.
    """
    from ezdms.hosting.backup import restore
    from ezdms.hosting.operator.channel import leave_line
    from ezdms.store import data_folder

    settings = _settings_of(data_dir)
    target, in_bucket = settings.data_dir, settings.files_url is not None
    data_folder.make(target, by_root=True)
    with data_folder.held(target):
        old = restore(file, target, show_progress(), replace=replace, with_files=not without_files, in_bucket=in_bucket)
        leave_line(target, "restore")
    click.echo(f"Restored {file} to {target}.")
    if in_bucket:
        click.echo(
            "The next start deletes the files from the bucket of EZDMS_FILES_URL that this backup does not know, such "
            "as newer ones. If you may need those, copy the bucket first."
        )
    if old is not None:
        click.echo(
            f"The previous database is now {old}. Delete it, and files.replaced-… next to it, when you no "
            "longer need them."
        )


@click.command("cert")
@click.argument("names", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("tls"), show_default=True)
@says_why
def cert(names: tuple[str, ...], out: Path) -> None:
    """Create a self-signed certificate for this machine and NAMES (more host names or addresses)."""
    from ezdms.edge.certificate import fingerprint, names_of_this_machine, write_pair

    wanted = list(dict.fromkeys([*names_of_this_machine(), *names]))
    try:
        certfile, keyfile = write_pair(out, wanted)
    except FileExistsError as error:
        raise click.ClickException(
            f"{error.filename} already exists. Remove it, or choose another folder with --out."
        ) from error
    except ValueError as error:
        raise click.UsageError(f"Not a host name or address: {error}.") from error
    click.echo(f"Created {certfile} and {keyfile} (keep this one secret) for {', '.join(wanted)}.")
    click.echo(f"Start with:  ezdms serve --host 0.0.0.0 --certfile {certfile} --keyfile {keyfile}")
    click.echo("Browsers will warn that they do not trust this certificate. Compare the fingerprint they show:")
    click.echo(f"  SHA-256 {fingerprint(certfile)}")
