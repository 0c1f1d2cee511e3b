"""`ezdms manifest` and `release-key`: a release, described so that others can check it (docs/releasing.md)."""

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
    """Turn errors about manifests and keys into error messages."""

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
    """Create a key to sign releases with: the private key in FILE, the public key in FILE.pub."""
    from ezdms.release.signing import fingerprint, load_public, make_key

    try:
        public = make_key(file)
    except FileExistsError as error:
        raise click.ClickException(f"{error.filename} already exists. Choose another file.") from error
    click.echo(f"Created {file} (secret: keep it offline) and {public} (share it with everyone).")
    click.echo(f"Fingerprint, to read out loud: {fingerprint(load_public(public))}")


@click.command("manifest")
@click.option("--sign", "keyfile", type=FILE, metavar="KEYFILE", help="Sign it with this private key.")
@click.option("--verify", "file", type=FILE, metavar="FILE", help="Check the signature of this manifest; needs --key.")
@click.option("--key", type=FILE, metavar="PUBFILE", help="The public key that must have signed it.")
@says_why
def manifest(keyfile: Path | None, file: Path | None, key: Path | None) -> None:
    """Print the manifest of the installed release: everything it serves to browsers, as canonical JSON."""
    from ezdms.release.manifest import installed
    from ezdms.release.signing import fingerprint, load_private, load_public, open_file, sign

    if (file is None) != (key is None) or (file is not None and keyfile is not None):
        raise click.UsageError("Use --verify FILE and --key PUBFILE together, and --sign alone.")
    if file is not None and key is not None:
        public = load_public(key)
        found = open_file(file, public)
        is_here = found == installed()
        here = "exactly the release installed here" if is_here else "not the release installed here"
        click.echo(f"Good: {found.build}, signed by {fingerprint(public)}. This is {here}.")
    elif keyfile is not None:
        click.echo(sign(installed(), load_private(keyfile)))
    else:
        click.echo(installed().canonical())
