"""A document with additions to the release: they neither act nor show, and the page says so."""

from __future__ import annotations

from playwright.async_api import expect

from ezdms.views.page_policy import of_a_page
from tests.browser.lies.documents import (
    ATTRIBUTES,
    ELEMENTS,
    PASSIVE,
    WITHOUT_SECURITY_HEADERS,
    Edit,
    adding,
    after_body,
    apart,
    before_end,
    put,
)
from tests.browser.lies.liar import Answer
from tests.browser.lies.shell import IGNORED, NOT_SHOWN, REMOVED, Shell
from tests.browser.lies.stage import REFUSED, TAMPERED, Visitor

DOCUMENT = r"GET /(c/[0-9A-Z]{24})?"
FIELD, FORM = '<input id="login-pin"', '<log-in class="card">\n        <form'

ANOTHER_FIELD = {"type file", "type image"}  # replaces the release's type
ABOVE = ["hx-get", "data-hx-get", "hx-boost:inherited", "onfocus", "style", "contenteditable", "inert", "title"]
SECURITY_HEADERS = {name.lower() for name in of_a_page()}


async def takes_no_harm(
    visitor: Visitor,
    edit: Edit,
    *,
    is_told: bool = True,
    is_passive: bool = False,
    is_protected: bool = True,
    content_type: str = "",
) -> None:
    """Open a changed front page and check that it works. Passive: the parser itself requested something first."""

    def change(answer: Answer) -> None:
        answer.text = edit(answer.text)
        if not is_protected:
            answer.headers = [pair for pair in answer.headers if pair[0] not in SECURITY_HEADERS]
        if content_type:
            answer.set("content-type", content_type)

    with visitor.liar.lying(DOCUMENT, change):
        await visitor.opens()
    if is_passive:
        visitor.watch.asked.clear()
    if is_told:
        await expect(visitor.warning).to_contain_text(TAMPERED)
    else:
        await expect(visitor.warning).to_have_count(0)
    await visitor.shows_nothing_of_it()
    await visitor.types_and_nothing_leaves()


async def is_refused(visitor: Visitor, edit: Edit, *, is_passive: bool = False, content_type: str = "") -> None:
    """Even without its active content the document differs from the release: none of it is shown."""

    def change(answer: Answer) -> None:
        answer.text = edit(answer.text)
        if content_type:
            answer.set("content-type", content_type)

    with visitor.liar.lying(DOCUMENT, change):
        await visitor.page.goto(visitor.liar.url, wait_until="commit")
        await expect(visitor.warning).to_contain_text(REFUSED)
    if is_passive:
        visitor.watch.asked.clear()
    await expect(visitor.page.locator("body > *")).to_have_count(1)
    await visitor.shows_nothing_of_it()
    assert visitor.watch.leaked() == []


async def test_an_honest_document_is_accepted_without_a_warning(visitor: Visitor) -> None:
    await takes_no_harm(visitor, lambda html: html, is_told=False)


async def test_an_attribute_added_to_the_pin_field_has_no_effect(visitor: Visitor, shell: Shell) -> None:
    edits = {name: put(FIELD, attributes) for name, attributes in ATTRIBUTES.items()}
    refused = {name: NOT_SHOWN if name in ANOTHER_FIELD else REMOVED for name in edits}
    assert await shell.judges(edits) == refused
    for together in apart(ATTRIBUTES[name] for name in ATTRIBUTES if name not in ANOTHER_FIELD):
        await takes_no_harm(visitor, put(FIELD, together))
    await is_refused(visitor, edits["type file"])


async def test_an_attribute_on_an_ancestor_of_the_pin_field_has_no_effect(visitor: Visitor, shell: Shell) -> None:
    pairs = [(tag, name) for tag in (FORM, "<body", "<html", "<head") for name in ABOVE]
    edits = {f"{name} on {tag}": put(tag, ATTRIBUTES[name]) for tag, name in pairs}
    # Browser extensions add a style, too: it is removed without a warning.
    silent = {f"style on {tag}" for tag in ("<body", "<html", "<head")}
    assert await shell.judges(edits) == {name: IGNORED if name in silent else REMOVED for name in edits}

    def everywhere(html: str) -> str:
        for edit in edits.values():
            html = edit(html)
        return html

    await takes_no_harm(visitor, everywhere)
    await takes_no_harm(visitor, put("<body", ATTRIBUTES["style"]), is_told=False)


async def test_an_element_added_to_the_body_is_removed(visitor: Visitor, shell: Shell) -> None:
    for add in (after_body, before_end):
        edits = {name: adding(add, more) for name, more in ELEMENTS.items()}
        assert await shell.judges(edits) == dict.fromkeys(ELEMENTS, REMOVED)
    for names in ({"refresh"}, {"base"}, PASSIVE, ELEMENTS.keys() - PASSIVE - {"refresh", "base"}):
        together = "".join(ELEMENTS[name] for name in sorted(names))
        await takes_no_harm(visitor, adding(after_body, together), is_passive=names == PASSIVE)


async def test_an_added_element_is_removed_even_if_the_server_omits_its_security_headers(visitor: Visitor) -> None:
    for names in ({"base"}, WITHOUT_SECURITY_HEADERS - {"base"}):
        edit = adding(before_end, "".join(ELEMENTS[name] for name in sorted(names)))
        await takes_no_harm(visitor, edit, is_passive=True, is_protected=False)
