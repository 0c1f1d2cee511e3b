"""Invalid JSON: none of it is believed, and no text of the server is shown."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode
from tests.browser.lies.answers import BAD, NO_NUMBER, NO_TEXT, PROMPT, saying, with_member, wrong
from tests.browser.lies.stage import DRAFT, Stage
from tests.browser.lies.watching import stored_in
from tests.support.someone import Someone, texts_of

ME = BAD | wrong("user_id", [*NO_TEXT, "A" * 21, "../" * 7]) | wrong("vault_version", NO_NUMBER)
ME |= wrong("search_salt", [*NO_TEXT, "A" * 21 + "="]) | {"status 500": saying(PROMPT, 500), "204": saying("", 204)}
ME |= {"more": with_member("sentence", PROMPT), "vault_version later": with_member("vault_version", 2**52)}


@pytest.mark.parametrize("name", ME)
async def test_an_invalid_session_response_is_not_believed(stage: Stage, name: str) -> None:
    with stage.liar.lying("GET /me", ME[name]):
        await stage.opens()
        await expect(stage.page.get_by_test_id("my-search-pin")).to_have_text(stage.alice.search_pin)
        await stage.carries_on()
    assert (await stage.contact())["verified"] == "search-pin"
    await stage.shows_nothing_of_it()


async def test_a_different_search_salt_gives_another_pin_of_the_users_own_key(stage: Stage) -> None:
    """The server can withdraw a PIN, but cannot make a user hand out someone else's."""
    salt = "QUFBQUFBQUFBQUFBQUFBQQ"
    with stage.liar.lying("GET /me", with_member("search_salt", salt)):
        await stage.opens()
        shown = stage.page.get_by_test_id("my-search-pin")
        await expect(shown).not_to_have_text(stage.alice.search_pin)
        pin = await shown.inner_text()
    assert crypto.search_pin_commits(pin, stage.bob.other.ik, b64u_decode(salt))
    await stage.opens()
    await expect(shown).to_have_text(stage.alice.search_pin)


@pytest.mark.parametrize("salt", ["", "A", "A" * 20, "A" * 21 + "B", "A" * 4000], ids=len)
async def test_an_invalid_search_salt_shows_no_pin(stage: Stage, salt: str) -> None:
    with stage.liar.lying("GET /me", with_member("search_salt", salt)):
        await stage.opens()
        await expect(stage.page.locator("my-search-pin [role=alert]")).to_contain_text("not known here")
    await expect(stage.page.get_by_test_id("my-search-pin")).to_be_empty()
    await stage.carries_on()


async def test_a_session_of_another_account_opens_nothing(stage: Stage) -> None:
    with stage.liar.lying("GET /me", with_member("user_id", "Z" * 22)):
        await stage.page.goto(stage.address)
        await expect(stage.page.get_by_text("does not hold the keys")).to_be_visible()
    await expect(texts_of(stage.page)).to_have_count(0)
    assert stage.watch.leaked(stage.alice.login_pin) == []
    await stage.opens()
    await stage.carries_on()


VAULT = BAD | wrong("version", [*NO_NUMBER, 2**52]) | wrong("blob", [None, 1, True, [], {}, "A" * 3_000_000])
VAULT |= {"500": saying(PROMPT, 500)}


@pytest.mark.parametrize("name", VAULT)
async def test_an_unreadable_vault_changes_nothing(stage: Stage, name: str) -> None:
    before = await stage.contact()
    with (
        stage.liar.lying("GET /me", with_member("vault_version", 2**52)),  # so that the vault is requested
        stage.liar.lying("GET /vault", VAULT[name]),
    ):
        await stage.opens()
        await stage.carries_on()
    after = await stage.contact()
    assert {name: after[name] for name in ("verified", "ik", "name", "hash")} == {
        name: before[name] for name in ("verified", "ik", "name", "hash")
    }
    await stage.shows_nothing_of_it()


@pytest.mark.parametrize("version", [2**52, 2**53 - 1])
async def test_a_vault_with_an_impossibly_high_version_is_rejected(stage: Stage, version: int) -> None:
    """Even if the user continues after an alarm: otherwise all later versions would count as older forever."""
    alarm, go_on = stage.page.locator("[data-alarm]"), stage.page.get_by_role("button", name="Continue anyway")
    with (
        stage.liar.lying("GET /me", with_member("vault_version", 2**52)),  # so that the vault is requested
        stage.liar.lying("GET /vault", with_member("version", 0)),
    ):
        await stage.page.goto(stage.address)
        await expect(alarm).to_contain_text("an older list of your contacts")
    since = len(stage.liar.heard)
    with (
        stage.liar.lying("GET /vault", with_member("version", version)),
        stage.liar.lying("PUT /vault", saying("", 204)),
    ):
        await go_on.click()
        await expect(alarm).to_contain_text("does not understand")
        await expect(stage.composer).to_be_disabled()
    assert not [one for one in stage.liar.heard[since:] if one.startswith("PUT ")]
    await go_on.click()  # control: no lie
    await expect(stage.composer).to_be_enabled()
    await stage.opens()
    await stage.carries_on()


