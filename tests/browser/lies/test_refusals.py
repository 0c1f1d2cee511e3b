"""Refusals are shown in the page's own words, and redirects are never followed."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from playwright.async_api import expect

from tests.browser.lies.answers import BROKEN, PROMPT, saying
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.watching import STOLEN

STATUSES = [400, 402, 403, 404, 409, 410, 413, 418, 422, 429, 500, 502, 503, 507]
CODES: list[Any] = [
    "", "pin", PROMPT, "constructor", "__proto__", "toString", None, 1, [], {}, ["wrong_pin"], {"toString": "x"},
    "oneself", "too_often", "wrong_pin", "A" * 100_000,
]  # fmt: skip
WAITS: list[Any] = [-1, 0.5, 86_401, 2**53, 1e99, "1", "soon", None, [], {}, PROMPT]
REFUSALS = {
    f"status {status}": (status, {"error": PROMPT, "sentence": PROMPT, "message": PROMPT}) for status in STATUSES
}
REFUSALS |= {f"code {json.dumps(code)[:20]}": (422, {"error": PROMPT, "code": code}) for code in CODES}
NO_WAITS = {f"wait {json.dumps(wait)[:9]}": (429, {"code": "too_often", "retry_after": wait}) for wait in WAITS}
REFUSALS |= NO_WAITS
ONESELF = "This is your own Search PIN. Ask the other person for theirs."
OURS = re.compile(rf"^({BROKEN}|{ONESELF}|No account has this Login PIN\.|This is not your Login PIN\.)$")


async def test_a_refusal_is_shown_in_the_pages_own_words(stage: Stage) -> None:
    url = stage.page.url
    await stage.tries_to_start("x")
    await expect(stage.started).not_to_be_empty()
    await stage.page.get_by_role("textbox", name="Search PIN").fill(stage.bob.search_pin)
    for turn, (name, (status, members)) in enumerate(REFUSALS.items()):
        with told(name), stage.liar.lying("POST /start_conversation", saying(json.dumps(members), status)):
            asked = len(stage.liar.heard)
            await stage.tries_again()
            assert any(one.startswith("POST /start_conversation") for one in stage.liar.heard[asked:])
            await expect(stage.started).to_have_text(BROKEN if name in NO_WAITS else OURS)
            assert stage.page.url == url
            if turn % 10 == 0:
                await stage.shows_nothing_of_it()
    await stage.shows_nothing_of_it()
    assert stage.watch.leaked(stage.alice.login_pin) == []


async def test_an_honest_wait_time_is_shown(stage: Stage) -> None:
    refusal = saying(json.dumps({"code": "too_often", "retry_after": 17}), 429)
    with stage.liar.lying("POST /start_conversation", refusal):
        await stage.tries_to_start(stage.bob.search_pin)
        await expect(stage.started).to_contain_text("wait 17 seconds")


ROUTES = ["GET /me", "GET /c/.*/open", "GET /conversations/.*", "GET /vault", "POST /send_message", "PUT /vault"]
TARGETS = [f"/{STOLEN}", f"http://127.0.0.1:9/{STOLEN}", "data:text/html,x", f"javascript:fetch('/{STOLEN}')"]
REDIRECTS = list(itertools.product([301, 302, 303, 307, 308], TARGETS))
# How the page asks: a function of server.js, the request, and what else it is given.
ASKING: list[tuple[str, str, list[Any]]] = [
    ("getJson", "GET /me", [{}]),
    ("getJson", "GET /vault", [{}]),
    ("getFragment", f"GET /conversations/{'A' * 22}", []),
    ("postForFragment", "POST /sessions/end_others", []),
    ("postForm", "POST /send_message", []),
    ("postForm", "PUT /vault", [{}, None, "PUT"]),
]


def redirects(*answers: tuple[int, str]) -> Change:
    """A lie: each response is the next of these redirects."""
    turns = itertools.cycle(answers)

    def change(answer: Answer) -> None:
        answer.status, location = next(turns)
        answer.set("location", location)

    return change


async def test_no_redirect_of_any_status_is_followed(stage: Stage) -> None:
    for function, route, given in ASKING:
        for answer in REDIRECTS:
            with told(f"{route} {answer}"), stage.liar.lying(route, redirects(answer)):
                refused = await stage.calls("server", function, route.split()[1], *given)
                assert refused["message"].startswith("The server cannot be reached.")
    await stage.carries_on()  # checks all requests
    await stage.shows_nothing_of_it()


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    for turn, route in enumerate(ROUTES):
        with told(route), stage.liar.lying(route, redirects(*REDIRECTS[turn * 4 :], *REDIRECTS)):
            await stage.page.goto(stage.address)
            if route != "GET /c/.*/open":
                await expect(stage.composer).to_be_enabled()
                await stage.composer.fill("the harbour")
                await stage.composer.press("Enter")
                await expect(stage.page.get_by_role("log").get_by_text("the harbour").last).to_be_visible()
            await expect(stage.page.get_by_test_id("my-search-pin")).to_have_text(stage.alice.search_pin)
    await stage.opens_anew()
    await stage.carries_on("the harbour")
    await stage.shows_nothing_of_it()
