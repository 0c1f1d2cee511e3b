"""Unusual documents: names that shadow what scripts use, other heads, other encodings, or incomplete content."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.async_api import expect

from tests.browser.lies.documents import CLOBBERED, OF_A_FORM, PROMPT, Edit, adding, after_body, in_head, put
from tests.browser.lies.liar import Answer
from tests.browser.lies.shell import IGNORED, NOT_SHOWN, REMOVED, Shell
from tests.browser.lies.stage import TAMPERED, Visitor
from tests.browser.lies.test_documents import DOCUMENT, is_refused, takes_no_harm
from tests.browser.lies.watching import FORGED, STOLEN, everything_on

BODY = re.compile(r"<body([^>]*)>(.*)</body>", re.DOTALL)
HEADS = {
    "style": f"<style>body::after {{ content: '{FORGED}' }}</style>",
    "link elsewhere": '<link rel="stylesheet" href="/away.css">',
    "link inline": f'<link rel="stylesheet" href="data:text/css,body::after{{content:%22{FORGED}%22}}">',
    "link alternate": f'<link rel="alternate stylesheet" title="{FORGED}" href="/static/000000000000/css/x.css">',
    "link icon elsewhere": f'<link rel="icon" href="/favicon.ico?{STOLEN}">',
    "link manifest": '<link rel="manifest" href="/static/000000000000/x.json">',
    "link manifest elsewhere": f'<link rel="manifest" href="/manifest.json?{STOLEN}">',
    "link as": '<link rel="preload" as="script" href="/static/000000000000/js/x.js">',
    "link type": '<link rel="icon" type="text/html" href="/static/000000000000/icon.svg">',
    "link crossorigin": '<link rel="icon" crossorigin="use-credentials" href="/static/000000000000/icon.svg">',
    "link onload": f'<link rel="icon" href="/static/000000000000/icon.svg" onload="fetch(\'/{STOLEN}\')">',
    "base": '<base href="http://127.0.0.1:9/" target="_blank">',
    "meta csp": '<meta http-equiv="Content-Security-Policy" content="img-src \'none\'">',
    "meta refresh": f'<meta http-equiv="refresh" content="1;url=/{STOLEN}">',
    "meta cookie": '<meta http-equiv="set-cookie" content="a=b">',
    "meta referrer": '<meta name="referrer" content="unsafe-url">',
    "htmx extensions": '<meta name="htmx-config" content=\'{"extensions":"nothing"}\'>',
    "htmx prefix": '<meta name="htmx-config" content=\'{"prefix":"data-"}\'>',
    "htmx inheritance": '<meta name="htmx-config" content=\'{"implicitInheritance":true,"history":true}\'>',
    "htmx swap": '<meta name="htmx-config" content=\'{"defaultSwap":"innerHTML","noSwap":[],"transitions":true}\'>',
    "htmx prototype": '<meta name="htmx-config" content=\'{"__proto__":{"style":"innerHTML"},"logAll":true}\'>',
    "htmx by another case": '<meta name="HTMX-config" content=\'{"logAll":true}\'>',
    "script elsewhere": '<script type="module" src="/elsewhere.js"></script>',
    "script inline": f"<script>fetch('/{STOLEN}')</script>",
    "script of another type": '<script type="text/javascript" src="/static/000000000000/js/boot.js"></script>',
    "script async": '<script type="module" async="x" src="/static/000000000000/js/first.js"></script>',
    "import map": '<script type="importmap">{"imports":{"/static/":"/lie/"}}</script>',
    "speculation rules": f'<script type="speculationrules">{{"prefetch":[{{"urls":["/{STOLEN}"]}}]}}</script>',
    "meta of a dark mode": f'<meta name="darkreader" content="{FORGED}">',
    "a template": f"<template id=front><p>{FORGED}</p></template>",
    "an attribute": f'<title data-lie="{FORGED}">x</title>',
}


# Requested by the parser, before any code runs.
ASKED = {"link elsewhere", "script elsewhere", "link icon elsewhere"}
UNPROTECTED = {"style", "link inline"}  # the headers forbid these, too
OF_EXTENSIONS = {"style", "meta of a dark mode"}  # browser extensions add them too: removed without a warning
ALONE = {"base", "meta refresh"}
OF_HEADERS = {"meta csp", "meta cookie"}


async def test_elements_added_to_the_head_are_removed(visitor: Visitor, shell: Shell) -> None:
    edits = {name: adding(in_head, more) for name, more in HEADS.items()}
    assert await shell.judges(edits) == {name: IGNORED if name in OF_EXTENSIONS else REMOVED for name in HEADS}
    rest = HEADS.keys() - ASKED - UNPROTECTED - ALONE - OF_HEADERS
    for names in (ASKED, UNPROTECTED, {"base"}, OF_HEADERS, rest):
        together = adding(in_head, "".join(HEADS[name] for name in sorted(names)))
        await takes_no_harm(visitor, together, is_passive=names == ASKED, is_protected=names != UNPROTECTED)
    together = adding(in_head, "".join(HEADS[name] for name in OF_EXTENSIONS))
    await takes_no_harm(visitor, together, is_told=False, is_protected=False)


@pytest.mark.parametrize("add", [in_head, after_body])
async def test_a_refresh_in_a_document_is_ignored(visitor: Visitor, add: Callable[[str, str], str]) -> None:
    await takes_no_harm(visitor, lambda html: add(html, HEADS["meta refresh"]))
    await visitor.page.wait_for_timeout(1_500)
    assert visitor.page.url == f"{visitor.liar.url}/"
    await visitor.types_and_nothing_leaves()


def with_comment(html: str, *tags: str) -> str:
    """The document with a comment before each of these tags."""
    for tag in tags:
        html = html.replace(tag, f"<!-- {FORGED} -->{tag}", 1)
    return html


async def test_a_comment_outside_head_and_body_is_removed_without_a_warning(visitor: Visitor, shell: Shell) -> None:
    """Nor does one after the document lead to a warning."""
    tags = ("<html", "<body", "</html>")
    edits: dict[str, Edit] = {tag: lambda html, tag=tag: with_comment(html, tag) for tag in tags}  # type: ignore[misc]
    edits["after"] = lambda html: f"{html}<!-- {FORGED} -->"
    assert await shell.judges(edits) == dict.fromkeys(edits, IGNORED)
    await takes_no_harm(visitor, lambda html: edits["after"](with_comment(html, *tags)), is_told=False)


def gadget(name: str, tag: str) -> str:
    return f"<{tag} name={name} id={name}>{PROMPT}" + ("" if tag == "img" else f"</{tag}>")


@pytest.mark.parametrize("tag", ["form", "img", "object"])
async def test_shadowing_a_document_property_changes_nothing(visitor: Visitor, shell: Shell, tag: str) -> None:
    edits = {name: (name, adding(after_body, gadget(name, tag))) for name in CLOBBERED}
    assert await shell.judges_shadowed(edits) == dict.fromkeys(CLOBBERED, REMOVED)
    await takes_no_harm(visitor, adding(after_body, "".join(gadget(name, tag) for name in CLOBBERED)))


async def test_an_id_that_shadows_a_form_property_is_rejected(visitor: Visitor, shell: Shell) -> None:
    """In a form, such an id is removed like everything that acts, and the rest is the release."""
    names = await shell.page.evaluate("() => Object.keys(Object.getOwnPropertyDescriptors(HTMLFormElement.prototype))")
    names = sorted({*names, *OF_A_FORM} - {"constructor"})
    field = '<form autocomplete="off"><fieldset'
    edits = {name: put(field, f'id="{name}"') for name in names}
    assert len(edits) > 20
    assert await shell.judges(edits) == dict.fromkeys(edits, REMOVED)
    assert await shell.judges({"another id": put(field, 'id="another"')}) == {"another id": NOT_SHOWN}
    more = "".join(f"<p id={name}></p><input id={name}>" for name in OF_A_FORM)
    await is_refused(visitor, lambda html: html.replace(field, f"<form>{more}<fieldset"))


def around(html: str, name: str) -> str:
    """A form of this name contains the templates; around it are words and a prompt that would otherwise remain."""
    inner = f'<form name={name} data-host="EZ-DMS">'
    return BODY.sub(lambda body: f"<body>{PROMPT}{inner}{body[2]}</form>{PROMPT}</body>", html)


async def test_an_element_named_like_the_body_is_not_mistaken_for_it(visitor: Visitor, shell: Shell) -> None:
    names = ("body", "documentElement", "head")
    edits: dict[str, tuple[str, Edit]] = {name: (name, partial(around, name=name)) for name in names}
    assert await shell.judges_shadowed(edits) == dict.fromkeys(names, NOT_SHOWN)
    with visitor.liar.lying(DOCUMENT, lambda answer: setattr(answer, "text", around(answer.text, "body"))):
        await visitor.page.goto(visitor.liar.url, wait_until="commit")
        await expect(visitor.warning).to_contain_text(TAMPERED)
    await visitor.shows_nothing_of_it()
    await expect(visitor.page.locator("input")).to_have_count(0)


REST = [f"<p>{FORGED}</p>", f"<template id=front>{FORGED}</template>", f"<html title={FORGED}>"]


@pytest.mark.parametrize("rest", REST, ids=["words", "template", "html"])
async def test_content_that_arrives_after_the_code_has_started_is_ignored(visitor: Visitor, rest: str) -> None:
    kept: list[Answer] = []

    def change(answer: Answer) -> None:
        begun = answer.text.replace('<script type="module" src', '<script type="module" async src', 1)
        answer.text, answer.rest = begun.replace("</body>", "").replace("</html>", ""), f"{rest}</body></html>".encode()
        kept.append(answer)

    with visitor.liar.lying(DOCUMENT, change):
        await visitor.opens()
        kept[-1].go_on.set()
    await expect(visitor.warning).to_contain_text(TAMPERED)
    await visitor.types_and_nothing_leaves()
    await visitor.shows_nothing_of_it()


ODD: dict[str, Edit] = {
    "frameset": lambda html: BODY.sub(lambda body: f"<frameset><frame src='/{STOLEN}'></frameset>{body[2]}", html),
    "no body": lambda html: BODY.sub("", html),
    "plaintext": lambda html: after_body(html, f"<plaintext>{FORGED}"),
    "a comment that does not end": lambda html: after_body(html, f"<!-- {FORGED}"),
    "no code": lambda html: html.replace("js/boot.js", "js/none.js"),
    "xml": lambda html: html.replace("<html", '<html xmlns="http://www.w3.org/1999/xhtml"', 1),
    "utf-16": lambda html: html,
    "plain text": lambda html: html,
}
ODD_TYPES = {"utf-16": "text/html; charset=utf-16", "xml": "application/xhtml+xml", "plain text": "text/plain"}


async def test_a_page_that_cannot_be_assembled_takes_no_secret(visitor: Visitor) -> None:
    """There is no field; an honest page loaded afterwards has them."""
    for name, edit in ODD.items():

        def lie(answer: Answer, name: str = name, edit: Edit = edit) -> None:
            answer.text = edit(answer.text)
            answer.set("content-type", ODD_TYPES.get(name, "text/html; charset=utf-8"))

        with visitor.liar.lying(DOCUMENT, lie):
            await visitor.page.goto(visitor.liar.url)
        await expect(visitor.page.locator("input:enabled, textarea:enabled"), name).to_have_count(0)
    await visitor.opens()
    await visitor.types_and_nothing_leaves()


@pytest.mark.parametrize("charset", ["utf-7", "iso-2022-jp", "windows-1252"])
async def test_a_different_charset_creates_no_element(visitor: Visitor, charset: str) -> None:
    def edit(html: str) -> str:
        other = f"+ADw-p+AD4-{FORGED} \x1b$B<p>\x1b(B"
        return after_body(html.replace("utf-8", charset), f"<!-- {other} -->")

    await is_refused(visitor, edit, content_type=f"text/html; charset={charset}")


WORDS = (
    f"javascript:fetch('/{STOLEN}')//{FORGED} of a script",
    f"<b>{FORGED} in markup</b><script>fetch('/{STOLEN}')</script>",
    f'"><img src=/{STOLEN}>{FORGED} after the end of an attribute',
    f"\u202e{FORGED} in other directions\u2066\u0000\r\n",
    f"{FORGED} at great length " * 9_000,
)
KINDS = ("of a script", "in markup", "after the end of an attribute", "in other directions", "at great length")


async def test_the_hosts_words_are_shown_as_text(visitor: Visitor) -> None:
    def change(answer: Answer) -> None:
        words = "".join(WORDS).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        answer.text = re.sub(' (data-host|data-notice)="[^"]*"', rf' \1="{words}"', answer.text)

    with visitor.liar.lying(DOCUMENT, change):
        await visitor.opens()
    await expect(visitor.warning).to_have_count(0)
    for place in ("[data-host-name]", "[data-host-notice]"):  # the host's words are shown, in their place
        await expect(visitor.page.locator(place)).to_contain_text(FORGED)
        words = await visitor.page.locator(place).inner_text()
        assert [kind for kind in KINDS if f"{FORGED} {kind}" not in words] == []
    assert FORGED in await everything_on(visitor.page)
    await expect(visitor.page.locator("main b, main script, main img:not(.mark)")).to_have_count(0)
    await visitor.types_and_nothing_leaves()
