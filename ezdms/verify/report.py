"""What was found. Whatever a server sent is made harmless here, before it reaches a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

OK, WARNING, FAILED = "ok", "warning", "failed"
LONGEST_SENTENCE = 600  # characters

CANNOT_PROVE = (
    "that others are served the same: a server can tell visitors apart, by their address for example;",
    "that it will be the same tomorrow, or was yesterday: a changed page may have left something in browsers then;",
    "what it answers at other addresses, and what it sends as data after logging in;",
    "what the server does with what it gets: who talks to whom, when and how often is known to it in any case;",
    "what comes outside the answers: over HTTP/2 a frame can send browsers elsewhere, and this spoke HTTP/1.1;",
    "who else runs on that machine, and who holds its keys.",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: its stable name, OK, WARNING or FAILED, and what was expected and what came."""

    name: str
    status: str
    sentence: str


def ok(name: str, sentence: str) -> Finding:
    """As it must be."""
    return Finding(shown(name), OK, shown(sentence))


def warning(name: str, sentence: str) -> Finding:
    """Worth knowing; it changes no verdict."""
    return Finding(shown(name), WARNING, shown(sentence))


def failed(name: str, sentence: str) -> Finding:
    """Not as it must be."""
    return Finding(shown(name), FAILED, shown(sentence))


def arranged(findings: Iterable[Finding]) -> list[Finding]:
    """For people to read: the files that differ first, since pages differ because of them; and one line for all pages
    of which the same is to be said."""
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
    """At most so many characters, none of which moves a cursor, changes a colour or turns the direction of writing."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut)


@dataclass(frozen=True, slots=True)
class Report:
    """The findings about one address, by the release `version` that is installed here."""

    address: str
    version: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """ "passed" if something was looked at and nothing failed, else "failed"."""
        is_good = self.findings and not any(finding.status == FAILED for finding in self.findings)
        return "passed" if is_good else "failed"

    def as_json(self) -> dict[str, Any]:
        """The form of docs/verify.md, which stays as it is within a version of it."""
        return {
            "address": self.address,
            "version": self.version,
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
            "cannot_prove": list(CANNOT_PROVE),
        }
