"""Invalid responses to a login or registration: none is believed, and the Login PIN stays in the browser."""

from __future__ import annotations

import json
from typing import Any

from playwright.async_api import Browser, expect

from ezdms.views.assets import address_of
from tests.browser.lies.answers import NO_JSON, PROMPT, saying, with_member, without
from tests.browser.lies.liar import Answer, Change, Liar
from tests.browser.lies.stage import LOGIN_PIN, Stage, Visitor
from tests.browser.lies.watching import FORGED, STOLEN, Watch, everything_on, stored_in
from tests.support.someone import Someone

LOGIN, DEPLOYMENT, REGISTER = "POST /login", "GET /deployment", "POST /register"
NO_ID: list[Any] = [None, 1, [], "", "A" * 21, "A" * 23, "../" * 7]
EMPTY = ("empty", "html", "null", "an empty object")
MEMBERS = ("user_id", "statement", "salt", "iterations", "wrapped_sig", "search_salt")
OTHER = "QUFBQUFBQUFBQUFBQUFBQQ"


def redirected(answer: Answer) -> None:
    """A lie: a redirect that would resend the request."""
    answer.status = 307
    answer.set("location", f"/{STOLEN}")


# With a wrong PIN: the honest response is a refusal, and so is each of these.
REFUSED: dict[str, tuple[str, Change]] = {
    **{
        f"deployment {name}": (DEPLOYMENT, saying(NO_JSON[name]))
        for name in ("empty", "html", "null", "an empty object")
    },
    **{f"deployment {value!r}": (DEPLOYMENT, with_member("deployment_id", value)) for value in NO_ID},
    "deployment redirected": (DEPLOYMENT, redirected),
    **{f"login {name}": (LOGIN, saying(NO_JSON[name])) for name in EMPTY},
    "login redirected": (LOGIN, redirected),
    "login asks for the pin": (LOGIN, saying(f'{{"error": "{PROMPT}", "code": "{PROMPT}"}}', 401)),
    "login is busy": (LOGIN, saying("", 503)),
    "login says html": (LOGIN, saying(f"<form action=/{STOLEN}>{FORGED}<input name=pin></form>", 401)),
}


async def is_refused(visitor: Visitor, name: str, login_pin: str, request: str, change: Change) -> None:
    """The login fails with an error; the page stays as it is, and nothing of the response is shown or kept."""
    page = visitor.page
    await page.get_by_label("Login PIN", exact=True).fill(login_pin)
    with visitor.liar.lying(request, change):
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator("log-in [role=alert]"), name).not_to_be_empty()
    await expect(page.get_by_role("button", name="Log in"), name).to_be_enabled()
    assert visitor.watch.leaked(login_pin) == [], name
    assert "user_id" not in await stored_in(page), name
    assert FORGED not in await page.content(), name


async def test_an_invalid_login_response_logs_nobody_in(visitor: Visitor) -> None:
    await visitor.opens()
    for name, (request, change) in REFUSED.items():
        await is_refused(visitor, name, LOGIN_PIN, request, change)
    await visitor.shows_nothing_of_it()


# With the right PIN: a response with a wrong or incomplete account.
ACCOUNT: dict[str, Change] = {
    **{
        f"no {name}": without(name)
        for name in ("user_id", "statement", "salt", "iterations", "wrapped_sig", "search_salt")
    },
    **{f"iterations {value!r}": with_member("iterations", value) for value in ("200000", None, 1, 199_999, 2_000_001)},
    "another salt": with_member("salt", OTHER),
    "an invalid salt": with_member("salt", "A"),
    "no search salt": with_member("search_salt", ""),
    "noise instead of a key": with_member("wrapped_sig", "A" * 104),
    "a user id that is a path": with_member("user_id", "../../../outside/plant"),
    "an invalid statement": with_member("statement", FORGED),
}


async def test_a_wrong_or_incomplete_account_unlocks_nothing(stage: Stage, visitor: Visitor) -> None:
    await visitor.opens()
    for name, change in ACCOUNT.items():
        heard = len(visitor.liar.heard)
        await is_refused(visitor, name, stage.alice.login_pin, LOGIN, change)
        ended = [one for one in visitor.liar.heard[heard:] if one.startswith("POST /logout ")]
        assert len(ended) == 1, name  # the unused session is ended
    await visitor.shows_nothing_of_it()


MORE: dict[str, tuple[str, Any]] = {
    "another username": ("username", FORGED),
    "another search pin": ("search_pin", "ABCDE-FGHJK-MNPQR-STVWX-YZ012"),
    "a sentence": ("error", PROMPT),
    "a token": ("token", FORGED),
}


def with_all(members: dict[str, Any]) -> Change:
    """A lie: the honest response with all these members."""
    return lambda answer: setattr(answer, "text", json.dumps(json.loads(answer.text) | members))


