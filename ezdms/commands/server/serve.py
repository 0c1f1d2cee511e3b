"""`ezdms serve`: starts the server. Like all server code, it never imports decryption."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from ezdms.commands.sentences import cannot_use
from ezdms.settings import PREFIX, Settings, SettingsError
from ezdms.store.schema import DatabaseError


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every setting as a flag: --data-dir for EZDMS_DATA_DIR and so on."""
    for item in reversed([one for one in fields(Settings) if not one.metadata["is_secret"]]):
        default = item.metadata["default"] or "none"
        meaning = f"{item.metadata['meaning']}  [{PREFIX}{item.name.upper()}; default: {default}]"
        switch: dict[str, Any] = {"flag_value": "on"} if isinstance(item.default, bool) else {}
        command = click.option(f"--{item.name.replace('_', '-')}", item.name, help=meaning, **switch)(command)
    return command


@click.command("serve")
@setting_options
def serve(**given: str | None) -> None:
    """Start the server; no settings are required. Stop it with Ctrl-C."""
    from ezdms.edge.runner import AddressError
    from ezdms.hosting import serve  # not needed for --help
    from ezdms.hosting.tunnel import TunnelError
    from ezdms.hub.shared import BusError
    from ezdms.store.data_folder import FolderError
    from ezdms.store.file_store import StoreError

    try:
        settings = Settings.load(os.environ, {name: text for name, text in given.items() if text is not None})
        serve.serve(settings, _announce)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except (
        AddressError,
        BusError,
        serve.CertificateError,
        DatabaseError,
        FolderError,
        StoreError,
        TunnelError,
    ) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(cannot_use(error)) from error


def _announce(address: str, public_address: str | None) -> None:
    """Print the server's address; a public one also as a QR code, for phones."""
    click.echo(f"EZ-DMS is at {address}")
    if public_address is not None:
        click.echo(f"Public address: {public_address}")
        import segno  # rarely needed, and slow to load

        segno.make(public_address).terminal(out=sys.stdout, compact=True)
    sys.stdout.flush()
