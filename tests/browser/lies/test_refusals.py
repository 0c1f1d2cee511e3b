"""Refusals are shown in the page's own words, and redirects are never followed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.lies.answers import PROMPT, saying
from tests.browser.lies.liar import Answer
from tests.browser.lies.stage import Stage
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
BROKEN = "Something went wrong on the server"
OURS = re.compile(rf"{BROKEN}|This is your own Search PIN|No account has|This is not your")


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_shown_in_the_pages_own_words(stage: Stage, name: str) -> None:
    status, members = REFUSALS[name]
    url = stage.page.url
    with stage.liar.lying("POST /start_conversation", saying(json.dumps(members), status)):
        await stage.tries_to_start(stage.bob.search_pin)
        await expect(stage.started).to_contain_text(BROKEN if name in NO_WAITS else OURS)
    assert len(await stage.started.inner_text()) < 200
    assert stage.page.url == url
    await stage.shows_nothing_of_it()
    assert stage.watch.leaked(stage.alice.login_pin) == []


async def test_an_honest_wait_time_is_shown(stage: Stage) -> None:
    refusal = saying(json.dumps({"code": "too_often", "retry_after": 17}), 429)
    with stage.liar.lying("POST /start_conversation", refusal):
        await stage.tries_to_start(stage.bob.search_pin)
        await expect(stage.started).to_contain_text("wait 17 seconds")


ROUTES = ["GET /me", "GET /c/.*/open", "GET /conversations/.*", "GET /vault", "POST /send_message", "PUT /vault"]
TARGETS = [f"/{STOLEN}", f"http://127.0.0.1:9/{STOLEN}", "data:text/html,x", f"javascript:fetch('/{STOLEN}')"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(stage: Stage, status: int, route: str) -> None:
    turn = [0]

    def change(answer: Answer) -> None:
        answer.status = status
        answer.set("location", TARGETS[turn[0] % len(TARGETS)])
        turn[0] += 1

    with stage.liar.lying(route, change):
        await stage.page.goto(stage.address)
        if route != "GET /c/.*/open":
            await expect(stage.composer).to_be_enabled()
            await stage.composer.fill("the harbour")
            await stage.composer.press("Enter")
        await expect(stage.page.get_by_test_id("my-search-pin")).to_have_text(stage.alice.search_pin)
    await stage.opens()
    await stage.carries_on("the harbour")
    await stage.shows_nothing_of_it()
