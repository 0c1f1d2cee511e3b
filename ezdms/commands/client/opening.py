"""`ezdms open`: the page of the installed release, served by this machine (docs/verify.md)."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

import click

from ezdms import __version__
from ezdms.client import ClientError, OtherServer, Unreachable
from ezdms.client.servers import Servers, address_of
from ezdms.client.state import home_folder
from ezdms.commands.client.printing import says
from ezdms.commands.common import FAILED, UNREACHABLE, Stopped, parse_server, trust_server
from ezdms.commands.sentences import cannot_use

HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:]+", re.ASCII)  # as browsers send it
LOCAL = ("localhost", "127.0.0.1", "::1")
ANOTHER_RELEASE = (
    "{server} says it runs EZ-DMS {theirs}, but {ours} is installed here. Install {theirs} and run this again. "
    "To continue anyway, use --any-release: you get the page of {ours}, and parts of it may not work."
)


@click.command("open")
@click.option("--server", envvar="EZDMS_SERVER", help="The server's address, such as https://chat.example.org.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port; 0 picks a free one each time."
)
@click.option("--home", envvar="EZDMS_HOME", type=click.Path(path_type=Path), help="Where known servers are saved.")
@click.option("--no-browser", is_flag=True, help="Print the address without opening a browser.")
@click.option("--any-release", is_flag=True, help="Continue if the server runs a different release.")
@trust_server
def opening(
    server: str | None, port: int, home: Path | None, no_browser: bool, any_release: bool, trust_server: bool
) -> None:
    """Open the page of the installed release in your browser, connected to a server. Stop it with Ctrl-C.

    Your own machine serves the page at 127.0.0.1: pages, scripts and styles come from the package, and only data
    comes from the server.
    """
    address = _parse(server)
    from ezdms.edge.runner import AddressError
    from ezdms.opened import asking, serve  # not needed for --help
    from ezdms.opened.app import Opened

    try:
        said = asyncio.run(asking.ask(address))
        if said.version != __version__:
            sentence = ANOTHER_RELEASE.format(server=address, theirs=said.version, ours=__version__)
            if not any_release:
                raise Stopped(sentence, FAILED)
            says(f"Warning: {sentence}", err=True)
        _admit(home_folder(home), address, said.deployment_id, trust=trust_server)
        listener = serve.listen(port)
    except Unreachable as error:
        raise Stopped(
            f"{error} Check the address, its certificate and your connection, then try again.", UNREACHABLE
        ) from error
    except (ClientError, AddressError) as error:
        raise Stopped(str(error), FAILED) from error
    except OSError as error:
        raise Stopped(cannot_use(error), FAILED) from error

    def announce(first: str) -> None:
        click.echo(f"The page of EZ-DMS {__version__} for {address} is at {first}")
        click.echo("Stop it with Ctrl-C.")
        if not no_browser:  # in a thread: a browser in the terminal returns when it ends
            threading.Thread(target=webbrowser.open, args=(first,), daemon=True).start()

    opened = Opened(address, said.deployment_id, said.registration, said.retention, said.max_file)
    serve.serve(listener, opened, announce)


def _parse(server: str | None) -> str:
    """The server's origin in its one form. Raises UsageError."""
    address = address_of(parse_server(server))
    parts = urlsplit(address)
    if not HOST.fullmatch(parts.hostname or ""):
        raise click.UsageError(f"{parts.hostname!r} is not a valid host name. Write it in ASCII (xn--…).")
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise click.UsageError(
            f"Over http, anyone in between could read and change everything. Use https://{parts.hostname}; "
            "plain http works only for this machine."
        )
    return address


def _admit(home: Path, address: str, deployment_id: str, *, trust: bool) -> None:
    """Remember which server is at this address. If it is not the expected one, ask the user first."""
    try:
        Servers(home).admit(address, deployment_id, trust=trust)
    except OtherServer as error:
        if not sys.stdin.isatty():
            raise
        says(str(error), err=True)
        click.confirm("Continue anyway", abort=True, err=True)
        Servers(home).admit(address, deployment_id, trust=True)
