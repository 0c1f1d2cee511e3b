"""`ezdms pin`: makes a browser extension that lets a server run only the scripts of one release (docs/verify.md)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import click

from ezdms.commands.checks.release import FILE, says_why

WITHIN = 10.0  # seconds for the server to report its version


@click.command("pin", options_metavar="--output DIR [OPTIONS]")
@click.argument("address")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder for the extension."
)
@click.option(
    "--also", "also", multiple=True, type=FILE, metavar="MANIFEST", help="Also allow this signed release; needs --key."
)
@click.option("--key", type=FILE, metavar="PUBFILE", help="The public key that must have signed it.")
@says_why
def pin(address: str, output: Path, also: tuple[Path, ...], key: Path | None) -> None:
    """Write a browser extension to DIR that pins the server at ADDRESS to the release installed here.

    With it, your browser runs only the scripts of this release at that address, whatever the server sends.
    """
    from ezdms.release.manifest import installed
    from ezdms.release.pin import origin_of, write
    from ezdms.release.signing import load_public, open_file

    if bool(also) != (key is not None):
        raise click.UsageError("Use --also MANIFEST and --key PUBFILE together.")
    releases, origin = [installed()], origin_of(address)
    if key is not None:
        public = load_public(key)
        signed = (open_file(file, public) for file in also)
        releases += [one for one in signed if one != releases[0]]
    write(output, origin, releases)
    versions = list(dict.fromkeys(one.version for one in releases))
    click.echo(f"Created an extension in {output} that pins EZ-DMS {' and '.join(versions)} at {origin}.")
    click.echo("Chromium, Chrome, Edge, Brave: chrome://extensions, “Developer mode”, “Load unpacked”, this folder.")
    click.echo("Firefox: about:debugging#/runtime/this-firefox, “Load Temporary Add-on”, its manifest.json.")
    click.echo("If it is already loaded, reload it there. It is off in private windows unless you allow it there.")
    click.echo("Make Chromium start with an empty page: docs/verify.md says why, and what this does not cover.")
    said = asyncio.run(ask_version(origin))
    if said is None:
        click.echo(
            f"Warning: no EZ-DMS server answers at {origin} now. Check the address.",
            err=True,
        )
    elif said not in versions:
        click.echo(
            f"Warning: {origin} says it runs EZ-DMS {said}. Its page will not start with this pin. Install "
            f"{said} here and pin again, or add its signed manifest with --also.",
            err=True,
        )


async def ask_version(origin: str) -> str | None:
    """The version that its /deployment reports, None if no valid response comes in time. Only a hint."""
    from ezdms.client.errors import ClientError
    from ezdms.opened.asking import ask

    with suppress(ClientError, TimeoutError):
        async with asyncio.timeout(WITHIN):
            return (await ask(origin)).version
    return None
