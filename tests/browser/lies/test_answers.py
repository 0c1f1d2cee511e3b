"""Invalid JSON: none of it is believed, and no text of the server is shown."""

from __future__ import annotations

from playwright.async_api import expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode
from tests.browser.lies.answers import BAD, BROKEN, NO_NUMBER, NO_TEXT, ODD, PROMPT, saying, with_member, wrong
from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.stage import DRAFT, Stage, told
from tests.browser.lies.watching import stored_in
from tests.support.someone import Someone, texts_of

ME = BAD | wrong("user_id", [*NO_TEXT, "A" * 21, "A" * 23, "../" * 7]) | wrong("vault_version", NO_NUMBER)
ME |= wrong("search_salt", [*NO_TEXT, "A" * 21 + "="]) | {"204": saying("", 204), "500": saying(PROMPT, 500)}
SHOWN = ("html", "user_id=null", "500")  # the function's two errors, which the first test proves of all others


async def is_refused(stage: Stage, request: str, lies: dict[str, Change], module: str, function: str) -> None:
    """Every one of these responses is an error to the function that asks for it, and said in the page's own words."""
    for name, lie in lies.items():
        with told(name), stage.liar.lying(request, lie):
            refused = await stage.calls(module, function, 2**52)
            assert refused["message"].startswith(BROKEN if name == "500" else ODD)


async def test_an_invalid_session_response_is_refused(stage: Stage) -> None:
    await is_refused(stage, "GET /me", ME, "session", "getStanding")
    assert (await stage.calls("session", "getStanding", True))["result"]["user_id"]  # control: no lie


async def test_an_invalid_session_response_is_not_believed(stage: Stage) -> None:
    lies = {name: ME[name] for name in SHOWN}
    lies |= {"more": with_member("sentence", PROMPT), "vault_version later": with_member("vault_version", 2**52)}
    for name, lie in lies.items():
        with told(name), stage.liar.lying("GET /me", lie):
            await stage.opens()
            await expect(stage.page.get_by_test_id("my-search-pin")).to_have_text(stage.alice.search_pin)
            await stage.says(f"it holds: {name}")
            assert (await stage.contact())["verified"] == "search-pin"
            await stage.shows_nothing_of_it()
    await stage.carries_on()


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


# The lengths of all texts for which one's own Search PIN can be computed, and how many last letters of 22 can be.
SALTS = """async () => {
    const session = document.querySelector("[src*=boot]").src.replace("boot", "session");
    const { account, ownSearchPin } = await import(session);
    const me = await account;
    const isSalt = (salt) => ownSearchPin(me, salt).then(() => true, () => false);
    const ends = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
    const lengths = await Promise.all(Array.from({ length: 200 }, (_, length) => isSalt("A".repeat(length))));
    const last = await Promise.all(ends.map((letter) => isSalt("A".repeat(21) + letter)));
    return [lengths.flatMap((is, length) => (is ? [length] : [])), last.flatMap((is, i) => (is ? [ends[i]] : []))];
}"""


async def test_an_invalid_search_salt_shows_no_pin(stage: Stage) -> None:
    """It has 16 bytes in their only spelling: four of the 64 last letters."""
    assert await stage.page.evaluate(SALTS) == [[22], ["A", "Q", "g", "w"]]
    for salt in ("", "A" * 21 + "B", "A" * 4000):
        with told(salt[:30]), stage.liar.lying("GET /me", with_member("search_salt", salt)):
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


VERSION = BAD | wrong("version", [*NO_NUMBER, 2**52]) | {"204": saying("", 204), "500": saying(PROMPT, 500)}
VAULT = VERSION | wrong("blob", [None, 1, True, [], {}, "A" * 3_000_000])


async def test_an_unreadable_vault_changes_nothing(stage: Stage) -> None:
    before = await stage.contact()
    await is_refused(stage, "GET /vault", VAULT, "vault", "syncVault")
    await is_refused(stage, "GET /vault", VERSION, "vault", "overwriteVault")
    assert (await stage.calls("keystore", "loadVaultState"))["result"]["version"] < 1000
    for name in ("blob=[]", "500"):  # the function's two errors
        with (
            told(name),
            stage.liar.lying("GET /me", with_member("vault_version", 2**52)),  # so that the vault is requested
            stage.liar.lying("GET /vault", VAULT[name]),
        ):
            await stage.opens()
            await stage.says(f"it holds: {name}")
            await stage.shows_nothing_of_it()
    after = await stage.contact()
    same = ("verified", "ik", "name", "hash")
    assert [after[name] for name in same] == [before[name] for name in same]
    await stage.carries_on()


