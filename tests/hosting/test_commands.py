"""The two commands in a fresh clone, in a folder with a space in its name."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ezdms import __version__
from tests.conftest import ROOT

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("EZDMS_", "PYTHONPATH"))}


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=CLEAN | environment, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone of this checkout contains, set up once."""
    folder = tmp_path_factory.mktemp("a fresh clone") / "EZ DMS"
    listed = run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], ROOT
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod((ROOT / name).stat().st_mode)
    first = run([str(folder / "bin" / "ezdms"), "--version"], folder)
    assert first.returncode == 0, first.stderr
    assert "Setting up" in first.stderr
    return folder


def test_the_commands_are_executable() -> None:
    for path in (ROOT / "bin" / "ezdms", ROOT / "bin" / "test", ROOT / "bin" / "lock", ROOT / ".ci" / "run"):
        assert path.stat().st_mode & stat.S_IXUSR


def test_the_second_start_skips_the_setup(clone: Path) -> None:
    again = run([str(clone / "bin" / "ezdms"), "--version"], clone)
    assert (again.returncode, again.stderr) == (0, "")
    assert re.fullmatch(rf"EZ-DMS {re.escape(__version__)}, build [A-Za-z0-9_-]{{12}}\n", again.stdout)


def test_serve_works_from_any_folder_and_through_a_symlink(clone: Path, tmp_path: Path) -> None:
    link = tmp_path / "ez link"
    link.symlink_to(clone / "bin" / "ezdms")
    (tmp_path / "quart.py").write_text("raise SystemExit('code of the folder one stands in was run')")
    with subprocess.Popen(
        [str(link), "serve", "--port", "0"], cwd=tmp_path, env=CLEAN, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert re.match(r"EZ-DMS is at http://127\.0\.0\.1:[0-9]+\n", process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "ezdms.db").stat().st_mode) == 0o600


def test_a_port_in_use_gives_a_clear_message(clone: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run([str(clone / "bin" / "ezdms"), "serve", "--port", port], tmp_path)
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_that_is_not_a_database_gives_a_clear_message_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ezdms.db").write_text("my diary " * 200)
    command = [sys.executable, "-m", "ezdms", "serve", "--port", "0", "--data-dir", str(tmp_path)]
    refused = run(command, ROOT)
    assert refused.returncode == 1
    assert re.fullmatch(
        r"Error: Cannot use the database .*ezdms\.db: file is not a database\. Restore a backup .*\n", refused.stderr
    )
    assert (tmp_path / "ezdms.db").read_text() == "my diary " * 200


def test_an_unreadable_certificate_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ezdms", "serve", "--port", "0", "--certfile", "my.pem", "--keyfile", "my.key"]
    refused = run(command, tmp_path, PYTHONPATH=str(ROOT))
    assert (refused.returncode, refused.stderr) == (1, "Error: Cannot use my.pem: No such file or directory.\n")


def test_an_old_python_gives_a_clear_message(clone: Path, tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        fake = tmp_path / name
        fake.write_text("#!/bin/sh\necho 3.9\n")
        fake.chmod(0o755)
    (clone / ".venv" / "made-from").write_text("something else\n")
    refused = run([str(clone / "bin" / "ezdms"), "--version"], clone, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert refused.returncode == 1
    assert "needs Python 3.11 or newer; python3 is 3.9" in refused.stderr


def test_committed_files_contain_no_registry_url() -> None:
    for name in ("requirements.lock", "requirements-test.lock", "tests/package-lock.json"):
        text = (ROOT / name).read_text("utf-8")
        assert "resolved" not in text
        assert not re.search(r"://(?!github\.com/sponsors)", text), name
