"""`ezdms pin`: a browser extension that lets one server run the scripts of one release alone (docs/verify.md)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import click

from ezdms.commands.checks.release import FILE, says_why

WITHIN = 10.0  # seconds that a server has to say what it runs


@click.command("pin", options_metavar="--output DIR [OPTIONS]")
@click.argument("address")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Write the extension there."
)
@click.option(
    "--also", "also", multiple=True, type=FILE, metavar="MANIFEST", help="And this signed release; needs --key."
)
@click.option("--key", type=FILE, metavar="PUBFILE", help="The public key that should have signed it.")
@says_why
def pin(address: str, output: Path, also: tuple[Path, ...], key: Path | None) -> None:
    """Write a browser extension into DIR, made of the release that is installed here, for the server at ADDRESS.

    With it your browser runs the scripts of this release at that address, and no others, whatever the server sends.
    """
    from ezdms.release.manifest import installed
    from ezdms.release.pin import origin_of, write
    from ezdms.release.signing import load_public, open_file

    if bool(also) != (key is not None):
        raise click.UsageError("--also MANIFEST and --key PUBFILE belong together.")
    releases, origin = [installed()], origin_of(address)
    if key is not None:
        public = load_public(key)
        signed = (open_file(file, public) for file in also)
        releases += [one for one in signed if one != releases[0]]
    write(output, origin, releases)
    versions = list(dict.fromkeys(one.version for one in releases))
    click.echo(f"Made an extension in {output} that pins EZ-DMS {' and '.join(versions)} at {origin}.")
    click.echo("Chromium, Chrome, Edge, Brave: chrome://extensions, “Developer mode”, “Load unpacked”, this folder.")
    click.echo("Firefox: about:debugging#/runtime/this-firefox, “Load Temporary Add-on”, its manifest.json.")
    click.echo("If it is loaded already, reload it there. Private windows have no pin unless you allow it there.")
    click.echo("Let Chromium start with an empty page: docs/verify.md says why, and what else remains.")
    said = asyncio.run(ask_version(origin))
    if said is None:
        click.echo(
            f"Warning: {origin} does not answer as an EZ-DMS server now. Is that its address?",
            err=True,
        )
    elif said not in versions:
        click.echo(
            f"Warning: {origin} says that it runs EZ-DMS {said}. Its page will not start under this pin. Install "
            f"{said} here and pin again, or add its signed manifest with --also.",
            err=True,
        )


async def ask_version(origin: str) -> str | None:
    """What its /deployment says that it runs, or None if nothing of that form comes in time: no more than a hint."""
    from ezdms.client.errors import ClientError
    from ezdms.opened.asking import ask

    with suppress(ClientError, TimeoutError):
        async with asyncio.timeout(WITHIN):
            return (await ask(origin)).version
    return None