async def test_other_claims_in_a_login_response_are_ignored(lied_to: Browser, stage: Stage) -> None:
    device = await Someone.arrives(lied_to, stage.truth, "alice", stage.liar.url)
    device.login_pin, device.search_pin = stage.alice.login_pin, stage.alice.search_pin
    watch = Watch(device.page, stage.liar)
    with stage.liar.lying(LOGIN, with_all(dict(MORE.values()))):
        await device.logs_in()  # checks the own Search PIN
    words = await everything_on(device.page)
    assert FORGED not in words + await stored_in(device.page)
    assert [claim for _, claim in MORE.values() if str(claim) in words] == []
    await expect(device.page.get_by_role("link", name="Your account: alice")).to_be_visible()
    assert watch.leaked(device.login_pin) == []
    await device.context.close()


REGISTERED: dict[str, tuple[str, Any]] = {
    "another search pin": ("search_pin", "ABCDE-FGHJK-MNPQR-STVWX-YZ012"),
    "another username": ("username", f"../../{FORGED}"),
    "a login pin": ("login_pin", "ABCD-EFGH-JKMN-PQRS"),
}


async def test_a_new_account_uses_only_what_the_browser_generated(lied_to: Browser, stage: Stage) -> None:
    """Name, Login PIN and Search PIN come from the page, on the card and in the download."""
    someone = await Someone.arrives(lied_to, stage.truth, "carol", stage.liar.url)
    watch = Watch(someone.page, stage.liar)
    with stage.liar.lying(REGISTER, with_all(dict(REGISTERED.values()))):
        await someone.page.get_by_role("textbox", name="Username").fill("carol")
        await someone.page.get_by_role("button", name="Create account").click()
        await expect(someone.page.get_by_test_id("login-pin")).not_to_be_empty()
    words = await everything_on(someone.page)
    assert "Welcome, carol" in words
    assert [claim for _, claim in REGISTERED.values() if str(claim) in words] == []
    assert watch.leaked(await someone.page.get_by_test_id("login-pin").inner_text()) == []
    await someone.context.close()


# Whether the page believes a response to a registration.
REGISTERS = """async (script) => {
    const { isId, postForm } = await import(script);
    return postForm("/register", {}, { user_id: isId }).then(() => "believed", ({ message }) => message);
}"""


async def test_an_invalid_registration_response_creates_no_account(visitor: Visitor) -> None:
    await visitor.opens()
    answers = NO_JSON | {f"user id {value!r}": json.dumps({"user_id": value}) for value in NO_ID}
    script = address_of("js/server.js")
    for name, text in answers.items():
        with visitor.liar.lying(REGISTER, saying(text)):
            assert "does not understand" in await visitor.page.evaluate(REGISTERS, script), name
    with visitor.liar.lying(REGISTER, saying(json.dumps({"user_id": "A" * 22}))):  # control
        assert await visitor.page.evaluate(REGISTERS, script) == "believed"
    await visitor.page.get_by_role("textbox", name="Username").fill("dora")
    for name in ("html", "an empty object"):
        with visitor.liar.lying(REGISTER, saying(NO_JSON[name])):
            await visitor.page.get_by_role("button", name="Create account").click()
            await expect(visitor.page.locator("create-account [role=alert]"), name).not_to_be_empty()
        await expect(visitor.page.get_by_role("button", name="Create account")).to_be_enabled()
        assert "user_id" not in await stored_in(visitor.page)
    await visitor.shows_nothing_of_it()
    assert visitor.page.url == f"{visitor.liar.url}/"


async def test_a_vault_that_is_always_refused_is_not_requested_endlessly(stage: Stage, liar: Liar) -> None:
    """The server claims that another browser was faster, and shows no other vault: one request is enough."""
    with liar.lying("PUT /vault", saying('{"code": "version"}', 409)):
        await stage.meets_a_new_contact("hello")
        await stage.page.goto(stage.address)
        await expect(stage.composer).to_be_enabled()
        await stage.says("here")
        await stage.hears_from_bob()
    asked = [one for one in liar.heard[stage.watch.since :] if one.startswith("PUT /vault")]
    assert 0 < len(asked) < 40
    await stage.comes_back()


async def test_a_new_login_pin_locks_the_users_own_keys_whatever_the_server_claims(stage: Stage) -> None:
    carl = await Someone.is_in(stage.browser, stage.truth, "carl", stage.liar.url)
    page = carl.page
    await page.goto(f"{stage.liar.url}/account")
    await page.get_by_label("Current Login PIN").fill(carl.login_pin)
    with stage.liar.lying("POST /private_keys", with_member("statement", stage.bob.statement)):
        await page.get_by_role("button", name="Make a new Login PIN").click()
        await expect(page.get_by_test_id("login-pin")).not_to_be_empty()
    carl.login_pin = await page.get_by_test_id("login-pin").inner_text()
    await page.get_by_role("textbox", name="Last 4 characters of your new Login PIN").fill(carl.login_pin[-4:])
    await page.get_by_role("button", name="Use the new Login PIN").click()
    await expect(page.get_by_text("Your new Login PIN is in use")).to_be_visible()
    await carl.logs_out()
    await carl.logs_in()
    await carl.context.close()
