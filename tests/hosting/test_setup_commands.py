"""How bin/lib.sh maintains an environment: no start ever uses a broken one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("EZDMS_", "PIP_", "PYTHONPATH"))}
SET_UP = '. "$0/bin/lib.sh"; environment "$1" "$2"'


def start(folder: Path, lock: Path, **environment: str) -> subprocess.Popen[str]:
    """Set up `folder` from `lock` in a process group of its own, so that all of it can be killed."""
    return subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", SET_UP, str(ROOT), str(folder), str(lock)],
        env=CLEAN | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and the output."""
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout + stderr


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock file with nothing to install, so that no package registry is needed."""
    path = tmp_path / "requirements.lock"
    path.write_text("# nothing\n")
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One environment that every test starting from one rebuilds."""
    return tmp_path_factory.mktemp("environments") / "an environment"


@pytest.fixture
def folder(made: Path, lock: Path) -> Path:
    """A folder with an up-to-date environment."""
    code, said = end(start(made, lock))
    assert code == 0, said
    assert end(start(made, lock)) == (0, "")
    return made


def test_of_two_concurrent_starts_one_runs_the_setup_and_both_continue(tmp_path: Path, lock: Path) -> None:
    both = [start(tmp_path / "venv", lock) for _ in range(2)]
    ended = [end(process) for process in both]
    assert [code for code, _ in ended] == [0, 0], ended
    assert sum("Setting up" in said for _, said in ended) == 1


def test_a_killed_setup_is_repeated(tmp_path: Path, lock: Path) -> None:
    made = tmp_path / "venv"
    killed = start(made, lock)
    deadline = time.monotonic() + 60
    while not os.path.lexists(made / "bin" / "python"):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    assert end(killed)[0] == -signal.SIGKILL
    assert not (made / "made-from").exists()
    code, said = end(start(made, lock))
    assert code == 0, said
    assert "Setting up" in said


def test_an_environment_without_its_python_is_rebuilt(folder: Path, lock: Path, tmp_path: Path) -> None:
    gone = tmp_path / "python3.12"
    python, stamp = folder / "bin" / "python", folder / "made-from"
    stamp.write_text(stamp.read_text().replace(str(python.resolve()), str(gone)))
    python.unlink()
    python.symlink_to(gone)  # what remains of an environment after its Python was uninstalled
    code, said = end(start(folder, lock))
    assert code == 0, said
    assert "Setting up" in said


def test_a_moved_checkout_is_set_up_again(folder: Path, lock: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))  # its scripts still name the old folder
    code, said = end(start(moved, lock))
    assert code == 0, said
    assert "Setting up" in said


def test_a_changed_lock_file_triggers_the_setup(folder: Path, lock: Path) -> None:
    lock.write_text("# something else\n")
    code, said = end(start(folder, lock))
    assert code == 0, said
    assert "Setting up" in said
    assert end(start(folder, lock)) == (0, "")


def test_without_a_network_the_setup_fails_with_a_message_and_is_not_recorded(tmp_path: Path, lock: Path) -> None:
    lock.write_text(f"click==8.5.1 --hash=sha256:{'0' * 64}\n")
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    code, said = end(start(tmp_path / "venv", lock, **nowhere))
    assert code == 1
    assert "The first run needs an internet connection." in said
    assert not (tmp_path / "venv" / "made-from").exists()
