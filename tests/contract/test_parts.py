"""What the page compares a document with is what this release's documents hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ezdms.views import assets
from tests.conftest import ROOT

WRITTEN = (ROOT / "ezdms" / "static" / "js" / "release.js").read_text("utf-8")
MAKER = ROOT / "bin" / "parts"


def test_what_the_page_compares_a_document_with_is_what_the_templates_make(tmp_path: Path) -> None:
    program = (
        "from importlib.machinery import SourceFileLoader; "
        f"print(SourceFileLoader('parts', {str(MAKER)!r}).load_module().source(), end='')"
    )
    made = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert made.stdout == WRITTEN, "run: bin/parts"


def test_every_style_sheet_and_font_is_named_by_its_hash() -> None:
    named = re.findall(r'"(sha256-[^"]+)"', WRITTEN)
    files = {path.relative_to(assets.FOLDER).as_posix() for path in assets.FOLDER.glob("*/*.*") if path.suffix != ".js"}
    looks = {name for name in files if name.endswith((".css", ".woff2"))} - {
        "css/fonts.css"
    }  # of pages without scripts
    assert len(looks) >= 5
    assert sorted(named) == sorted(map(assets.integrity_of, looks))
