"""Makes the page's Latin font from Inter's, at half the size: only the weights, characters and features that it uses.

    pip install fonttools==4.68.0 brotli==1.2.1
    python docs/make_font.py inter-latin-wght-normal.woff2

The argument is the file of the npm package @fontsource-variable/inter 5.3.0. The result is the same bytes each time.
"""

from __future__ import annotations

import hashlib
import re
import sys
from io import BytesIO
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

ORIGINAL = "3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62"  # SHA-256
STATIC = Path(__file__).parents[1] / "ezdms" / "static"
TARGET = STATIC / "fonts" / "inter-latin-wght-normal.woff2"
WEIGHTS = (400, 700)
FEATURES = ["kern", "mark", "mkmk", "ccmp", "locl", "tnum"]  # tnum: digits of one width, for times and counts


def characters() -> list[int]:
    """Those for which the page uses this file."""
    face = (STATIC / "js" / "sealed-text.js").read_text("utf-8").split("latin: [")[1].split("]")[0]
    ranges = re.findall(r"\b([0-9A-F]{4})(?:-([0-9A-F]{4}))?\b", face)
    return [number for first, last in ranges for number in range(int(first, 16), int(last or first, 16) + 1)]


def main(source: Path) -> None:
    """Write the smaller font."""
    if hashlib.sha256(source.read_bytes()).hexdigest() != ORIGINAL:
        sys.exit("This is another version of Inter.")
    lighter = BytesIO()
    whole = TTFont(source, recalcTimestamp=False)
    instancer.instantiateVariableFont(whole, {"wght": WEIGHTS}).save(lighter)
    font = TTFont(lighter, recalcTimestamp=False)
    options = subset.Options(layout_features=FEATURES, glyph_names=False, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14])
    smaller = subset.Subsetter(options)
    smaller.populate(unicodes=characters())
    smaller.subset(font)
    font.flavor = "woff2"
    font.save(TARGET)
    print(f"{TARGET.stat().st_size:,} bytes, SHA-256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
