"""The wheel contains everything it needs and starts in an empty environment."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.borrowed import link_all


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_contains_migrations_templates_and_static_files(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("ezdms", "migrations"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(ROOT).as_posix()
                assert (name if folder == "ezdms" else f"ezdms/{name}") in carried
    assert not [name for name in carried if name.startswith(("tests", "data", ".venv"))]


LATER = "import time; later = time.time; time.time = lambda: later() + 4e7; time.localtime = time.gmtime"


def test_building_a_commit_is_reproducible(wheel: Path, tmp_path: Path) -> None:
    """Independent of the folder, clock, time zone, file times and modes, and language."""
    copy = tmp_path / "another place"
    ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "data", "dist", ".*_cache")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for i, path in enumerate(sorted(path for path in copy.rglob("*") if path.is_file())):
        os.utime(path, (1_000_000_000 + i, 1_000_000_000 + i))
        path.chmod(0o700 if os.access(path, os.X_OK) else 0o600)
    clock = tmp_path / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(LATER)
    environment = os.environ | {
        "PYTHONPATH": str(clock),
        "TZ": "Pacific/Auckland",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
    }
    environment.pop("SOURCE_DATE_EPOCH", None)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(copy)],
        env=environment,
        check=True,
        capture_output=True,
    )
    (again,) = tmp_path.glob("*.whl")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_starts_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Empty but for what requirements.lock pins: test_container.py installs that with its hashes."""
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    assert link_all(ROOT / "requirements.lock", next((tmp_path / "venv").glob("lib/*/site-packages"))) == ""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"]
    options = ["--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, *options, str(wheel)], check=True, capture_output=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EZDMS_", "PYTHONPATH"))}
    with subprocess.Popen(
        [str(python.with_name("ezdms")), "serve", "--port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            match = re.search(r"http://127\.0\.0\.1:[0-9]+", process.stdout.readline())
            assert match
            for path in ("/ping", "/", "/static/js/boot.js", "/static/fonts/inter-latin-wght-normal.woff2"):
                with urllib.request.urlopen(match[0] + path, timeout=10) as response:  # noqa: S310
                    assert response.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
    assert (tmp_path / "data" / "ezdms.db").exists()
