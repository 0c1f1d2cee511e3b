"""Packages of this environment in another one: linked, which takes no time, instead of installed again."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ANY_PYTHON = re.compile(r"^Tag: \S+-(none|abi3)-", re.MULTILINE)


def link(package: str, folder: Path) -> None:
    """Link what this package consists of into a folder of packages, without its commands."""
    _link(distribution(package), folder)


def link_all(lock: Path, folder: Path, *, is_same_python: bool = True) -> str:
    """Link what this lock file pins, if this environment has it in that version, and if another Python can use it.
    Returns the part of the lock file that is left to install."""
    left = []
    for block in re.split(r"\n(?=\S)", lock.read_text("utf-8").strip()):
        pinned = Requirement(re.split(r"\\|--hash", block)[0])
        found = _found(pinned)
        if found is not None and (is_same_python or ANY_PYTHON.search(found.read_text("WHEEL") or "")):
            _link(found, folder)
        elif not is_same_python or pinned.marker is None or pinned.marker.evaluate():
            left.append(block)
    return "\n".join(left)


def _found(pinned: Requirement) -> Distribution | None:
    try:
        found = distribution(pinned.name)
    except PackageNotFoundError:
        return None
    return found if pinned.specifier.contains(found.version) else None


def _link(found: Distribution, folder: Path) -> None:
    for name in {path.parts[0] for path in found.files or ()} - {"..", "__pycache__"}:
        (folder / name).symlink_to(Path(str(found.locate_file(name))))
