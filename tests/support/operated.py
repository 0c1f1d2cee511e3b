"""Runs operator commands on a data folder, as a shell does."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.forked import environment, run


def operate(data_dir: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `ezdms ARGUMENTS` for this data folder."""
    return run(*arguments, env=environment(**{"EZDMS_DATA_DIR": str(data_dir)} | settings))


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that must have succeeded."""
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The error message of a command that must have failed."""
    assert done.returncode in (1, 2), done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]
