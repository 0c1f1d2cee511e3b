"""`ezdms bridge`: the original's plain-text REST API on this machine, with encryption behind it (docs/bridge.md)."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms.commands.client.printing import says
from ezdms.commands.common import parse_server
from ezdms.settings import SettingsError, parse_origins

OPEN_TO_ALL = (
    "Warning: there is no token. Every program and every user of this machine can read and send messages as everyone "
    "who logs in here."
)


@click.command("bridge")
@click.option("--server", envvar="EZDMS_SERVER", help="The server's address, such as https://chat.example.org.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="Port; 0 picks a free one."
)
@click.option("--home", envvar="EZDMS_HOME", type=click.Path(path_type=Path), help="Where accounts are saved.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the token from this file; created if missing, readable only by you.",
)
@click.option("--no-token", is_flag=True, help="Allow every program on this machine. Web pages are still refused.")
@click.option("--allow-origin", "origins", multiple=True, help="A web page that may use the bridge; can be repeated.")
@click.option("--host", default="127.0.0.1", hidden=True)
def bridge(
    server: str | None,
    port: int,
    home: Path | None,
    token_file: Path | None,
    no_token: bool,
    origins: tuple[str, ...],
    host: str,
) -> None:
    """Run the original's plain-text REST API on 127.0.0.1, with encryption behind it. Stop it with Ctrl-C.

    Programs must send the token that is printed at startup: Authorization: Bearer TOKEN.
    """
    if no_token and token_file is not None:
        raise click.UsageError("Use --token-file or --no-token, not both.")
    address = parse_server(server)
    try:
        allowed = tuple(one for origin in origins for one in parse_origins(origin))
    except SettingsError as error:
        raise click.UsageError(f"--allow-origin: {error}.") from error
    from ezdms.bridge import serve, tokens  # not needed for --help
    from ezdms.bridge.accounts import People
    from ezdms.edge.runner import AddressError

    try:
        listener = serve.listen(port, host)
        token = None if no_token else tokens.new_token() if token_file is None else tokens.token_of(token_file)
    except (AddressError, tokens.TokenError) as error:
        raise click.ClickException(str(error)) from error

    def announce(own_address: str) -> None:
        click.echo(f"The bridge to {address} is at {own_address}")
        if token_file is not None:
            click.echo(f"Its token is in {token_file}")
        elif token is not None:
            click.echo(f"Its token, shown once: {token}")

    if no_token:
        click.echo(OPEN_TO_ALL, err=True)
    people = People(address, home)
    serve.serve(
        listener, people, token=token, origins=allowed, announce=announce, warn=lambda text: says(text, err=True)
    )
