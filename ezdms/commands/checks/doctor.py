"""`ezdms doctor`: checks that the server works and says what to fix, in the terminal or on a local page."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click

from ezdms.commands.checks.findings import count, print_findings
from ezdms.commands.server.operating import as_json, data_dir_option, says_why, settings_of


@click.command("doctor")
@click.argument("url", required=False)
@data_dir_option
@as_json
@click.option(
    "--cafile", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust these certificates."
)
@click.option("--page", is_flag=True, help="Show the results as a page on this machine instead, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=5002, show_default=True, help="Port of the page.")
@click.pass_context
@says_why
def doctor(
    context: click.Context,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
    cafile: Path | None,
    page: bool,
    port: int,
) -> None:
    """Check the machine, the data folder, the running server, and its public address URL.

    Exit code 1 if a check failed. Needs the server's settings: run it with the same EZDMS_ environment.
    """
    from ezdms.doctor import examine  # not needed for --help

    settings = settings_of(data_dir)
    if page:
        from ezdms.doctor.page import show
        from ezdms.edge.runner import AddressError

        try:
            show(settings, url, cafile, port, lambda address: click.echo(f"The doctor's page is at {address}"))
        except AddressError as error:
            raise click.ClickException(str(error)) from error
        return
    findings = asyncio.run(examine(settings, url, cafile=cafile))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        print_findings(findings)
        click.echo(f"\n{count(findings)}.")
    context.exit(1 if any(finding.status == "failed" for finding in findings) else 0)
