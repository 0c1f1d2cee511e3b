"""Makes the page's lists of emoji from emojibase: each emoji with its name and other words to find it by.

    python docs/make_emoji.py package

The argument is the folder of the npm package emojibase-data 17.0.0. There is a list for each language of the page: the
same bytes each time. Left out: what a reader of messages would refuse (docs/protocol.md), skin
tones, and parts of emoji.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from ezdms import crypto  # noqa: E402

ORIGINALS = {  # SHA-256 of LANGUAGE/data.json
    "en": "ed014f1049bd370c5794f815850156196ac382850f51c3e9f6a9e83553fb3f01",
    "es": "ba2a0c61edf8b29e6584e4713bd6eead6b8702c6d488c59cd394c96934e25707",
}
FOLDER = ROOT / "ezdms" / "static" / "vendor"

PARTS = 2  # the group of skin tones and hair
VARIATION = "\ufe0f"


def as_in_unicode(one: dict[str, Any]) -> str:
    """The emoji as Unicode recommends it: where it is one without a variation selector, without."""
    emoji: str = one["emoji"]
    return emoji[0] if one["type"] == 1 and emoji[1:] == VARIATION else emoji


def main(package: Path) -> None:
    """Write the lists: [[emoji, name, other words], …] in the order of Unicode."""
    for language, original in ORIGINALS.items():
        octets = (package / language / "data.json").read_bytes()
        if hashlib.sha256(octets).hexdigest() != original:
            sys.exit("This is another version of emojibase-data.")
        whole = sorted((one for one in json.loads(octets) if "order" in one), key=lambda one: int(one["order"]))
        found = [
            [as_in_unicode(one), one["label"], " ".join(one.get("tags", []))]
            for one in whole
            if one["group"] != PARTS and crypto.EMOJI.fullmatch(one["emoji"])
        ]
        lines = ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in found)
        (FOLDER / f"emojibase-17.0.0-{language}.json").write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
