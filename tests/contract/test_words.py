"""The words of the page: all in templates, each used, and each language complete."""

from __future__ import annotations

import re
import runpy
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from ezdms.views import languages
from ezdms.views.wording import messages
from tests.conftest import ROOT

TEMPLATES = ROOT / "ezdms" / "templates"
JS = ROOT / "ezdms" / "static" / "js"
SAID = re.compile(r'\b(?:say|maySay)\(\s*"([a-z-]+)"')
SAID_BY_CODE = re.compile(r"\b(?:say|maySay)\(`([a-z-]+-)\$")
MARKUP = re.compile(r"<[^>]*>|{[^}]*}|&\w+;")
CATALOGS = sorted(languages.FOLDER.glob("*/LC_MESSAGES/*.po"))


def keys_of(path: Path) -> list[str]:
    return [message.key for message in messages(path.read_text("utf-8"))]


def test_scripts_say_only_words_that_exist_and_all_of_them() -> None:
    keys = keys_of(TEMPLATES / "parts" / "words.html")
    assert keys == list(dict.fromkeys(keys))
    scripts = "".join(path.read_text("utf-8") for path in JS.glob("*.js") if path.stem != "release")
    prefixes = tuple(SAID_BY_CODE.findall(scripts))
    assert set(SAID.findall(scripts)) <= set(keys)
    named = set(re.findall(r'"([a-z-]+)"', scripts))
    assert [key for key in keys if key not in named and not key.startswith(prefixes)] == []


def collected() -> set[tuple[str, str | tuple[str, str]]]:
    """(key, English) of every message in the templates."""
    paths = [path for folder in ("shells", "parts", "words") for path in (TEMPLATES / folder).glob("*.html")]
    return {
        (message.key, (message.words, message.plural) if message.plural else message.words)
        for path in paths
        for message in messages(path.read_text("utf-8"))
    }


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def test_the_catalogs_contain_exactly_the_words_of_the_templates() -> None:
    for path in (languages.FOLDER / "ezdms.pot", *CATALOGS):
        known = {(message.context or "", message.id) for message in read(path) if message.id}
        assert known == collected(), f"run: bin/words ({path.name})"


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_bin_words_makes_the_same_files_of_the_same_words_on_any_day(path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "bin" / "words"))
    _, written, compiled = tool["updated"](path.parts[-3], path.read_bytes(), tool["template"]())
    assert written == path.read_bytes()
    assert compiled == path.with_suffix(".mo").read_bytes(), "run: bin/words"


def forms_of(value: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """The forms of a message or of its translation."""
    value = value or ""
    return [value] if isinstance(value, str) else list(value)


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_a_language_that_is_offered_is_complete_and_keeps_every_place_and_element(path: Path) -> None:
    code = path.parts[-3]
    compiled = languages.catalog(code)
    for message in read(path):
        english, forms = forms_of(message.id), forms_of(message.string)
        if not english[0] or not (any(forms) or code in languages.LANGUAGES):
            continue
        for form in forms:
            assert form.strip() == form != "", f"translate it in {path}, then run bin/words: {message.id}"
            assert any(Counter(MARKUP.findall(form)) == Counter(MARKUP.findall(one)) for one in english), message.id
            assert not re.search(r"[<>{}]", MARKUP.sub("", form)), message.id
        if len(english) == 1:
            key = message.context
            assert (compiled.pgettext(key, english[0]) if key else compiled.gettext(english[0])) == forms[0]


def test_the_service_worker_says_the_same_as_the_page_in_each_language() -> None:
    said = dict(re.findall(r'\b(\w\w): "([^"]+)"', (JS / "worker.js").read_text("utf-8")))
    english = next(
        m.words for m in messages((TEMPLATES / "parts" / "words.html").read_text("utf-8")) if m.key == "new-message"
    )
    assert said == {code: languages.catalog(code).pgettext("new-message", english) for code in languages.LANGUAGES}, (
        "change it in worker.js"
    )


# Not shown: what an error of ours expected, requests after the end, words that browsers and standards define. crypto.js
# says what is wrong with data, which no page shows (sentenceOf); the worker has no document to take words from.
NOT_SAID = re.compile(
    r"Expected |Requests have ended\.|There are no words|Unknown browser$|Edge\|Opera|Samsung Internet|Inter$|"
    r"(?:Escape|Tab|Enter|Home|End|Arrow\w+|Backspace|Latin|Cyrillic|Greek|None|Edge|Opera|Firefox|Chrome|Safari|Files|Adobe)$"
)
SENTENCE = re.compile(r"""["`]([A-Z⚠“…][^"`\n]*[a-z.…][^"`\n]*)["`]""")


@pytest.mark.parametrize(
    "path",
    [path for path in JS.glob("*.js") if path.stem not in ("release", "crypto", "worker")],
    ids=lambda path: path.stem,
)
def test_no_script_contains_a_sentence(path: Path) -> None:
    code = re.sub(r"^\s*//.*$|\s// .*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
    assert [
        said
        for said in SENTENCE.findall(code)
        if re.match(r"\W*[A-Z][a-z]+[ .…!?]|[A-Z][a-z]+$", said) and not NOT_SAID.match(said)
    ] == []
    assert "error.message" not in code or path.stem == "words"  # the page's own words instead: sentenceOf
