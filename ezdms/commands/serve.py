"""`ezdms serve`: the server. Like all of it, this file knows nothing of decryption."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from ezdms.db import DatabaseError
from ezdms.settings import PREFIX, Settings, SettingsError


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting as a flag: --data-dir for EZDMS_DATA_DIR and so on."""
    for item in reversed(fields(Settings)):
        default = item.metadata["default"] or "none"
        meaning = f"{item.metadata['meaning']}  [{PREFIX}{item.name.upper()}; default: {default}]"
        command = click.option(f"--{item.name.replace('_', '-')}", item.name, help=meaning)(command)
    return command


@click.command("serve")
@setting_options
def serve(**given: str | None) -> None:
    """Start the server; it needs no settings. Stop it with Ctrl-C."""
    from ezdms import serve  # not needed for --help

    try:
        settings = Settings.load(os.environ, {name: text for name, text in given.items() if text is not None})
        serve.serve(settings, lambda address: click.echo(f"EZ-DMS is at {address}"))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (serve.AddressError, DatabaseError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"Cannot use {error.filename or 'a file'}: {error.strerror or error}.") from error
