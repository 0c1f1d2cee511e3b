"""A part of the page (a template of the document) that holds more than the release's, or less."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import expect

from tests.browser.lies.documents import ATTRIBUTES, ELEMENTS, WORDED, after_body, before_end, in_head, in_template, on
from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import TAMPERED, Stage, Visitor
from tests.browser.lies.test_documents import DOCUMENT
from tests.browser.lies.watching import FORGED, everything_on

Put = Callable[[str, str], str]
MESSAGE = '<textarea id="message"'
SHADOWS = sorted(name for name in ELEMENTS if "shadow" in name)


@pytest.mark.parametrize("name", ELEMENTS)
async def test_an_element_in_a_part_of_the_front_page_does_not_act(visitor: Visitor, name: str) -> None:
    def change(answer: Answer) -> None:
        answer.text = in_template("front", answer.text, f"<div>{ELEMENTS[name].replace('Login PIN <', 'PIN <')}</div>")

    with visitor.liar.lying(DOCUMENT, change):
        await visitor.opens()
    if name not in SHADOWS and name != "words":  # a shadow root in a template: nothing is left of it
        await expect(visitor.warning).to_contain_text(TAMPERED)
    if name not in WORDED:
        await visitor.shows_nothing_of_it()
    await visitor.types_and_nothing_leaves()


@pytest.mark.parametrize("name", ["hx-get", "hx-on", "name", "value", "data of ours"])
async def test_an_attribute_on_the_message_field_does_not_act(stage: Stage, name: str) -> None:
    """The same of a page in use: two people go on writing to each other."""

    def change(answer: Answer) -> None:
        answer.text = on(MESSAGE, answer.text, ATTRIBUTES[name])

    with stage.liar.lying(DOCUMENT, change):
        await stage.opens()
    await expect(stage.warning).to_contain_text(TAMPERED)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


BESIDE = ["words", "a shadow root", "a closed shadow root", "style", "iframe", "a false prompt"]

INSIDE = ["iframe", "style", "svg foreignObject", "a closed shadow root", "details", "script inline"]


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("put", [after_body, before_end, in_head])
async def test_an_element_beside_the_parts_of_a_page_in_use_is_gone(stage: Stage, put: Put, name: str) -> None:
    def change(answer: Answer) -> None:
        answer.text = put(answer.text, ELEMENTS[name])

    with stage.liar.lying(DOCUMENT, change):
        await stage.opens()
    if (put, name) != (in_head, "style"):  # which extensions of browsers put there too: it goes without a word
        await expect(stage.warning).to_contain_text(TAMPERED)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("part", ["message", "thread", "conversation-item", "pending"])
async def test_an_element_in_a_part_of_a_page_in_use_is_left_out(stage: Stage, part: str, name: str) -> None:
    def change(answer: Answer) -> None:
        answer.text = in_template(part, answer.text, ELEMENTS[name])

    with stage.liar.lying(DOCUMENT, change):
        await stage.opens()
    if name not in SHADOWS:
        await expect(stage.warning).to_contain_text(TAMPERED)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


@pytest.mark.parametrize("part", ["thread", "message", "session", "conversation-item"])
async def test_a_part_that_is_missing_or_has_another_name_is_said_and_nothing_leaves(stage: Stage, part: str) -> None:
    def change(answer: Answer) -> None:
        answer.text = answer.text.replace(f'<template id="{part}">', f'<template id="{FORGED}">')

    with stage.liar.lying(DOCUMENT, change):
        await stage.page.goto(stage.address)
        if part in ("thread", "session"):
            await expect(stage.warning).to_contain_text(f"lacks its part “{part}”")
    assert FORGED not in await everything_on(stage.page)
    assert stage.watch.leaked(stage.alice.login_pin) == []
    await stage.opens()  # the honest twin
    await stage.carries_on()


async def test_of_two_parts_with_one_name_one_is_taken(stage: Stage) -> None:
    def change(answer: Answer) -> None:
        twin = f"<div>{FORGED}</div>"
        answer.text = after_body(answer.text, f'<template id="message">{twin}</template>')

    with stage.liar.lying(DOCUMENT, change):
        await stage.opens()
    await stage.shows_nothing_of_it()
    await stage.carries_on()
