"""A response with one malformed node is ignored as a whole; the next honest one is accepted."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from playwright.async_api import expect

from ezdms.views.assets import address_of
from tests.browser.lies.fragments import FETCH, HONEST, PLACES, element, partial, wrong_in
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.stage import OUT_OF_PLACE, Stage
from tests.browser.lies.watching import FORGED, STOLEN
from tests.support.someone import texts_of, until

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


# Hands an honest text, each time with something else in it, to the page's guard, for an element of its own that is not
# on the page. Returns what was let in.
LET_IN = """async ([script, place, swap, honest, additions]) => {
    const { swapIn } = await import(script);
    const found = [];
    for (const [name, [at, added]] of Object.entries(additions)) {
        const text = honest.slice(0, at) + added + honest.slice(at);
        const target = document.createElement("div");
        target[place[0] === "." ? "className" : "id"] = place.slice(1);
        if (await swapIn(text, target, swap) || target.hasChildNodes()) found.push(name);
    }
    return found;
}"""
USER_ID = "async () => (await (await fetch('/me', { headers: { Accept: 'application/json' } })).json()).user_id"
TAG = re.compile(r"</?[a-z]+-[^>]*>")


def faults(honest: str, place: str) -> dict[str, tuple[int, str]]:
    """Each gadget before, between, in and after the elements of a fragment, and each fault that one more can have: the
    place, and what is added there."""
    seams = [0, *(match.end() for match in TAG.finditer(honest))]
    found = {f"{name} at {at}": (at, GADGETS[name]) for name in GADGETS for at in seams}
    kinds = [kind for kind, (where, _) in PLACES.items() if where == place]
    return found | {what: (len(honest), text) for kind in kinds for what, text in wrong_in(kind)}


async def is_left_out(stage: Stage, request: str, place: str, swap: str) -> None:
    """Every faulty form of the honest response to a request is left out by the page in use; the honest one is not."""
    honest = await stage.page.evaluate(FETCH, request)
    assert honest.isascii()  # so that both languages count alike
    given = [address_of("js/guard.js"), place, swap, honest]
    additions = faults(honest, place)
    assert len(additions) > 100
    assert await stage.page.evaluate(LET_IN, [*given, additions]) == []
    await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
    assert await stage.page.evaluate(LET_IN, [*given, {"honest": (0, "")}]) == ["honest"]
    await forget_warnings(stage)


async def forget_warnings(stage: Stage) -> None:
    await stage.page.evaluate("() => document.querySelector('#page-alert')?.replaceChildren()")


class Gadgets:
    """A lie: each response has the next gadget, in turn."""

    def __init__(self, *, first: bool = False) -> None:
        self.told: list[str] = []
        self.first = first

    def __call__(self, answer: Answer) -> None:
        self.told.append(list(GADGETS)[len(self.told) % len(GADGETS)])
        with_more(GADGETS[self.told[-1]], first=self.first)(answer)

    async def are_left_out(self, stage: Stage, again: Callable[[], Awaitable[None]]) -> None:
        """Have the page ask again until it was told all of them; it warns each time."""
        while True:  # the page may ask once more by itself, when it connects
            await expect(stage.warning).to_contain_text(OUT_OF_PLACE)
            if len(self.told) >= len(GADGETS):
                return
            await forget_warnings(stage)
            await again()


async def test_an_opened_conversation_is_accepted_whole_or_not_at_all(stage: Stage) -> None:
    await is_left_out(stage, f"/c/{stage.bob.conversation}/open", ".rows", "beforeend")
    gadgets, button = Gadgets(), stage.page.get_by_role("button", name="Try again")

    async def again() -> None:
        await expect(stage.page.get_by_text("The server’s response was left out.")).to_be_visible()
        await expect(stage.composer).to_be_disabled()
        await expect(stage.page.get_by_role("button", name="Continue anyway")).to_have_count(0)
        await expect(texts_of(stage.page)).to_have_count(0)
        await button.click()

    with stage.liar.lying(OPEN, gadgets):
        await stage.page.goto(stage.address)
        await gadgets.are_left_out(stage, again)
        await expect(button).to_be_visible()
        await expect(stage.composer).to_be_disabled()
        await expect(texts_of(stage.page)).to_have_count(0)
        await expect(stage.alice.list.locator(".who").filter(has_text="bob").first).to_be_visible()
        await stage.shows_nothing_of_it()
    await stage.opens()
    await stage.carries_on()


async def test_a_conversation_list_is_accepted_whole_or_not_at_all(stage: Stage) -> None:
    await is_left_out(stage, f"/conversations/{await stage.page.evaluate(USER_ID)}", "#conversations", "afterbegin")
    gadgets = Gadgets(first=True)

    async def again() -> None:
        await stage.calls("conversation-list", "renewList")  # as the next socket makes the page do

    with stage.liar.lying(LIST, gadgets):
        await stage.opens()
        await gadgets.are_left_out(stage, again)
    await stage.shows_nothing_of_it()
    await until(lambda: stage.liar.has_socket)
    await stage.carries_on()


async def test_missed_messages_are_accepted_whole_or_not_at_all(stage: Stage) -> None:
    await is_left_out(stage, f"/messages/{stage.bob.conversation}?after=0", ".rows", "beforeend")
    await stage.is_listening()
    shown = await texts_of(stage.page).count()
    gadgets = Gadgets()

    async def again() -> None:
        assert await texts_of(stage.page).count() == shown
        stage.liar.slip(stage.news())  # makes the page request missed messages

    with stage.liar.lying(AFTER, gadgets):
        await again()
        await gadgets.are_left_out(stage, again)
    assert await texts_of(stage.page).count() == shown
    await stage.shows_nothing_of_it()
    await stage.carries_on()


async def test_sessions_are_accepted_whole_or_not_at_all(stage: Stage) -> None:
    await is_left_out(stage, "/sessions/list", "#devices", "innerHTML")
    for name in ("words", "a prompt", "a row with words", "a part for the body"):
        with stage.liar.lying(SESSIONS, with_more(GADGETS[name])):
            await stage.opens("/sessions")
            await expect(stage.warning, name).to_contain_text(OUT_OF_PLACE)
        await expect(stage.page.locator("device-item")).to_have_count(0)
        await stage.shows_nothing_of_it(known="Devices")
    await stage.opens("/sessions")
    await expect(stage.page.locator("device-item")).not_to_have_count(0)  # other cases may have logged her in too


async def test_earlier_messages_are_accepted_whole_or_not_at_all(stage: Stage) -> None:
    await is_left_out(stage, f"/messages/{stage.bob.conversation}?before=1000", ".rows", "beforeend")

    def change(answer: Answer) -> None:
        *_, last = re.findall("<message-row.*?</message-row>", answer.text)
        facts = re.sub("<(message-row|older-messages).*?</(message-row|older-messages)>", "", answer.text)
        seq = str(re.findall(r'data-seq="(\d+)"', last)[0])
        answer.text = facts + element("older-messages", {"data-before": seq}) + last

    gadgets = Gadgets()

    async def again() -> None:
        await expect(texts_of(stage.page)).to_have_count(1)
        await stage.page.locator("older-messages").get_by_role("button", name="Try again").click()

    with stage.liar.lying(OPEN, change), stage.liar.lying(BEFORE, gadgets):
        await stage.opens_anew()
        await gadgets.are_left_out(stage, again)
    await expect(texts_of(stage.page)).to_have_count(1)
    await stage.shows_nothing_of_it()
    await stage.carries_on()


ODD_TYPES = ["text/plain", "application/json", "text/css", "image/svg+xml", "application/octet-stream"]


async def test_the_content_type_of_a_fragment_does_not_matter(stage: Stage) -> None:
    """It is read as the requested fragment, and never opened or downloaded."""
    for content_type in ODD_TYPES:

        def change(answer: Answer, content_type: str = content_type) -> None:
            answer.set("content-type", content_type)
            answer.set("content-disposition", "attachment; filename=login.html")

        with stage.liar.lying("(GET /(c/.*/open|conversations/.*|messages/.*|me|vault)|POST .*)", change):
            await stage.opens()
            if content_type == ODD_TYPES[-1]:
                await stage.carries_on()
        await expect(stage.warning, content_type).to_have_count(0)
