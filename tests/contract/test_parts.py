"""The documents that the page compares with are those of this release."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ezdms.views import assets
from tests.conftest import ROOT

WRITTEN = (ROOT / "ezdms" / "static" / "js" / "release.js").read_text("utf-8")
MAKER = ROOT / "bin" / "parts"


def test_the_documents_that_the_page_compares_with_match_the_templates(tmp_path: Path) -> None:
    program = (
        "from importlib.machinery import SourceFileLoader; "
        f"print(SourceFileLoader('parts', {str(MAKER)!r}).load_module().source(), end='')"
    )
    made = subprocess.run(
        [sys.executable, "-B", "-W", "ignore", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert made.stdout == WRITTEN, "run: bin/parts"


def test_style_sheets_fonts_and_emoji_are_listed_with_their_hashes() -> None:
    named = re.findall(r'"(sha256-[^"]+)"', WRITTEN)
    files = {path.relative_to(assets.FOLDER).as_posix() for path in assets.FOLDER.glob("*/*.*") if path.suffix != ".js"}
    looks = {name for name in files if name.endswith((".css", ".woff2", ".json"))} - {
        "css/fonts.css"
    }  # of pages without scripts
    assert len(looks) >= 5
    assert sorted(named) == sorted(map(assets.integrity_of, looks))
