"""Runs operator commands on a data folder, as a shell does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.conftest import ROOT
from tests.support.forked import run

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("EZDMS_")}


def operate(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `ezdms ARGUMENTS` for this data folder."""
    return run(*arguments, env=CLEAN | {"PYTHONPATH": str(ROOT), "EZDMS_DATA_DIR": str(data_dir)} | environment)


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
