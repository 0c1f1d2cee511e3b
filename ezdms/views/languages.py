"""The languages that the page comes in. The templates are in English; catalogs contain the other languages."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "locale"
DOMAIN = "ezdms"
COOKIE = "language"  # set by the page, when someone chooses a language; contains nothing but its code


@dataclass(frozen=True, slots=True)
class Language:
    """`code`: BCP 47. `name`: in itself. `plurals`: plural category of CLDR → a number that has it."""

    code: str
    name: str
    direction: str = "ltr"
    plurals: Mapping[str, int] = field(default_factory=lambda: {"one": 1, "other": 2})


ENGLISH = Language("en", "English")
SPANISH = Language("es", "Español", plurals={"one": 1, "many": 1_000_000, "other": 2})
# A language is offered to everyone once it stands here, so its catalog must be complete (docs/translating.md).
LANGUAGES = {language.code: language for language in (ENGLISH, SPANISH)}


@cache
def catalog(code: str) -> gettext.NullTranslations:
    """The catalog of a language; an empty one for English. Raises FileNotFoundError."""
    return gettext.translation(DOMAIN, FOLDER, [code], fallback=code == ENGLISH.code)
