"""Compares what the pages load, and every file, with the release."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ezdms.verify.loads import loads_of
from ezdms.verify.place import Unanswered
from ezdms.verify.release import Release, digest_of, fingerprint, shown_digest
from ezdms.verify.report import Finding, failed, ok
from ezdms.verify.wire import Answer, Wire

MOST_FILES = 200  # that are followed, from page to file to file


@dataclass
class Followed:
    """What the pages load: files by path (None if there was no response), and addresses outside the release."""

    files: dict[str, Answer | None] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)


async def check_content(wire: Wire, pages: list[Answer], release: Release, *, is_same_version: bool) -> list[Finding]:
    """Check what the pages load, and all files. For another version, only what they load can be judged."""
    followed = await _follow(wire, pages, release if is_same_version else None)
    findings = [_judge_loads(followed, "of this server and of the release" if is_same_version else "of this server")]
    if is_same_version:
        findings += await _check_files(wire, followed, release)
    return findings


async def _follow(wire: Wire, pages: list[Answer], release: Release | None) -> Followed:
    """Fetch what the pages load, and what that loads. Fetches only files of this server."""
    followed, seen, waiting = Followed(), set[str](), deque(pages)
    while waiting:
        loader = waiting.popleft()
        for address in loads_of(wire.place.origin + loader.path, loader.path, loader.body):
            if address in seen:
                continue
            seen.add(address)
            path = wire.path_of(address)
            is_known = path in release.files if release else (path or "").startswith("/static/")
            if path is None or not is_known or len(followed.files) >= MOST_FILES:
                followed.outside.append(f"{loader.path} loads {address}")
                continue
            try:
                followed.files[path] = answer = await wire.get(path)
            except Unanswered:
                followed.files[path] = None
            else:
                waiting.append(answer)
    return followed


def _judge_loads(followed: Followed, whose: str) -> Finding:
    if not followed.outside:
        return ok("loads", f"The pages load {len(followed.files)} files, all {whose}.")
    more = f", and {len(followed.outside) - 5} more" if len(followed.outside) > 5 else ""
    return failed("loads", f"Expected only the release's files, but {', '.join(followed.outside[:5])}{more}.")


async def _check_files(wire: Wire, followed: Followed, release: Release) -> list[Finding]:
    """Check every file of the release, loaded by a page or not. One finding for each that differs."""
    deviating = []
    for path, expected in release.files.items():
        name = "file " + path.split("/", 3)[3]
        try:
            answer = followed.files.get(path) or await wire.get(path)
        except Unanswered as error:
            deviating.append(failed(name, str(error)))
            continue
        types = answer.all("Content-Type")
        if answer.status != 200:
            deviating.append(failed(name, f"Expected 200, got {answer.came}."))
        elif digest_of(answer.body) != expected:
            came = fingerprint(answer.body)
            deviating.append(failed(name, f"Expected the release's {shown_digest(expected)}, got {came}."))
        elif len(types) != 1 or not release.is_type(path, types[0]):
            deviating.append(failed(name, f"Expected its Content-Type once, got {' and '.join(types) or 'none'}."))
    count = len(release.files)
    if not deviating:
        return [ok("files", f"All {count} files are the release's, byte for byte.")]
    return [failed("files", f"Expected {count} files of the release, but {len(deviating)} differ."), *deviating]
