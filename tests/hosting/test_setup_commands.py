"""How bin/lib.sh maintains an environment: no start ever uses a broken one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.dynamic import USER, readable_by_all

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("EZDMS_", "PIP_", "PYTHONPATH"))}
SET_UP = 'environment "$1" "$2"'


def shell(script: str, *words: str | Path) -> list[str]:
    """A command that runs this with bin/lib.sh. `words` are $1, $2 and so on."""
    return ["bash", "-euo", "pipefail", "-c", f'. "$0/bin/lib.sh"; {script}', str(ROOT), *map(str, words)]


def start(folder: Path, lock: Path, **environment: str) -> subprocess.Popen[str]:
    """Set up `folder` from `lock` in a process group of its own, so that all of it can be killed."""
    return subprocess.Popen(
        shell(SET_UP, folder, lock),
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the environment of these tests is; lock files beside it."""
    return tmp_path_factory.mktemp("environments") / "an environment"


@pytest.fixture
def lock(folder: Path) -> Path:
    """A lock file with nothing to install, so that no package registry is needed."""
    path = folder.with_name("requirements.lock")
    path.write_text("# nothing\n")
    return path


@pytest.fixture
def made(folder: Path, lock: Path) -> Path:
    """An up-to-date environment, which a test may break."""
    code, said = end(start(folder, lock))
    assert code == 0, said
    assert end(start(folder, lock)) == (0, "")
    return folder


def is_current(folder: Path, lock: Path) -> bool:
    """Whether the next start uses the environment as it is."""
    return subprocess.run(shell('is_current "$1" "$2"', folder, lock), check=False).returncode == 0


def test_a_killed_setup_is_repeated_by_one_of_two_concurrent_starts(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    killed = start(folder, lock)
    deadline = time.monotonic() + 60
    while not os.path.lexists(folder / "bin" / "python"):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    assert end(killed)[0] == -signal.SIGKILL
    assert not (folder / "made-from").exists()
    both = [start(folder, lock) for _ in range(2)]
    ended = [end(process) for process in both]
    assert [code for code, _ in ended] == [0, 0], ended
    assert sum("Setting up" in said for _, said in ended) == 1


def test_a_moved_checkout_or_a_changed_lock_file_triggers_the_setup(made: Path, lock: Path) -> None:
    assert is_current(made, lock)
    moved = made.rename(made.with_name("moved"))  # its scripts still name the old folder
    assert not is_current(moved, lock)
    assert not is_current(made, lock)
    moved.rename(made)
    assert is_current(made, lock)
    lock.write_text("# something else\n")
    assert not is_current(made, lock)


def test_an_environment_without_its_python_is_rebuilt(made: Path, lock: Path) -> None:
    gone = made.with_name("python3.12")
    python, stamp = made / "bin" / "python", made / "made-from"
    stamp.write_text(stamp.read_text().replace(str(python.resolve()), str(gone)))
    python.unlink()
    python.symlink_to(gone)  # what remains of an environment after its Python was uninstalled
    code, said = end(start(made, lock))
    assert code == 0, said
    assert "Setting up" in said
    assert end(start(made, lock)) == (0, "")


def by_another_user(folder: Path, lock: Path) -> str:
    """What someone is told for whom this folder cannot be set up."""
    done = subprocess.run(
        shell(SET_UP, folder, lock),
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
        user=USER,
        group=USER,
        extra_groups=[],
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1  # no message of the shell or of Python
    return done.stderr


def test_a_checkout_that_cannot_be_written_is_explained_with_what_works_instead() -> None:
    with readable_by_all() as folder:
        lock = folder / "requirements.lock"
        lock.write_text("# nothing\n")
        sentence = by_another_user(folder / ".venv", lock)
        assert f"this checkout belongs to root, and you are {USER}. Run it once as root: sudo -u root" in sentence
        (folder / ".venv").mkdir(0o700)  # made with umask 077
        assert "cannot use it. If root wants to permit that: chmod -R go+rX" in by_another_user(folder / ".venv", lock)
        (folder / ".venv").rmdir()
        os.chown(folder, USER, USER)
        folder.chmod(0o555)
        assert "but you cannot write there. Copy the checkout" in by_another_user(folder / ".venv", lock)


def test_root_is_told_that_the_checkouts_owner_could_change_what_root_runs() -> None:
    with readable_by_all() as folder:
        os.chown(folder, USER, USER)
        check = shell('check_writable "$1"', folder / ".venv")
        done = subprocess.run(check, env=CLEAN, capture_output=True, text=True, check=True)
        assert f"Note: {ROOT} belongs to {USER}, who can change what you run as root." in done.stderr


def test_without_a_network_the_setup_fails_with_a_message_and_is_not_recorded(made: Path, lock: Path) -> None:
    lock.write_text(f"click==8.5.1 --hash=sha256:{'0' * 64}\n")
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    code, said = end(start(made, lock, **nowhere))
    assert code == 1
    assert "The first run needs an internet connection." in said
    assert not (made / "made-from").exists()


def fake(folder: Path, name: str, script: str) -> None:
    """A program of this name, found before the real one."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def on(system: str, machine: str, tmp_path: Path, lock: Path) -> tuple[int, str]:
    """Set up on a machine that names itself like this, with a Python that only answers questions."""
    programs = tmp_path / "programs"
    fake(programs, "uname", f'case "$1" in -s) echo {system};; -m) echo {machine};; esac')
    path = f"{programs}:{os.environ['PATH']}"
    check = shell('check_platform "$1"', sys.executable)
    done = subprocess.run(check, env=CLEAN | {"PATH": path}, capture_output=True, check=False)
    if done.returncode:  # then neither does a start
        code, said = end(start(tmp_path / "environment", lock, PATH=path))
        assert (code, said) == (1, done.stderr.decode())
        assert not (tmp_path / "environment").exists()
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("system", "machine", "advice"),
    [
        ("Linux", "armv7l", "needs a 64-bit system, and this one has 32 bits (armv7l)"),
        ("Linux", "i686", "needs a 64-bit system, and this one has 32 bits (i686)"),
        ("MINGW64_NT-10.0-22631", "x86_64", "does not run on Windows itself. It runs in WSL"),
        ("CYGWIN_NT-10.0", "x86_64", "and in Docker (docs/self-hosting.md)"),
        ("FreeBSD", "amd64", "no packages for FreeBSD on amd64. It runs on Linux on x86_64 or aarch64, and macOS"),
    ],
)
def test_a_platform_without_packages_is_told_what_works_instead(
    system: str, machine: str, advice: str, tmp_path: Path, lock: Path
) -> None:
    code, said = on(system, machine, tmp_path, lock)
    assert code == 1
    assert advice in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("system", "machine"), [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Darwin", "x86_64")]
)
def test_the_supported_platforms_are_accepted(system: str, machine: str, tmp_path: Path, lock: Path) -> None:
    assert on(system, machine, tmp_path, lock) == (0, "")


def test_a_32_bit_python_on_a_64_bit_system_is_explained(tmp_path: Path, lock: Path) -> None:
    programs = tmp_path / "programs"
    fake(programs, "python3", f'case "$2" in *maxsize*) exit 1;; esac\nexec "{sys.executable}" "$@"')
    code, said = end(start(tmp_path / "environment", lock, PATH=f"{programs}:{os.environ['PATH']}"))
    assert code == 1
    assert f"needs a 64-bit Python, and {programs}/python3 has 32 bits" in said
