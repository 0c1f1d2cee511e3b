"""`ezdms verify`: checks from outside what a server serves. Prints the findings, and what it cannot prove."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from ezdms import verify
from ezdms.commands.checks.findings import count, print_findings
from ezdms.commands.checks.release import FILE, says_why
from ezdms.release.manifest import Manifest
from ezdms.release.signing import load_public, open_file
from ezdms.verify.report import CANNOT_PROVE, arranged


@click.command("verify")
@click.argument("address")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
@click.option(
    "--cafile",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust the certificates in this PEM file instead.",
)
@click.option("--manifest", "file", type=FILE, help="Compare with the release of this signed manifest; needs --key.")
@click.option("--key", type=FILE, help="The public key that must have signed it.")
@click.option("--register", is_flag=True, help="Create an account to check its cookie, then delete it.")
@click.pass_context
def command(
    context: click.Context,
    address: str,
    as_json: bool,
    cafile: Path | None,
    file: Path | None,
    key: Path | None,
    register: bool,
) -> None:
    """Check from outside what the server at ADDRESS serves, byte for byte, without logging in.

    Exit code 0: passed, perhaps with warnings. 1: a check failed or could not be made.
    """
    manifest = _signed(file, key)
    try:
        report = asyncio.run(verify.verify(address, cafile=cafile, register=register, manifest=manifest))
    except verify.AddressError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        _print(report)
    context.exit(0 if report.verdict == "passed" else 1)


@says_why
def _signed(file: Path | None, key: Path | None) -> Manifest | None:
    if file is None or key is None:
        if file is not None or key is not None:
            raise click.UsageError("Use --manifest FILE and --key PUBFILE together.")
        return None
    return open_file(file, load_public(key))


def _print(report: verify.Report) -> None:
    print_findings(arranged(report.findings))
    if any(one.name == "answer" for one in report.findings):
        click.echo(f"\nFAILED: nothing at {report.address} could be compared.")
        return
    verdict = "PASSED" if report.verdict == "passed" else "FAILED"
    click.echo(f"\n{verdict}: {report.address}, compared with EZ-DMS {report.version}: {count(report.findings)}.")
    if report.verdict != "passed":
        files = sum(one.status == "failed" and one.name.startswith("file ") for one in report.findings)
        differ = f"{files} file{'s' * (files > 1)} of the release differed. " if files else ""
        click.echo(f"{differ}Do not log in there until you know why. Ask whoever runs it, through another channel.")
    click.echo("\nWhat this cannot prove:")
    for sentence in CANNOT_PROVE:
        click.echo(f"- {sentence}")
