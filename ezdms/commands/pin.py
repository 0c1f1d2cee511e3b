"""`ezdms pin`: a browser extension that lets one server run the scripts of one release alone (docs/verify.md)."""

from __future__ import annotations

from pathlib import Path

import click

from ezdms.commands.release import FILE, says_why


@click.command("pin")
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
    from ezdms.release.asking import ask_version
    from ezdms.release.manifest import installed
    from ezdms.release.pin import PinError, parse_origin, write
    from ezdms.release.signing import load_public, open_signed

    if bool(also) != (key is not None):
        raise click.UsageError("--also MANIFEST and --key PUBFILE belong together.")
    releases = [installed()]
    try:
        origin = parse_origin(address)
        if key is not None:
            public = load_public(key)
            releases += [open_signed(file.read_bytes(), public) for file in also]
        write(output, origin, releases)
    except PinError as error:
        raise click.ClickException(str(error)) from error
    versions = [one.version for one in releases]
    click.echo(f"Made an extension in {output} that pins EZ-DMS {' and '.join(versions)} at {origin}.")
    click.echo("Chromium, Chrome, Edge, Brave: chrome://extensions, “Developer mode”, “Load unpacked”, this folder.")
    click.echo("Firefox: about:debugging#/runtime/this-firefox, “Load Temporary Add-on”, its manifest.json.")
    said = ask_version(origin)
    if said is None:
        click.echo(f"Warning: {origin} does not answer as an EZ-DMS server now. The pin holds all the same.", err=True)
    elif said not in versions:
        click.echo(
            f"Warning: {origin} says that it runs EZ-DMS {said}. Its page will not start under this pin. Install "
            f"{said} here and pin again, or add its signed manifest with --also.",
            err=True,
        )
