"""How tests read what `ezdms verify` found."""

from __future__ import annotations

from ezdms.verify import Report


def names(report: Report, status: str) -> set[str]:
    """What was found to be so."""
    return {finding.name for finding in report.findings if finding.status == status}


def said(report: Report, name: str) -> str:
    """The sentences under one name."""
    return " ".join(finding.sentence for finding in report.findings if finding.name == name)
