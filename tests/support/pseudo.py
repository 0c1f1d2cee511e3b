"""A checkout with a language that nobody speaks, added as docs/translating.md says: it shows what is untranslated."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po, write_po

from tests.conftest import ROOT

CODE = "ar"  # a real language written from right to left, with all six plural categories
ACCENTED = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "áƀćďéƒǵĥíĵķĺɱńóṕɋŕśťúṽŵẋýžÁƁĆĎÉƑǴĤÍĴĶĹḾŃÓṔɊŔŚŤÚṼŴẊÝŽ"
)
KEPT = re.compile(r"(<[^>]*>|{[^}]*}|&\w+;)")  # elements, places, entities
LANGUAGE = f'Language("{CODE}", "Ṕśéúďó", "rtl", {{"zero": 0, "one": 1, "two": 2, "few": 3, "many": 11, "other": 100}})'


def pseudo(words: str) -> str:
    """The words with accents, and 40 percent longer: every vowel twice."""
    parts = KEPT.split(words)
    for i in range(0, len(parts), 2):
        longer = re.sub(r"[aeiou]", r"\g<0>\g<0>", parts[i])
        parts[i] = longer.translate(ACCENTED)
    return "".join(parts)


def make_checkout(folder: Path) -> Path:
    """Copy this checkout, and add the language to it."""
    for name in ("ezdms", "bin", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "ezdms" / "views" / "languages.py"
    text = table.read_text("utf-8")
    added = text.replace("for language in (ENGLISH,", f"for language in ({LANGUAGE}, ENGLISH,")
    assert added != text
    table.write_text(added, "utf-8")
    run = [sys.executable, "-B"]
    subprocess.run([*run, "bin/words", CODE], cwd=folder, check=True, capture_output=True)
    file = folder / "ezdms" / "locale" / CODE / "LC_MESSAGES" / "ezdms.po"
    with file.open("rb") as begun:
        catalog = read_po(begun, locale=CODE)
    for message in catalog:
        if message.pluralizable:
            one, many = list(message.id)[:2]
            message.string = (pseudo(one), *[pseudo(many)] * (catalog.num_plurals - 1))
        elif message.id:
            message.string = pseudo(str(message.id))
    with file.open("wb") as out:
        write_po(out, catalog)
    for tool in ("bin/words", "bin/parts"):
        subprocess.run([*run, tool], cwd=folder, check=True, capture_output=True)
    return folder
