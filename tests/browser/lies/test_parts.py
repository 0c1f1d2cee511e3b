"""Templates of the document with more or less content than in the release.

Active content is removed and reported. If nothing else differs, the page carries on; otherwise, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.browser.lies.documents import ATTRIBUTES, ELEMENTS, MORE, after_body, before_end, in_head, in_template, on
from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import REFUSED, TAMPERED, Stage, Visitor
from tests.browser.lies.test_documents import DOCUMENT, is_refused, takes_no_harm
from tests.browser.lies.watching import FORGED, everything_on

Put = Callable[[str, str], str]
MESSAGE = '<textarea id="message"'


@pytest.mark.parametrize("name", ELEMENTS)
async def test_an_element_added_to_a_front_page_template_has_no_effect(visitor: Visitor, name: str) -> None:
    edit = lambda html: in_template("front", html, ELEMENTS[name])  # noqa: E731
    if name in MORE:
        await is_refused(visitor, edit)
    else:
        await takes_no_harm(visitor, edit)


@pytest.mark.parametrize("name", ["hx-get", "hx-on", "name", "value", "data of ours"])
async def test_an_attribute_added_to_the_message_field_has_no_effect(stage: Stage, name: str) -> None:
    """The same on a page in use: two people can still write to each other."""

    def change(answer: Answer) -> None:
        answer.text = on(MESSAGE, answer.text, ATTRIBUTES[name])

    with stage.liar.lying(DOCUMENT, change):
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


BESIDE = ["words", "a shadow root", "a closed shadow root", "style", "iframe", "a false prompt"]

INSIDE = ["iframe", "style", "svg foreignObject", "a closed shadow root", "details", "script inline"]


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("put", [after_body, before_end, in_head])
async def test_an_element_added_outside_the_templates_is_removed(stage: Stage, put: Put, name: str) -> None:
    def change(answer: Answer) -> None:
        answer.text = put(answer.text, ELEMENTS[name])

    with stage.liar.lying(DOCUMENT, change):
        await stage.opens()
    if (put, name) != (in_head, "style"):  # browser extensions add it too: removed without a warning
        await expect(stage.warning).to_contain_text(TAMPERED)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("part", ["message", "thread", "conversation-item", "pending"])
async def test_an_element_added_to_a_template_in_use_is_not_shown(stage: Stage, part: str, name: str) -> None:
    def change(answer: Answer) -> None:
        answer.text = in_template(part, answer.text, ELEMENTS[name])

    with stage.liar.lying(DOCUMENT, change):
        if name in MORE or (part, name) == ("message", "details"):  # ends the <p> around it
            return await is_not_put_together(stage)
        await stage.opens()
    await expect(stage.warning).to_contain_text(TAMPERED)
    await stage.shows_nothing_of_it()
    return await stage.carries_on()


@pytest.mark.parametrize("part", ["thread", "message", "session", "conversation-item", "build"])
async def test_a_missing_or_renamed_template_is_reported_and_nothing_leaves_the_browser(
    stage: Stage, part: str
) -> None:
    def change(answer: Answer) -> None:
        answer.text = answer.text.replace(f'<template id="{part}">', f'<template id="{FORGED}">')

    with stage.liar.lying(DOCUMENT, change):
        await is_not_put_together(stage)
    await stage.opens()  # control: no lie
    await stage.carries_on()


@pytest.mark.parametrize("put", [after_body, before_end])
async def test_a_template_defined_twice_is_not_used(stage: Stage, put: Put) -> None:
    def change(answer: Answer) -> None:
        answer.text = put(answer.text, f'<template id="message"><div>{FORGED}</div></template>')

    with stage.liar.lying(DOCUMENT, change):
        await is_not_put_together(stage)