async def test_an_alarm_stays_until_continuing_has_succeeded(stage: Stage) -> None:
    """A vault with an impossibly high version is rejected even then: otherwise all later versions would count as older
    forever."""
    alarm, go_on = stage.page.locator("[data-alarm]"), stage.page.get_by_role("button", name="Continue anyway")
    with (
        stage.liar.lying("GET /me", with_member("vault_version", 2**52)),  # so that the vault is requested
        stage.liar.lying("GET /vault", with_member("version", 0)),
    ):
        await stage.page.goto(stage.address)
        await expect(alarm).to_contain_text("an older list of your contacts")
    since = len(stage.liar.heard)
    lies: dict[str, tuple[Change, str]] = {
        "version 2**52": (with_member("version", 2**52), "does not understand"),
        "500": (saying(PROMPT, 500), "went wrong on the server"),  # between the two, so that each says another sentence
        "version 2**53 - 1": (with_member("version", 2**53 - 1), "does not understand"),
    }
    now, _ = lies["version 2**52"]

    def lie(answer: Answer) -> None:  # one follows the other, without a moment of truth in between
        now(answer)

    with stage.liar.lying("GET /vault", lie), stage.liar.lying("PUT /vault", saying("", 204)):
        for name, (now, words) in lies.items():  # noqa: B007
            with told(name):
                await go_on.click()
                await expect(alarm).to_contain_text(words)
                await expect(stage.composer).to_be_disabled()
    assert not [one for one in stage.liar.heard[since:] if one.startswith("PUT ")]
    await go_on.click()  # control: no lie
    await expect(alarm).to_be_empty()
    await expect(stage.composer).to_be_enabled()
    await stage.opens()
    await stage.carries_on()


SENT = BAD | wrong("seq", NO_NUMBER) | {"204": saying("", 204)}


async def test_an_unexpected_response_to_a_message_neither_loses_nor_duplicates_it(stage: Stage) -> None:
    await stage.is_listening()
    before = (await stage.bob.rows())[-1]["seq"]
    for name, lie in SENT.items():
        line = f"once and only once, {name}"[:100].replace("\n", " ")
        with told(name), stage.liar.lying("POST /send_message", lie):
            await stage.says(line)
            await expect(stage.page.locator(".pending")).to_have_count(0)
            assert (await stage.bob.last()).text == line
    await stage.shows_nothing_of_it()
    await stage.carries_on()
    assert (await stage.bob.rows())[-1]["seq"] == before + len(SENT) + 2  # with the two of carrying on
    await stage.opens()
    await expect(stage.page.locator(".pending")).to_have_count(0)
    for name in SENT:
        line = f"once and only once, {name}"[:100].replace("\n", " ")
        await expect(texts_of(stage.page).and_(stage.page.get_by_text(line, exact=True)), name).to_have_count(1)


# Unsent text in this browser: a draft, and a queued message.
WAITING = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [K, id] = [await import(at("keystore")), location.pathname.slice(3)];
    const { version } = await K.loadVaultState();
    const [contact, draft, queue] = await Promise.all([K.loadContact(id), K.loadDraft(id), K.loadOutbox(id)]);
    return [contact, draft?.text, queue.map(({ text }) => text), version];
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
    with stage.liar.lying("GET /me", saying('{"code": "no_session"}', 401)):
        await stage.page.goto(stage.address)
        await stage.page.get_by_label("Login PIN", exact=True).fill(stage.alice.login_pin)
    assert (await stage.page.evaluate(WAITING))[1:3] == [None, []]  # encrypted, until the same person is back
    with stage.liar.lying("POST /login", with_member("user_id", "Z" * 22)):
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
    await stage.page.evaluate("() => { dispatchEvent(new Event('online')); }")
    await expect(texts_of(stage.page).last).to_have_text("it waits")
    await stage.composer.clear()


async def test_another_account_under_the_same_id_finds_no_stored_messages(stage: Stage) -> None:
    """Both use the same browser, one after the other: stored data belongs to a key."""
    eve, carol = [await Someone.is_in(stage.browser, stage.truth, name, stage.liar.url) for name in ("eve", "carol")]
    await carol.starts_with(stage.bob.search_pin)
    await carol.page.get_by_role("textbox", name="Message").press_sequentially(DRAFT)
    assert DRAFT in await stored_in(carol.page)  # control: it was there
    me = await carol.page.evaluate(
        "async () => (await fetch('/me', { headers: { Accept: 'application/json' } })).json()"
    )
    with stage.liar.lying("GET /me", saying('{"code": "no_session"}', 401)):
        await carol.page.reload()
        await carol.page.get_by_label("Login PIN", exact=True).fill(eve.login_pin)
    with stage.liar.lying("POST /login", with_member("user_id", me["user_id"])):
        async with carol.page.expect_navigation():
            await carol.page.get_by_role("button", name="Log in").click()
        assert await carol.page.evaluate(IS_CALLED, me["user_id"])
    stored = await stored_in(carol.page)
    assert DRAFT not in stored
    assert "eve" in stored
    await eve.context.close()
    await carol.context.close()
