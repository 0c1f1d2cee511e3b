"""Templates of the document with more or less content than in the release.

Active content is removed and reported. If nothing else differs, the page carries on; otherwise, nothing is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from playwright.async_api import expect

from tests.browser.lies.documents import (
    ATTRIBUTES,
    ELEMENTS,
    MORE,
    Edit,
    Put,
    adding,
    after_body,
    apart,
    before_end,
    in_head,
    in_template,
    put,
)
from tests.browser.lies.liar import Change
from tests.browser.lies.shell import IGNORED, NOT_SHOWN, REMOVED, Shell
from tests.browser.lies.stage import REFUSED, TAMPERED, Stage, Visitor
from tests.browser.lies.test_documents import DOCUMENT, is_refused, takes_no_harm
from tests.browser.lies.watching import FORGED, everything_on

MESSAGE = '<textarea id="message"'
OTHER = "body, parts"  # than the English ones: what is judged is only whether it is the release's
CLOSES_A_PARAGRAPH = re.compile("<(p|h2|form|dialog|details|div|section)[ >]")


def inside(part: str, more: str) -> Edit:
    """An edit: add it first inside the first element of a template."""
    return lambda html: in_template(part, html, more)


def renamed(part: str) -> Edit:
    return lambda html: html.replace(f'<template id="{part}">', f'<template id="{FORGED}">')


def missing(part: str) -> Edit:
    return lambda html: re.sub(f'<template id="{part}">.*?</template>', "", html, flags=re.DOTALL)


def with_edit(edit: Edit) -> Change:
    """A lie: a changed document."""
    return lambda answer: setattr(answer, "text", edit(answer.text))


def all_of(names: Iterable[str]) -> str:
    return "".join(ELEMENTS[name] for name in sorted(names))


async def test_an_element_added_to_a_front_page_template_has_no_effect(visitor: Visitor, shell: Shell) -> None:
    edits = {name: inside("front", more) for name, more in ELEMENTS.items()}
    assert await shell.judges(edits) == {name: NOT_SHOWN if name in MORE else REMOVED for name in ELEMENTS}
    await takes_no_harm(visitor, inside("front", all_of(ELEMENTS.keys() - MORE)))
    await is_refused(visitor, inside("front", all_of(MORE)))


async def test_an_attribute_added_to_the_message_field_has_no_effect(stage: Stage, shell: Shell) -> None:
    """The same on a page in use: two people can still write to each other."""
    edits = {name: put(MESSAGE, attributes) for name, attributes in ATTRIBUTES.items()}
    assert await shell.judges(edits) == dict.fromkeys(ATTRIBUTES, REMOVED)
    for together in apart(ATTRIBUTES[name] for name in ("hx-get", "hx-on", "name", "value", "data of ours")):
        await is_unharmed(stage, put(MESSAGE, together))


async def is_unharmed(stage: Stage, edit: Edit) -> None:
    """Open a changed page in use: it warns, shows nothing of the change, and works."""
    with stage.liar.lying(DOCUMENT, with_edit(edit)):
        await stage.opens()
    await expect(stage.warning).to_contain_text(TAMPERED)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


async def is_not_put_together(stage: Stage) -> None:
    """Only the reason is shown, and nothing leaves the browser."""
    await stage.page.goto(stage.address)
    await expect(stage.warning).to_contain_text(REFUSED)
    await expect(stage.page.locator("body > *")).to_have_count(1)
    assert FORGED not in await everything_on(stage.page)
    assert stage.watch.leaked(stage.alice.login_pin) == []


async def test_an_element_added_outside_the_templates_is_removed(stage: Stage, shell: Shell) -> None:
    """Each in each place, and on a page in use in all of them."""
    places: tuple[Put, ...] = (after_body, before_end, in_head)
    for add in places:
        edits = {name: adding(add, more) for name, more in ELEMENTS.items()}
        # Browser extensions add a style to the head, too: it is removed without a warning.
        silent = {"style"} if add is in_head else set()
        assert await shell.judges(edits) == {name: IGNORED if name in silent else REMOVED for name in ELEMENTS}

    def everywhere(html: str) -> str:
        beside = all_of(("words", "a shadow root", "a closed shadow root", "style", "iframe", "a false prompt"))
        for add in places:
            html = add(html, beside)
        return html

    await is_unharmed(stage, everywhere)


PARTS = ("message", "thread", "conversation-item", "pending")
INSIDE = ("iframe", "style", "svg foreignObject", "script inline")


async def test_an_element_added_to_a_template_in_use_is_not_shown(stage: Stage, shell: Shell) -> None:
    for part in PARTS:
        edits = {name: inside(part, more) for name, more in ELEMENTS.items()}
        verdicts = await shell.judges(edits)
        assert set(verdicts.values()) == {REMOVED, NOT_SHOWN}
        refused = {name for name, verdict in verdicts.items() if verdict == NOT_SHOWN}
        others = {name for name in refused - MORE if CLOSES_A_PARAGRAPH.match(ELEMENTS[name])}
        assert refused == MORE | (others if part == "message" else set())  # its first element is a <p>
        assert "details" in others or part != "message"

    def everywhere(html: str) -> str:
        for part in PARTS:
            html = in_template(part, html, all_of(INSIDE))
        return html

    await is_unharmed(stage, everywhere)
    with stage.liar.lying(DOCUMENT, with_edit(inside("message", ELEMENTS["a closed shadow root"]))):
        await is_not_put_together(stage)


async def test_a_missing_or_renamed_template_is_reported_and_nothing_leaves_the_browser(
    stage: Stage, shell: Shell
) -> None:
    parts = re.findall('<template id="(.*?)">', shell.html)
    assert len(parts) > 10
    edits = {part: renamed(part) for part in parts} | {f"no {part}": missing(part) for part in parts}
    assert await shell.judges(edits) == dict.fromkeys(edits, NOT_SHOWN)
    for edit in (renamed("thread"), missing("message")):
        with stage.liar.lying(DOCUMENT, with_edit(edit)):
            await is_not_put_together(stage)
    await stage.opens()  # control: no lie
    await stage.carries_on()


async def test_a_sentence_cannot_be_exchanged_in_any_language(visitor: Visitor, shell: Shell) -> None:
    """Nor can a document pass as one in another language."""
    answer = await visitor.page.request.get(visitor.liar.url, headers={"Accept": "text/html", "Accept-Language": "es"})
    spanish = await answer.text()
    said = '<p data-word="protocol-no-login-pin">Escribe tu PIN de acceso.</p>'
    root = '<html lang="es" dir="ltr">'
    assert said in spanish
    assert root in spanish
    edits: dict[str, Edit] = {
        "a sentence of a script": lambda _: spanish.replace(said, said.replace("Escribe", f"{FORGED}: di a otros")),
        "a sentence of the page": lambda _: spanish.replace("el servidor nunca lo ve", FORGED),
        "a sentence in English": lambda _: spanish.replace("PIN de acceso<", "Username<"),
        "Spanish as English": lambda _: spanish.replace(root, '<html lang="en" dir="ltr">'),
        "Spanish as no language": lambda _: spanish.replace(root, '<html lang="xx" dir="ltr">'),
        "Spanish from right to left": lambda _: spanish.replace(root, '<html lang="es" dir="rtl">'),
        "English as Spanish": lambda html: html.replace('<html lang="en"', '<html lang="es"'),
    }
    assert await shell.judges(edits) == dict.fromkeys(edits, NOT_SHOWN)
    assert await shell.judges({"honest Spanish": lambda _: spanish}) == {"honest Spanish": f"shown with other {OTHER}"}


async def test_a_template_defined_twice_is_not_used(stage: Stage, shell: Shell) -> None:
    twice = f'<template id="message"><div>{FORGED}</div></template>'
    edits = {add.__name__: adding(add, twice) for add in (after_body, before_end)}
    assert await shell.judges(edits) == dict.fromkeys(edits, NOT_SHOWN)
    with stage.liar.lying(DOCUMENT, with_edit(edits["before_end"])):
        await is_not_put_together(stage)
