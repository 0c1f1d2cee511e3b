"""Unusual documents: names that shadow what scripts use, other heads, other encodings, or incomplete content."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.browser.lies.documents import CLOBBERED, OF_A_FORM, PROMPT, Edit, after_body, in_head
from tests.browser.lies.liar import Answer
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


@pytest.mark.parametrize("name", HEADS)
async def test_elements_added_to_the_head_are_removed(visitor: Visitor, name: str) -> None:
    is_asked = name in (
        "link elsewhere",
        "script elsewhere",
        "link icon elsewhere",
    )  # requested by the parser, before any code
    edit = lambda html: in_head(html, HEADS[name])  # noqa: E731
    is_protected = name not in ("style", "link inline")
    is_told = name not in ("style", "meta of a dark mode")  # browser extensions add them too
    await takes_no_harm(visitor, edit, is_told=is_told, is_passive=is_asked, is_protected=is_protected)


@pytest.mark.parametrize("put", [in_head, after_body])
async def test_a_refresh_in_a_document_is_ignored(visitor: Visitor, put: Callable[[str, str], str]) -> None:
    await takes_no_harm(visitor, lambda html: put(html, HEADS["meta refresh"]))
    await visitor.page.wait_for_timeout(1_500)
    assert visitor.page.url == f"{visitor.liar.url}/"
    await visitor.types_and_nothing_leaves()


@pytest.mark.parametrize("tag", ["<html", "<body", "</html>"])
async def test_a_comment_outside_head_and_body_is_removed_without_a_warning(visitor: Visitor, tag: str) -> None:
    await takes_no_harm(visitor, lambda html: html.replace(tag, f"<!-- {FORGED} -->{tag}", 1), is_told=False)


async def test_a_comment_after_the_document_is_removed_without_a_warning(visitor: Visitor) -> None:
    await takes_no_harm(visitor, lambda html: f"{html}<!-- {FORGED} -->", is_told=False)


@pytest.mark.parametrize("tag", ["form", "img", "object"])
@pytest.mark.parametrize("name", CLOBBERED)
async def test_shadowing_a_document_property_changes_nothing(visitor: Visitor, name: str, tag: str) -> None:
    gadget = f"<{tag} name={name} id={name}>{PROMPT}" + ("" if tag == "img" else f"</{tag}>")
    await takes_no_harm(visitor, lambda html: after_body(html, gadget))


@pytest.mark.parametrize("name", OF_A_FORM)
async def test_an_id_that_shadows_a_form_property_is_rejected(visitor: Visitor, name: str) -> None:
    def edit(html: str) -> str:
        return html.replace('<form autocomplete="off"><fieldset', f"<form><p id={name}></p><input id={name}><fieldset")

    await is_refused(visitor, edit)


@pytest.mark.parametrize("name", ["body", "documentElement", "head"])
async def test_an_element_named_like_the_body_is_not_mistaken_for_it(visitor: Visitor, name: str) -> None:
    """It contains the templates; around it are words and a prompt that would otherwise remain."""

    def change(answer: Answer) -> None:
        inner = f'<form name={name} data-host="EZ-DMS">'
        answer.text = BODY.sub(lambda body: f"<body>{PROMPT}{inner}{body[2]}</form>{PROMPT}</body>", answer.text)

    with visitor.liar.lying(DOCUMENT, change):
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


@pytest.mark.parametrize("name", ODD)
async def test_a_page_that_cannot_be_assembled_takes_no_secret(visitor: Visitor, name: str) -> None:
    """There is no field; an honest page loaded afterwards has them."""

    def lie(answer: Answer) -> None:
        answer.text = ODD[name](answer.text)
        answer.set("content-type", ODD_TYPES.get(name, "text/html; charset=utf-8"))

    with visitor.liar.lying(DOCUMENT, lie):
        await visitor.page.goto(visitor.liar.url)
    await expect(visitor.page.locator("input:enabled, textarea:enabled")).to_have_count(0)
    await visitor.opens()
    await visitor.types_and_nothing_leaves()


@pytest.mark.parametrize("charset", ["utf-7", "iso-2022-jp", "windows-1252"])
async def test_a_different_charset_creates_no_element(visitor: Visitor, charset: str) -> None:
    def edit(html: str) -> str:
        other = f"+ADw-p+AD4-{FORGED} \x1b$B<p>\x1b(B"
        return after_body(html.replace("utf-8", charset), f"<!-- {other} -->")

    await is_refused(visitor, edit, content_type=f"text/html; charset={charset}")


WORDS = {
    "markup": f"<b>{FORGED}</b><script>fetch('/{STOLEN}')</script>",
    "very long": f"{FORGED} " * 20_000,
    "other directions": f"\u202e{FORGED}\u2066\u0000\r\n",
    "an attribute's end": f'"><img src=/{STOLEN}>{FORGED}',
    "of a script": f"javascript:fetch('/{STOLEN}')//{FORGED}",
}


@pytest.mark.parametrize("member", ["data-host", "data-notice"])
@pytest.mark.parametrize("name", WORDS)
async def test_the_hosts_words_are_shown_as_text(visitor: Visitor, name: str, member: str) -> None:
    def change(answer: Answer) -> None:
        words = WORDS[name].replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        answer.text = re.sub(f' {member}="[^"]*"', f' {member}="{words}"', answer.text)

    with visitor.liar.lying(DOCUMENT, change):
        await visitor.opens()
    await expect(visitor.warning).to_have_count(0)
    assert FORGED in await everything_on(visitor.page)  # the host's words are shown, in their place
    await expect(visitor.page.locator("main b, main script, main img:not(.mark)")).to_have_count(0)
    await visitor.types_and_nothing_leaves()
