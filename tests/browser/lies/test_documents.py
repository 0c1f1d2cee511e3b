"""A document with additions to the release: they neither act nor show, and the page says so."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from ezdms.views.page_policy import of_a_page
from tests.browser.lies.documents import (
    ATTRIBUTES,
    ELEMENTS,
    PASSIVE,
    WITHOUT_SECURITY_HEADERS,
    Edit,
    after_body,
    before_end,
    on,
)
from tests.browser.lies.liar import Answer
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


@pytest.mark.parametrize("name", ATTRIBUTES)
async def test_an_attribute_added_to_the_pin_field_has_no_effect(visitor: Visitor, name: str) -> None:
    edit = lambda html: on(FIELD, html, ATTRIBUTES[name])  # noqa: E731
    if name in ANOTHER_FIELD:
        await is_refused(visitor, edit)
    else:
        await takes_no_harm(visitor, edit)


@pytest.mark.parametrize("name", ABOVE)
@pytest.mark.parametrize("tag", [FORM, "<body", "<html", "<head"], ids=["form", "body", "html", "head"])
async def test_an_attribute_on_an_ancestor_of_the_pin_field_has_no_effect(
    visitor: Visitor, tag: str, name: str
) -> None:
    is_told = tag == FORM or name != "style"  # browser extensions add it too: removed without a warning
    await takes_no_harm(visitor, lambda html: on(tag, html, ATTRIBUTES[name]), is_told=is_told)


@pytest.mark.parametrize("name", ELEMENTS)
async def test_an_element_added_to_the_body_is_removed(visitor: Visitor, name: str) -> None:
    await takes_no_harm(visitor, lambda html: after_body(html, ELEMENTS[name]), is_passive=name in PASSIVE)


@pytest.mark.parametrize("name", sorted(WITHOUT_SECURITY_HEADERS))
async def test_an_added_element_is_removed_even_if_the_server_omits_its_security_headers(
    visitor: Visitor, name: str
) -> None:
    edit = lambda html: before_end(html, ELEMENTS[name])  # noqa: E731
    await takes_no_harm(visitor, edit, is_passive=True, is_protected=False)