async def test_an_alarm_stays_until_continuing_has_succeeded(stage: Stage) -> None:
    with stage.liar.lying("GET /me", with_member("vault_version", 2**52)):
        with stage.liar.lying("GET /vault", with_member("version", 0)):
            await stage.page.goto(stage.address)
            await expect(stage.page.locator("[data-alarm]")).to_contain_text("older list of your contacts")
        with stage.liar.lying("GET /vault", saying(PROMPT, 500)):
            await stage.page.get_by_role("button", name="Continue anyway").click()
            await expect(stage.page.locator("[data-alarm]")).to_contain_text("went wrong on the server")
        await expect(stage.composer).to_be_disabled()
    await stage.page.get_by_role("button", name="Continue anyway").click()
    await expect(stage.page.locator("[data-alarm]")).to_be_empty()
    await stage.carries_on()


SENT = BAD | wrong("seq", NO_NUMBER) | {"204": saying("", 204)}


@pytest.mark.parametrize("name", SENT)
async def test_an_unexpected_response_to_a_message_neither_loses_nor_duplicates_it(stage: Stage, name: str) -> None:
    await stage.is_listening()
    line = f"once and only once, {name}"[:100].replace("\n", " ")
    with stage.liar.lying("POST /send_message", SENT[name]):
        await stage.composer.fill(line)
        await stage.composer.press("Enter")
        await expect(texts_of(stage.page).filter(has_text=line)).to_have_count(1)
    await stage.carries_on()
    await expect(texts_of(stage.page).filter(has_text=line)).to_have_count(1)
    await expect(stage.page.locator(".pending")).to_have_count(0)
    await stage.shows_nothing_of_it()


# Unsent text in this browser: a draft, and a queued message.
WAITING = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [K, id] = [await import(at("keystore")), location.pathname.slice(3)];
    const { version } = await K.loadVaultState();
    return [await K.loadContact(id), await K.loadDraft(id), (await K.loadOutbox(id)).map(({ text }) => text), version];
}"""


IS_CALLED = """async (id) => {
    const { loadAccount } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    return (await loadAccount()).user_id === id;
}"""


async def test_a_new_id_for_the_same_account_deletes_nothing(stage: Stage) -> None:
    """After the session ended, the login returns another id for the same keys: heads and unsent text are kept."""
    await stage.meets_bob()  # nothing is queued here yet
    await stage.says("something")
    await stage.remembers()
    await stage.page.route("**/send_message", lambda route: route.abort())
    await stage.composer.fill("it waits")
    await stage.composer.press("Enter")
    await expect(stage.page.locator(".pending")).to_contain_text("Not sent")
    await stage.composer.press_sequentially("a draft")
    kept = await stage.page.evaluate(WAITING)
    assert kept[1:3] == ["a draft", ["it waits"]]
    with (
        stage.liar.lying("GET /me", saying('{"code": "no_session"}', 401)),
        stage.liar.lying("POST /login", with_member("user_id", "Z" * 22)),
    ):
        await stage.page.goto(stage.address)
        await stage.page.get_by_role("textbox", name="Login PIN").fill(stage.alice.login_pin)
        async with stage.page.expect_navigation():
            await stage.page.get_by_role("button", name="Log in").click()
        assert await stage.page.evaluate(IS_CALLED, "Z" * 22)
    await stage.page.goto(stage.address)
    assert await stage.page.evaluate(WAITING) == kept
    await expect(stage.page.get_by_text("does not hold the keys")).to_be_visible()
    await stage.alice.logs_in()  # control: no lie
    await stage.opens()
    assert await stage.page.evaluate(WAITING) == kept
    await stage.page.unroute("**/send_message")
    await stage.page.reload()
    await expect(texts_of(stage.page).last).to_have_text("it waits")
    await stage.composer.clear()


async def test_another_account_under_the_same_id_finds_no_stored_messages(stage: Stage) -> None:
    """Both use the same browser, one after the other: stored data belongs to a key."""
    eve, carol = [await Someone.arrives(stage.browser, stage.truth, name, stage.liar.url) for name in ("eve", "carol")]
    await eve.creates_an_account()
    await carol.creates_an_account()
    await carol.starts_with(stage.bob.search_pin)
    await carol.page.get_by_role("textbox", name="Message").press_sequentially(DRAFT)
    assert DRAFT in await stored_in(carol.page)  # control: it was there
    me = await carol.page.evaluate(
        "async () => (await fetch('/me', { headers: { Accept: 'application/json' } })).json()"
    )
    with stage.liar.lying("GET /me", saying('{"code": "no_session"}', 401)):
        await carol.page.reload()
        with stage.liar.lying("POST /login", with_member("user_id", me["user_id"])):
            await carol.page.get_by_role("textbox", name="Login PIN").fill(eve.login_pin)
            async with carol.page.expect_navigation():
                await carol.page.get_by_role("button", name="Log in").click()
            assert await carol.page.evaluate(IS_CALLED, me["user_id"])
    stored = await stored_in(carol.page)
    assert DRAFT not in stored
    assert "eve" in stored
    await eve.context.close()
    await carol.context.close()
