"""Finds the words of a template, and puts those of another language in their place.

Nothing has to be marked. A message is everything inside an element that directly contains text, including the elements
in that text; so is each label. Sentences that scripts show have a line of their own in parts/words.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from gettext import NullTranslations
from itertools import pairwise

from ezdms.views.languages import Language

TOKEN = re.compile(
    r"(?P<code>{%.*?%}|{{.*?}}|{\#.*?\#})|(?P<tag></?[a-z!](?:{[{%].*?[}%]}|[^<>{])*>)|(?P<text>[^<{]+|.)", re.DOTALL
)
TAG = re.compile(r"<(/?)([a-z!-]+)")
VOID = {"!doctype", "img", "input", "link", "meta"}
LABEL = re.compile(r' (?:alt|aria-label|placeholder|title)="([^"{]+)"')
LETTER = re.compile(r"[^\W\d_]")
SAME_EVERYWHERE = re.compile(r"EZ-DMS|\b[XO]{4,}\b")
BESIDE = re.compile(r'<(?:input|img)\b|<[a-z]+ aria-hidden="true"')  # before or after a message, but not part of it

WORD = re.compile(r'^<p data-word="(?P<key>[a-z-]+)(?:\.(?P<form>one|other))?">(?P<words>.*)</p>$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Message:
    """Words at `start` to `end` of a source. `key` and `plural` (the form for many): only of words for scripts."""

    start: int
    end: int
    words: str
    key: str = ""
    plural: str = ""


@dataclass(slots=True)
class _Node:
    """A text, a piece of Jinja's code, or an element."""

    kind: str
    start: int
    end: int = 0
    children: list[_Node] = field(default_factory=list)


def messages(source: str) -> Iterator[Message]:
    """The messages of a template, in order. Raises ValueError if the template cannot be read that way."""
    if "data-word=" in source:
        yield from _words_for_scripts(source)
        return
    found = [*_texts(source, _parse(source)), *_labels(source)]
    found.sort(key=lambda message: message.start)
    for one, next_one in pairwise(found):
        if next_one.start < one.end:
            raise ValueError(f"A label inside of a sentence cannot be translated: {one.words!r}.")
    yield from (message for message in found if LETTER.search(SAME_EVERYWHERE.sub("", message.words)))


def translate(source: str, language: Language, catalog: NullTranslations) -> str:
    """The template in another language. What its catalog lacks stays in English."""
    parts, end = [], 0
    for message in messages(source):
        parts += [source[end : message.start], _translated(message, language, catalog)]
        end = message.end
    return "".join([*parts, source[end:]])


def _translated(message: Message, language: Language, catalog: NullTranslations) -> str:
    if not message.key:
        return catalog.gettext(message.words)
    if not message.plural:
        return _line(message.key, catalog.pgettext(message.key, message.words))
    forms = (
        (form, catalog.npgettext(message.key, message.words, message.plural, count))
        for form, count in language.plurals.items()
    )
    return "\n".join(_line(f"{message.key}.{form}", words) for form, words in forms)


def _line(name: str, words: str) -> str:
    return f'<p data-word="{name}">{words}</p>'


def _words_for_scripts(source: str) -> Iterator[Message]:
    one: re.Match[str] | None = None
    for match in WORD.finditer(source):
        key, form, words = match["key"], match["form"], match["words"]
        if form == "one":
            one = match
        elif form == "other":
            if one is None or one["key"] != key:
                raise ValueError(f"Expected {key}.one right before {key}.other.")
            yield Message(one.start(), match.end(), one["words"], key, words)
            one = None
        else:
            yield Message(match.start(), match.end(), words, key)
    if source.count("data-word=") != len(WORD.findall(source)):
        raise ValueError('Expected a line <p data-word="…">…</p> for each word.')


def _parse(source: str) -> list[_Node]:
    root = _Node("root", 0)
    opened = [root]
    names = [""]
    for token in TOKEN.finditer(source):
        node = _Node(token.lastgroup or "", token.start(), token.end())
        if node.kind != "tag":
            opened[-1].children.append(node)
            continue
        closes, name = TAG.match(token[0]).groups()  # type: ignore[union-attr]
        if closes:
            if names.pop() != name:
                raise ValueError(f"Unexpected </{name}>.")
            opened.pop().end = token.end()
        else:
            opened[-1].children.append(node)
            if name not in VOID:
                opened.append(node)
                names.append(name)
    if len(opened) > 1:
        raise ValueError(f"Expected </{names[-1]}>.")
    return root.children


def _texts(source: str, nodes: list[_Node]) -> Iterator[Message]:
    run: list[_Node] = []
    for node in [*nodes, _Node("code", 0)]:
        if node.kind != "code":
            run.append(node)
            continue
        if any(one.kind == "text" and LETTER.search(source[one.start : one.end]) for one in run):
            while _is_beside(source, run[0]):
                del run[0]
            while _is_beside(source, run[-1]):
                del run[-1]
            start, end = run[0].start, run[-1].end
            start += len(source[start:end]) - len(source[start:end].lstrip())
            words = source[start:end].rstrip()
            yield Message(start, start + len(words), " ".join(words.split()))
        else:
            for element in run:
                yield from _texts(source, element.children)
        run = []


def _is_beside(source: str, node: _Node) -> bool:
    words = source[node.start : node.end]
    return not words.strip() if node.kind == "text" else BESIDE.match(words) is not None


def _labels(source: str) -> Iterator[Message]:
    for token in TOKEN.finditer(source):
        if token.lastgroup == "tag":
            for label in LABEL.finditer(token[0]):
                yield Message(token.start() + label.start(1), token.start() + label.end(1), label[1])
