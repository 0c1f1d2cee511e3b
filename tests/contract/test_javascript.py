"""The JavaScript stays small enough to audit, and text enters the page in only one way."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, skip_or_fail

STATIC = ROOT / "ezdms" / "static"
JS = STATIC / "js"
FILES = sorted(JS.glob("*.js"))
PROTOCOL = ("crypto", "changes", "remembered")  # each has a twin in Python that it is compared with
MOST_LINES = {"protocol": 1000, "page": 8000}  # of code: neither blank nor a comment (docs/decisions/javascript.md)
WIDEST = 120


def code_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("//")]


def test_the_javascript_stays_within_its_size_limit() -> None:
    for part in MOST_LINES:
        paths = [path for path in FILES if (path.stem in PROTOCOL) == (part == "protocol") and path.stem != "release"]
        lines = [line for path in paths for line in code_lines(path.read_text("utf-8"))]
        assert 250 < len(lines) <= MOST_LINES[part]
    for path in FILES:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 250 or path.stem == "crypto"
        assert [line for line in text.splitlines() if len(line) > WIDEST] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_script_turns_text_into_markup_or_code(path: object) -> None:
    text = JS.joinpath(str(getattr(path, "name", path))).read_text("utf-8")
    assert text.startswith("//")  # one sentence saying what the file is
    for danger in (
        ".innerHTML",
        ".outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
    ):
        assert danger not in text
    assert not re.search(r"https?://(?!\$)", text)


def test_only_rendered_server_answers_are_swapped_in() -> None:
    swaps = [path.name for path in FILES if "htmx.swap" in path.read_text("utf-8")]
    assert swaps == ["guard.js"]


def test_every_vendored_file_has_the_recorded_hash() -> None:
    written = (ROOT / "docs" / "decisions" / "dependencies.md").read_text("utf-8")
    vendored = [*STATIC.glob("vendor/*.js*"), *STATIC.glob("fonts/*.woff2")]
    assert len(vendored) == 6
    for path in vendored:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"{digest}  {path.relative_to(STATIC).as_posix()}" in written
    assert len(list(STATIC.glob("*/*LICENSE"))) == 4


# Prints the names of the files that are not modules. They are only parsed.
PARSE = """const { readFileSync } = require("fs"), { SourceTextModule } = require("vm");
const broken = process.argv.slice(1).filter((path) => {
    try { return !new SourceTextModule(readFileSync(path, "utf8")); } catch { return true; }
});
console.log(JSON.stringify(broken));"""


def test_every_script_can_be_parsed(tmp_path: Path) -> None:
    node = shutil.which("node") or ""
    if not node:
        skip_or_fail("Node is missing (Debian: apt install nodejs)")
    broken = tmp_path / "broken.js"
    broken.write_text("import { a } from './b.js'; export const c = ;")
    command = [node, "--experimental-vm-modules", "--no-warnings", "-e", PARSE, *map(str, [*FILES, broken])]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == [str(broken)]


# What does not follow the direction of the language: programs are from left to right, and JavaScript computes from the
# left where a menu opens and what a picture shows.
PHYSICAL = re.compile(r"(?:(?:margin|padding|border)-)?\b(?:left|right):|(?:text-align|float|clear): (?:left|right)")
NOT_MIRRORED = ("code.block", "[popover].menu {", ".stage img {")


def test_style_sheets_follow_the_direction_of_the_language() -> None:
    rules = [line for path in STATIC.glob("css/*.css") for line in path.read_text("utf-8").splitlines()]
    assert [line for line in rules if PHYSICAL.search(line) and not any(one in line for one in NOT_MIRRORED)] == []
