"""A response with one malformed node is ignored as a whole; the next honest one is accepted."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from playwright.async_api import expect

from tests.browser.lies.fragments import HONEST, element, partial
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.stage import OUT_OF_PLACE, Stage
from tests.browser.lies.watching import FORGED, STOLEN
from tests.support.someone import texts_of

OPEN, LIST, SESSIONS = "GET /c/.*/open", "GET /conversations/.*", "GET /sessions/list"
BEFORE, AFTER = r"GET /messages/.*\?before=.*", r"GET /messages/.*\?after=.*"
GADGETS = {
    "words": FORGED,
    "a comment": f"<!-- {FORGED} -->",
    "an element": f"<p>{FORGED}</p>",
    "a prompt": f"<label>Login PIN <input name=pin></label><button>{FORGED}</button>",
    "a shadow root": f"<div><template shadowrootmode=closed>{FORGED}</template></div>",
    "a title": f"<title>{FORGED}</title>",
    "a script": f"<script>fetch('/{STOLEN}')</script>",
    "an element of another place": element("message-log", {}, FORGED),
    "a part for the composer": partial(f"<textarea>{FORGED}</textarea>", "message-composer", "innerHTML"),
    "a part for the body": partial(FORGED, "body", "outerHTML"),
    "out of band": f"<div id=message hx-swap-oob=true>{FORGED}</div>",
    "out of band and gone": "<div hx-swap-oob='delete:.alarm'></div>",
    "a row with words": element("message-row", HONEST["message-row"], FORGED),
    "a row with a class": element("message-row", HONEST["message-row"] | {"class": "theirs"}),
    "a whole document": f"<!doctype html><html><head><title>{FORGED}</title></head><body>{FORGED}</body></html>",
    "an action": f"<a hx-get='/{STOLEN}' hx-trigger=load>{FORGED}</a>",
}


def with_more(gadget: str, *, first: bool = False) -> Change:
    """A lie: the honest response, and something else."""

    def change(answer: Answer) -> None:
        answer.text = gadget + answer.text if first else answer.text + gadget

    return change


@pytest.mark.parametrize("name", GADGETS)
async def test_an_opened_conversation_is_accepted_whole_or_not_at_all(stage: Stage, name: str) -> None:
    with stage.liar.lying(OPEN, with_more(GADGETS[name])):
        await stage.page.goto(stage.address)
        await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
        await expect(stage.page.get_by_text("The server’s response was left out.")).to_be_visible()
        await expect(stage.page.get_by_role("button", name="Try again")).to_be_visible()
        await expect(stage.composer).to_be_disabled()
        await expect(stage.page.get_by_role("button", name="Go on")).to_have_count(0)
        await expect(texts_of(stage.page)).to_have_count(0)
        await expect(stage.alice.list.locator(".who").filter(has_text="bob").first).to_be_visible()
        await stage.shows_nothing_of_it()
    await stage.opens()
    await stage.carries_on()


@pytest.mark.parametrize("name", GADGETS)
async def test_a_conversation_list_is_accepted_whole_or_not_at_all(stage: Stage, name: str) -> None:
    with stage.liar.lying(LIST, with_more(GADGETS[name], first=True)):
        await stage.opens()
        await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


@pytest.mark.parametrize("name", GADGETS)
async def test_missed_messages_are_accepted_whole_or_not_at_all(stage: Stage, name: str) -> None:
    await stage.is_listening()
    shown = await texts_of(stage.page).count()
    with stage.liar.lying(AFTER, with_more(GADGETS[name])):
        stage.liar.slip(stage.news())  # makes the page request missed messages
        await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
    assert await texts_of(stage.page).count() == shown
    await stage.shows_nothing_of_it()
    await stage.carries_on()


IN_BAND = sorted(name for name in GADGETS if "out of band" not in name)  # the others have no target on that page


@pytest.mark.parametrize("name", IN_BAND)
async def test_sessions_are_accepted_whole_or_not_at_all(stage: Stage, name: str) -> None:
    with stage.liar.lying(SESSIONS, with_more(GADGETS[name])):
        await stage.opens("/sessions")
        await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
    await expect(stage.page.locator("device-item")).to_have_count(0)
    await stage.shows_nothing_of_it(known="Devices")
    await stage.opens("/sessions")
    await expect(stage.page.locator("device-item")).not_to_have_count(0)  # other cases may have logged her in too


@pytest.mark.parametrize("name", ["words", "a prompt", "a row with words", "a part for the body"])
async def test_earlier_messages_are_accepted_whole_or_not_at_all(stage: Stage, name: str) -> None:
    def change(answer: Answer) -> None:
        *_, last = re.findall("<message-row.*?</message-row>", answer.text)
        facts = re.sub("<(message-row|older-messages).*?</(message-row|older-messages)>", "", answer.text)
        seq = str(re.findall(r'data-seq="(\d+)"', last)[0])
        answer.text = facts + element("older-messages", {"data-before": seq}) + last

    with ExitStack() as lies:
        lies.enter_context(stage.liar.lying(OPEN, change))
        lies.enter_context(stage.liar.lying(BEFORE, with_more(GADGETS[name])))
        await stage.opens()
        await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


ODD_TYPES = ["text/plain", "application/json", "text/css", "image/svg+xml", "application/octet-stream"]


@pytest.mark.parametrize("content_type", ODD_TYPES)
async def test_the_content_type_of_a_fragment_does_not_matter(stage: Stage, content_type: str) -> None:
    """It is read as the requested fragment, and never opened or downloaded."""

    def change(answer: Answer) -> None:
        answer.set("content-type", content_type)
        answer.set("content-disposition", "attachment; filename=login.html")

    with stage.liar.lying("(GET /(c/.*/open|conversations/.*|messages/.*|me|vault)|POST .*)", change):
        await stage.opens()
        await stage.carries_on()
    await expect(stage.warning).to_have_count(0)
