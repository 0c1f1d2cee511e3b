"""A server swaps keys, salts, vaults and fragments: no plaintext leaves, the user is told, the page keeps working."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, expect

from ezdms import crypto
from tests.browser.home import Home, opens_anew
from tests.support.hostile import Hostile
from tests.support.someone import Someone, until

SECRET = "the harbour at midnight"


async def types_and_nothing_leaves(someone: Someone) -> None:
    """Type a secret; nothing of it reaches the server."""
    someone.records()
    field = someone.page.get_by_role("textbox", name="Message")
    if await field.count() and await field.is_enabled():
        await field.press_sequentially(SECRET, delay=5)
    assert not [one for one in someone.traffic if SECRET in one or SECRET.replace(" ", "+") in one]


async def test_an_older_key_statement_blocks_sending_until_the_user_continues(home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    await alice.writes("before")
    await bob.sees("before")
    Hostile(home.server).change_user(bob.name, statement=crypto.sign_statement(bob.keys, bob.name, 1, 5))
    await opens_anew(alice)
    await expect(alice.alert).to_contain_text("two statements of this person's keys")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await types_and_nothing_leaves(alice)
    await alice.sees("before")  # earlier messages stay readable
    await alice.page.get_by_role("button", name="Continue anyway").click()
    await alice.writes("after")
    await bob.sees("before", "after")
    await opens_anew(alice)
    await alice.sees("before", "after")
    await expect(alice.alert).to_have_count(0)


async def test_a_swapped_key_blocks_sending_and_cannot_be_accepted(home: Home) -> None:
    alice, bob, eve = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    await alice.starts_with(bob.search_pin)
    hostile = Hostile(home.server)
    hostile.change_user(bob.name, statement=eve.statement)
    await opens_anew(alice)
    await expect(alice.alert).to_contain_text("a different key for this person")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await expect(alice.page.get_by_role("button", name="Continue anyway")).to_have_count(0)
    await types_and_nothing_leaves(alice)
    hostile.change_user(bob.name, statement=bob.statement)
    await opens_anew(alice)
    await alice.writes("honest again")
    await alice.sees("honest again")


async def test_a_swapped_search_pin_salt_finds_nobody(home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    hostile = Hostile(home.server)
    hostile.run("UPDATE search_pins SET salt = ? WHERE search_pin = ?", "A" * 22, bob.search_pin)
    await alice.looks_up(bob.search_pin)
    await expect(alice.alert).to_contain_text("does not belong to this Search PIN")
    assert alice.page.url == f"{home.server.url}/"
    hostile.run("UPDATE search_pins SET salt = ? WHERE search_pin = ?", bob.salt, bob.search_pin)
    await alice.starts_with(bob.search_pin)


async def test_a_login_with_a_different_salt_fewer_rounds_or_different_keys_unlocks_nothing(
    browser: Browser, home: Home
) -> None:
    alice, eve = await home.person("alice", is_kept=True), await home.peer()
    hostile = Hostile(home.server)
    device = await Someone.arrives(browser, home.server, "alice")
    device.records()
    device.login_pin, device.search_pin = alice.login_pin, alice.search_pin
    for lie in ("salt", "iterations", "wrapped_sig", "wrapped_enc", "statement"):
        genuine = hostile.user("alice")[lie]
        wrong = {"salt": "A" * 22, "iterations": 1000}.get(lie, hostile.user(eve.name)[lie])
        hostile.change_user("alice", **{lie: wrong})
        await device.page.evaluate("() => document.querySelector('log-in [role=alert]').replaceChildren()")
        await device.page.get_by_label("Login PIN", exact=True).fill(alice.login_pin)
        await device.page.get_by_role("button", name="Log in").click()
        words = "is not valid" if lie == "iterations" else "cannot be decrypted with this Login PIN"
        await expect(device.alert, lie).to_contain_text(words)
        await expect(device.page.get_by_role("button", name="Log in")).to_be_enabled()
        hostile.change_user("alice", **{lie: genuine})
    assert not [one for one in device.traffic if alice.login_pin in one or alice.login_pin.replace("-", "") in one]
    await device.logs_in()  # control: the honest server


# The version of the vault, once everything in this browser is stored there.
STORED_VERSION = """async () => {
    const { loadVaultState } = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    const { version, isDirty } = await loadVaultState();
    return isDirty ? 0 : version;
}"""


async def test_a_vault_other_than_the_stored_one_raises_a_red_alarm(browser: Browser, home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    await bob.ask("PUT", "/vault", {"version": 1, "blob": crypto.seal_vault(bob.keys, {"version": 1})})
    hostile = Hostile(home.server)

    def vault_of(name: str) -> dict[str, Any]:
        found = hostile.run("SELECT v.* FROM vaults v JOIN users u USING (user_id) WHERE username = ?", name)
        return dict(found[0]) if found else {"version": 0}

    async def is_stored() -> bool:
        return bool(vault_of("alice")["version"] == await alice.page.evaluate(STORED_VERSION))

    await until(is_stored)
    old = vault_of("alice")
    said = ["hello"]
    await alice.writes(said[0])
    await alice.sees(said[0])
    await until(lambda: vault_of("alice")["version"] > old["version"])
    await until(is_stored)
    await opens_anew(alice)  # control: the honest server
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await expect(alice.alert).to_have_count(0)
    for lie in ("older under a newer number", "another's", "older", "garbage", "none"):  # then the versions begin anew
        await until(is_stored)  # what it were about to store would replace the lie
        newer = vault_of("alice")["version"] + 5
        sealed, stored = {
            "another's": (vault_of(bob.name)["sealed"], newer),
            "older": (old["sealed"], old["version"]),
            "older under a newer number": (old["sealed"], newer),
            "garbage": ("garbage", newer),
            "none": ("", 0),
        }[lie]
        if lie == "none":
            hostile.run("DELETE FROM vaults WHERE user_id = ?", old["user_id"])
        else:
            change = "UPDATE vaults SET sealed = ?, version = ? WHERE user_id = ?"
            hostile.run(change, sealed, stored, old["user_id"])
        await opens_anew(alice)
        await expect(alice.alert, lie).to_contain_text("list of")
        await expect(alice.alert).to_contain_text("This browser keeps what it knows")
        await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
        await expect(alice.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
        await alice.page.get_by_role("button", name="Continue anyway").click()
        said.append(f"still here, {lie}")
        await alice.writes(said[-1])
        await bob.sees(*said)
        await opens_anew(alice)
        await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
        await expect(alice.alert).to_have_count(0)
    device = await alice.on_another_device(browser)
    await device.opens(bob.name)
    await expect(device.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
