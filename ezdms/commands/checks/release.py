"""`ezdms manifest` and `release-key`: what a release is, in a form that others can check (docs/releasing.md)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from ezdms.commands.sentences import cannot_use

P = ParamSpec("P")
T = TypeVar("T")
FILE = click.Path(path_type=Path, dir_okay=False)


def says_why(function: Callable[P, T]) -> Callable[P, T]:
    """What can go wrong with manifests and keys becomes a sentence."""

    @wraps(function)
    def command(*given: P.args, **named: P.kwargs) -> T:
        from ezdms.release import ReleaseError

        try:
            return function(*given, **named)
        except ReleaseError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            raise click.ClickException(cannot_use(error)) from error

    return command


@click.command("release-key")
@click.argument("file", type=FILE)
@says_why
def release_key(file: Path) -> None:
    """Make a key to sign releases with: FILE, which is yours alone, and FILE.pub, which everybody may have."""
    from ezdms.release.signing import fingerprint, load_public, make_key

    try:
        public = make_key(file)
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename} is there already, and was left as it is.") from error
    click.echo(f"Made {file} (keep it offline, and to yourself) and {public} (give it to everybody).")
    click.echo(f"Its fingerprint, to be read out: {fingerprint(load_public(public))}")


@click.command("manifest")
@click.option("--sign", "keyfile", type=FILE, metavar="KEYFILE", help="Sign it with this private key.")
@click.option("--verify", "file", type=FILE, metavar="FILE", help="Check the signature of this manifest; needs --key.")
@click.option("--key", type=FILE, metavar="PUBFILE", help="The public key that should have signed it.")
@says_why
def manifest(keyfile: Path | None, file: Path | None, key: Path | None) -> None:
    """Print the manifest of the release that is installed here: what it serves to browsers, as canonical JSON."""
    from ezdms.release.manifest import installed
    from ezdms.release.signing import fingerprint, load_private, load_public, open_file, sign

    if (file is None) != (key is None) or (file is not None and keyfile is not None):
        raise click.UsageError("--verify FILE and --key PUBFILE belong together, and --sign stands alone.")
    if file is not None and key is not None:
        public = load_public(key)
        found = open_file(file, public)
        is_here = found == installed()
        here = "exactly the release that is installed here" if is_here else "not the release that is installed here"
        click.echo(f"Good: {found.build}, signed by {fingerprint(public)}. This is {here}.")
    elif keyfile is not None:
        click.echo(sign(installed(), load_private(keyfile)))
    else:
        click.echo(installed().canonical())
