"""Prints findings in the terminal: ok, warning, FAILED."""

from __future__ import annotations

import os
from collections.abc import Iterable

import click

from ezdms.verify.report import FAILED, OK, WARNING, Finding

MARKS = {OK: ("ok", "green"), WARNING: ("warning", "yellow"), FAILED: ("FAILED", "red")}


def print_findings(findings: Iterable[Finding]) -> None:
    """Print one line each, in color in a terminal unless NO_COLOR is set."""
    listed = list(findings)
    color = False if os.environ.get("NO_COLOR") else None  # None: only in a terminal
    width = max((len(finding.name) for finding in listed), default=0)
    for finding in listed:
        word, colour = MARKS[finding.status]
        mark = click.style(f"{word:7}", fg=colour)
        click.echo(f"{mark}  {finding.name:{width}}  {finding.sentence}", color=color)


def count(findings: Iterable[Finding]) -> str:
    """`3 ok, 1 warning, 0 failed`."""
    statuses = [finding.status for finding in findings]
    warnings = statuses.count(WARNING)
    told = "1 warning" if warnings == 1 else f"{warnings} warnings"
    return f"{statuses.count(OK)} ok, {told}, {statuses.count(FAILED)} failed"
