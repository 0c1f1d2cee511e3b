"""Runs the page's own code in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import skip_or_fail


def run_node(*words: str | Path, given: Any = None) -> Any:
    """What this script prints, as JSON; `given` is its input. Skips the test if there is no node."""
    node = shutil.which("node")
    if node is None:
        skip_or_fail("node is missing: run bin/test on a machine with node")
    asked = subprocess.run(
        [str(node), *map(str, words)],
        input=json.dumps(given) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(asked.stdout)
