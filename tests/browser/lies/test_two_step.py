"""Lies about two-step login: a server that asks in vain gets a code and nothing else, and shows no words of its own."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from playwright.async_api import expect

from tests.browser.lies.answers import BAD, ODD, PROMPT, saying, with_member, wrong
from tests.browser.lies.liar import Change
from tests.browser.lies.stage import LOGIN_PIN, Stage, Visitor, told
from tests.browser.lies.test_front import LOGIN
from tests.browser.lies.watching import FORGED, STOLEN, everything_on, stored_in

SECOND = "POST /login_second"
CODES = [f"ABCD{n}-FGHJK" for n in range(10)]


def asking(challenge: Any) -> Change:
    """A lie: the PIN was right, and a code is needed, too."""
    return saying(json.dumps({"error": PROMPT, "code": "second_step", "challenge": challenge}), 401)


REFUSED: dict[str, Change] = {
    "wrong": saying(json.dumps({"error": PROMPT, "code": "wrong_code"}), 401),
    "used": saying(json.dumps({"error": PROMPT, "code": "used_code"}), 401),
    "too many": saying(json.dumps({"error": PROMPT, "code": "too_many_codes", "retry_after": PROMPT}), 429),
    "again": asking("QUFB"),
    "a page": saying(f"<form action=/{STOLEN}>{FORGED}<input name=pin></form>", 401),
    "nothing": saying("{}"),
    "an account": saying(json.dumps({"user_id": "A" * 22, "statement": FORGED})),
}


async def test_a_code_that_is_asked_for_in_vain_is_all_that_the_server_gets(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.opens()
    since = len(visitor.liar.heard)
    with visitor.liar.lying(LOGIN, asking("QUFB")):
        await page.get_by_label("Login PIN", exact=True).fill(LOGIN_PIN)
        await page.get_by_role("button", name="Log in").click()
        field = page.get_by_label("Code", exact=True)
        await expect(field).to_be_focused()
        alert = page.locator("log-in form + form [role=alert]")
        for typed in (LOGIN_PIN, LOGIN_PIN.replace("-", " ").lower(), "my cat's name"):
            await field.fill(typed)
            await page.get_by_role("button", name="Continue").click()
            await expect(alert).to_contain_text("A code has 6 digits.")
        assert [one for one in visitor.liar.heard[since:] if one.startswith(SECOND)] == []
        await field.fill("123456")
        for name, lie in REFUSED.items():
            with told(name), visitor.liar.lying(SECOND, lie):
                await page.get_by_role("button", name="Continue").click()
                await expect(page.get_by_role("button", name="Continue")).to_be_visible()
                await expect(alert).not_to_be_empty()
                await expect(field).to_have_value("123456")
                assert FORGED not in await page.content()
        assert FORGED not in await everything_on(page)
    sent = [one.partition("\r\n\r\n")[2] for one in visitor.liar.heard[since:] if one.startswith(SECOND)]
    assert len(sent) >= len(REFUSED)
    assert [one for one in sent if parse_qs(one) != {"challenge": ["QUFB"], "code": ["123456"]}] == []
    assert visitor.watch.leaked(LOGIN_PIN) == []
    assert "user_id" not in await stored_in(page)
    await page.get_by_role("button", name="Back").click()


async def test_an_invalid_challenge_asks_for_nothing(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.opens()
    for challenge in (None, 1, [], ["QUFB"], "", "A" * 1025, f"{FORGED} {STOLEN}", "QUFB="):
        with told(str(challenge)[:30]), visitor.liar.lying(LOGIN, asking(challenge)):
            await page.get_by_label("Login PIN", exact=True).fill(LOGIN_PIN)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.locator("log-in [role=alert]")).not_to_be_empty()
            await expect(page.get_by_role("button", name="Log in")).to_be_visible()
            await expect(page.get_by_label("Code", exact=True)).to_be_hidden()
            assert FORGED not in await page.content()
    assert FORGED not in await everything_on(page)
    assert visitor.watch.leaked(LOGIN_PIN) == []


STANDINGS = {"html": BAD["html"]} | wrong("is_on", [FORGED, 1]) | wrong("recovery_codes", [PROMPT, -1])
SECRETS: list[Any] = [None, [], "", "A" * 31, "A" * 33, "a" * 32, "A" * 31 + "1", f"{FORGED} {'A' * 24}", {"A": 1}]
CODE_LISTS: list[Any] = [
    None,
    [],
    CODES[:9],
    [*CODES, CODES[0]],
    [FORGED] * 10,
    [*CODES[:9], PROMPT],
    {"length": 10},
    [[]] * 10,
]


async def test_claims_about_the_second_step_are_numbers_and_codes_or_nothing(stage: Stage) -> None:
    page, part = stage.page, stage.page.locator("two-step")
    for turn, (name, lie) in enumerate(STANDINGS.items()):
        with told(name), stage.liar.lying("GET /second_step", lie):
            if turn:
                await part.locator(".state").evaluate("(state) => state.firstChild.replaceWith()")
                await part.get_by_role("button", name="Try again").click()
            else:
                await page.goto(f"{stage.liar.url}/settings")
            await expect(part.locator(".state")).to_contain_text(ODD)
            assert FORGED not in await page.content()
    assert FORGED not in await everything_on(page)
    with stage.liar.lying("GET /second_step", with_member("is_on", True)):
        await part.get_by_role("button", name="Try again").click()
        await expect(part.get_by_text("This server says two-step login is on. Recovery codes left: 0.")).to_be_visible()
    await page.reload()
    await expect(part.get_by_text("Two-step login is off.")).to_be_visible()
    await page.get_by_label("Your Login PIN, to turn it on").fill(stage.alice.login_pin)
    for secret in SECRETS:
        with told(str(secret)[:30]), stage.liar.lying("POST /second_step", with_member("secret", secret)):
            await part.get_by_role("button", name="Turn on", exact=True).click()
            await expect(part.locator(".off [role=alert]")).to_contain_text(ODD)
            await expect(page.get_by_test_id("totp-secret")).to_be_empty()
            assert FORGED not in await page.content()
    assert FORGED not in await everything_on(page)
    await part.get_by_role("button", name="Turn on", exact=True).click()
    await page.get_by_label("Code from your app", exact=True).fill("000000")
    for codes in CODE_LISTS:
        lie = saying(json.dumps({"recovery_codes": codes}))
        with told(str(codes)[:30]), stage.liar.lying("POST /second_step_on", lie):
            await part.get_by_role("button", name="Confirm").click()
            await expect(part.locator(".setup [role=alert]")).to_contain_text(ODD)
            await expect(page.get_by_test_id("recovery-codes")).to_be_empty()
            assert FORGED not in await page.content()
    assert FORGED not in await everything_on(page)
    assert stage.watch.leaked(stage.alice.login_pin) == []
    await stage.opens()
    await stage.carries_on()
