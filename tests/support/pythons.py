"""The other supported Pythons, each with its own environment made from requirements.lock."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT
from tests.support.borrowed import link_all

VERSIONS = ("3.11", "3.12", "3.13")
LOCK = ROOT / "requirements.lock"


def python_for(version: str) -> str | None:
    """A Python of this version with the requirements installed, or None if this machine has none."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    found = next((path for path in _candidates(version) if _is(path, version)), None)
    return None if found is None else str(_environment(found, version))


def _candidates(version: str) -> Iterator[str]:
    if (path := shutil.which(f"python{version}")) is not None:
        yield path
    if shutil.which("pyenv") is not None:
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        yield from map(str, Path(root).glob(f"versions/{version}.*/bin/python"))


def _is(path: str, version: str) -> bool:
    said = subprocess.run([path, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False)
    return said.returncode == 0 and said.stdout.startswith(f"{version}.")


def _environment(python: str, version: str) -> Path:
    """An environment that is built once for each lock file, which its name identifies. It installs only what another
    Python cannot take from here."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".venv-test" / "pythons" / f"{version}-{digest}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)  # ours installs there, too
        there = ["--python", str(folder / "bin" / "python")]
        left = folder / "requirements.lock"
        left.write_text(link_all(LOCK, next(folder.glob("lib/*/site-packages")), is_same_python=False))
        pip = [sys.executable, "-m", "pip", *there, "install", "-qq", "--disable-pip-version-check"]
        options = ["--no-input", "--no-compile", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        subprocess.run([*pip, *options, "-r", str(left)], check=True, stdin=subprocess.DEVNULL)
        (folder / "made").touch()
    return folder / "bin" / "python"
