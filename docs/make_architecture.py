"""Writes the map in docs/architecture.md from the code: python docs/make_architecture.py (a test says when)."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ezdms"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- map: begin -->\n", "<!-- map: end -->\n"


def page() -> str:
    """The whole page, with the map as the code has it now."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + _map() + END + after


def _map() -> str:
    lines = ["| layer | what it is | imports |\n", "|---|---|---|\n"]
    layers = _layers()
    for name in layers:
        imported = _imports(_files(name))
        below = [other for other in layers if other != name and other in imported]
        lines.append(f"| `{name}` | {_summary(name)} | {', '.join(below) or '–'} |\n")
    return "".join(lines)


def _layers() -> list[str]:
    """From the top, as pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (rule,) = [rule for rule in settings["contracts"] if rule["type"] == "layers"]
    return [name.strip() for layer in rule["layers"] for name in layer.split("|")]


def _files(name: str) -> list[Path]:
    folder = PACKAGE / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def _summary(name: str) -> str:
    folder = PACKAGE / name
    first = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(first.read_text("utf-8"))) or ""
    return docstring.split("\n", 1)[0].replace("|", "\\|")


def _imports(files: list[Path]) -> set[str]:
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "ezdms":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ezdms."):
                found.add(str(node.module).split(".")[1])
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.exit()
