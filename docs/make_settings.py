"""Writes docs/settings.md from ezdms/settings.py: python docs/make_settings.py (a test says when it must be run)."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ezdms.settings import PREFIX, Settings  # noqa: E402

HEAD = """# Settings

Each is a flag of `ezdms serve`, or an environment variable; a flag goes before the variable. Nothing needs to be set.
An unknown `EZDMS_` name or a bad value stops the start with a sentence that names it. Limits are `COUNT/second`,
`/minute`, `/hour`, `/day`, or `off`.

| flag | variable | default | |
|---|---|---|---|
"""

TAIL = """
`NGROK_AUTHTOKEN` is read by ngrok's SDK, and only with `--ngrok`. The client's commands (`ezdms send` and so on) read
`EZDMS_SERVER`, `EZDMS_HOME`, `EZDMS_PIN` and `EZDMS_PIN_FILE`: see [command-line.md](command-line.md).

This page is written by `docs/make_settings.py`.
"""


def page() -> str:
    """The whole page."""
    lines = []
    for item in fields(Settings):
        default = item.metadata["default"]
        shown = "none" if default in (None, "") else f"`{default}`"
        flag = "–" if item.metadata["is_secret"] else f"`--{item.name.replace('_', '-')}`"
        lines.append(f"| {flag} | `{PREFIX}{item.name.upper()}` | {shown} | {item.metadata['meaning']} |\n")
    return HEAD + "".join(lines) + TAIL


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(page(), "utf-8")
