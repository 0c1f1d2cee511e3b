"""Findings and the report. Text from a server is made safe here before it reaches a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

OK, WARNING, FAILED = "ok", "warning", "failed"
LONGEST_SENTENCE = 600  # characters

CANNOT_PROVE = (
    "that others are served the same: a server can tell visitors apart, for example by their address;",
    "that it will be the same tomorrow, or was yesterday: a changed page may have left something in browsers;",
    "what it serves at other addresses, and what data it sends after logging in;",
    "what the server does with what it gets: in any case it knows who talks to whom, when and how often;",
    "what comes outside responses: an HTTP/2 frame can send browsers elsewhere, and this check used HTTP/1.1;",
    "what else runs on that machine, and who has its keys.",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: its stable name, OK, WARNING or FAILED, and what was expected and received."""

    name: str
    status: str
    sentence: str


def ok(name: str, sentence: str) -> Finding:
    """A passed check."""
    return Finding(shown(name), OK, shown(sentence))


def warning(name: str, sentence: str) -> Finding:
    """Worth knowing; does not change the verdict."""
    return Finding(shown(name), WARNING, shown(sentence))


def failed(name: str, sentence: str) -> Finding:
    """A failed check."""
    return Finding(shown(name), FAILED, shown(sentence))


def arranged(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings for people: differing files first, since they make pages differ; pages with the same finding
    become one line."""
    files: list[Finding] = []
    rest: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        if one.name.startswith("file "):
            files.append(one)
        else:
            kind = "page" if one.name.startswith("page ") else one.name
            rest.setdefault((kind, one.status, one.sentence), []).append(one)
    return files + [_together(same) for same in rest.values()]


def _together(same: list[Finding]) -> Finding:
    more = f" and {len(same) - 1} more" if len(same) > 1 else ""
    return Finding(f"{same[0].name}{more}", same[0].status, same[0].sentence)


def shown(text: str, longest: int = LONGEST_SENTENCE) -> str:
    """Shorten text and replace characters that move the cursor, change colors or change the writing direction."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings about one address, compared with release `version`."""

    address: str
    version: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """ "passed" if something was checked and nothing failed, else "failed"."""
        is_good = self.findings and not any(finding.status == FAILED for finding in self.findings)
        return "passed" if is_good else "failed"

    def as_json(self) -> dict[str, Any]:
        """The JSON form of docs/verify.md, stable within a version."""
        return {
            "address": self.address,
            "version": self.version,
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
            "cannot_prove": list(CANNOT_PROVE),
        }
