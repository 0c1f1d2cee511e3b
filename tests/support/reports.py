"""Helpers that read the report of `ezdms verify`."""

from __future__ import annotations

from ezdms.verify import Report


def names(report: Report, status: str) -> set[str]:
    """The names of the findings with this status."""
    return {finding.name for finding in report.findings if finding.status == status}


def said(report: Report, name: str) -> str:
    """The sentences under one name."""
    return " ".join(finding.sentence for finding in report.findings if finding.name == name)
