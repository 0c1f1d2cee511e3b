"""Browsers share what they know about contacts through the vault, and concurrent writes lose nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from ezdms.client import Client
from tests.browser.home import Home
from tests.support.hostile import Hostile, contact_of
from tests.support.someone import GO, until

OPEN = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [{ openVault }, { loadAccount }, { getJson }] = await Promise.all(
        [import(at("crypto")), import(at("keystore")), import(at("server"))]);
    return openVault(await loadAccount(), (await getJson("/vault", { blob: () => true })).blob);
}"""


async def test_pinned_keys_verification_and_heads_carry_over_to_a_new_browser(browser: Browser, home: Home) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    await alice.writes("one")
    await alice.sees("one")
    await bob.writes("two")
    await alice.sees("one", "two")

    async def is_noted() -> bool:
        contact = await contact_of(alice.page)
        return bool(contact["own"] and contact["theirs"])

    await until(is_noted)
    known = await contact_of(alice.page)
    assert (known["verified"], known["name"], known["own"][0], known["theirs"][0]) == ("search-pin", bob.name, 1, 1)
    device = await alice.on_another_device(browser)
    await device.opens(bob.name)
    await expect(device.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
    await device.sees("one", "two")
    assert await contact_of(device.page) == known


async def test_concurrent_vault_writes_from_tabs_and_browsers_lose_no_update(home: Home) -> None:
    alice, others = await home.person("alice"), [await home.peer() for _ in range(3)]
    device = await home.another_device()
    second_tab = await alice.new_tab()
    await second_tab.goto(alice.address)

    async def start(page: Page, search_pin: str) -> None:
        await alice.looks_up(search_pin, page)
        await expect(page.get_by_text("Verified by Search PIN")).to_be_visible()

    names = {other.name for other in others}
    pages = [alice.page, second_tab, device.page]
    await asyncio.gather(*(start(page, other.search_pin) for page, other in zip(pages, others, strict=True)))

    async def are_all_there() -> bool:
        vault = await alice.page.evaluate(OPEN)
        verified = {contact["name"] for contact in vault["contacts"].values() if contact["verified"] == "search-pin"}
        return names <= verified

    await until(are_all_there)
    stored = Hostile(home.server).run("SELECT version FROM vaults JOIN users USING (user_id) WHERE username = 'alice'")
    assert stored[0]["version"] == (await alice.page.evaluate(OPEN))["version"]
    await device.page.reload()
    for name in names:
        await device.opens(name)
        await expect(device.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()


CHANGE = """async (heads) => {
    const { changeContact } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeContact(location.pathname.slice(3), () => heads);
}"""


async def test_a_stale_tab_does_not_roll_back_the_heads_of_another_tab(home: Home) -> None:
    alice = await home.person("alice")
    behind = await alice.new_tab()
    await behind.goto(alice.address)
    for other in (None, [3, "C" * 43], [5, "C" * 43]):  # none, an older one, a different one
        bob = await home.peer()
        await alice.starts_with(bob.search_pin)
        await expect(alice.page.get_by_role("heading", name=bob.name)).to_be_visible()
        assert await behind.evaluate(GO, alice.page.url.removeprefix(alice.address))
        await expect(behind.get_by_role("heading", name=bob.name)).to_be_visible()
        await expect(behind.get_by_role("textbox", name="Message")).to_be_enabled()
        seen = {"own": [4, "A" * 43], "theirs": [5, "B" * 43]}
        await alice.page.evaluate(CHANGE, seen)
        await behind.evaluate(CHANGE, {"own": None, "theirs": other})
        for page in (alice.page, behind):
            contact = await contact_of(page)
            assert {side: contact[side] for side in seen} == seen, other
        seen = {"own": [6, "D" * 43], "theirs": [7, "E" * 43]}
        await behind.evaluate(CHANGE, seen)  # control: newer heads
        contact = await contact_of(alice.page)
        assert {side: contact[side] for side in seen} == seen, other


async def test_a_verification_made_while_the_server_is_down_is_stored_later(home: Home) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    await alice.page.route("**/vault", lambda route: route.abort())
    await alice.page.locator(".trust").click()
    await alice.page.get_by_role("button", name="They match").click()
    await expect(alice.page.get_by_role("button", name="Verified by safety number")).to_be_visible()
    await alice.page.unroute("**/vault")
    device = await home.another_device()
    await device.opens(bob.name)
    await expect(device.page.get_by_role("button", name="Not verified")).to_be_visible()  # not synced yet
    await alice.page.reload()
    await expect(alice.page.get_by_role("button", name="Verified by safety number")).to_be_visible()
    await device.page.reload()
    await expect(device.page.get_by_role("button", name="Verified by safety number")).to_be_visible()


LEAVE = """async () => {
    const { loadVaultState, saveVaultState } = await import(
        document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    const { version, isDirty } = await loadVaultState();
    await saveVaultState({ version, isDirty });
}"""


LATE_AT = 4_000_000_000_000  # ms


async def test_unknown_vault_fields_are_preserved(home: Home, tmp_path: Path) -> None:
    alice, bob = await home.person("alice"), await home.peer()
    await alice.starts_with(bob.search_pin)
    client = await Client.login(home.server.url, alice.login_pin, home=tmp_path)
    with client.state.change() as values:
        values["vault"]["more"] = {"settings": {"at": 1, "typing": False}}
        for contact in values["contacts"].values():
            contact |= {"zz": {"q": 1}, "blocks": [[1, 2]], "met": {"at": LATE_AT, "accepted": True, "blocked": False}}
        values["vault"]["dirty"] = True
    await client._conversations.vault.push_what_is_new()
    await client._transport.close()
    await alice.page.reload()
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
    for head, left_by in enumerate(("this version", "an older one"), 4):
        if left_by == "an older one":
            await alice.page.evaluate(LEAVE)
        version = (await alice.page.evaluate(OPEN))["version"]
        await alice.page.evaluate(CHANGE, {"own": [head, "A" * 43]})
        vault = await alice.page.evaluate(OPEN)
        assert vault["version"] == version + 1, left_by
        assert vault["settings"] == {"at": 1, "typing": False}, left_by
        (contact,) = (one for one in vault["contacts"].values() if one["own"] == [head, "A" * 43])
        assert (contact["zz"], contact["blocks"], contact["met"]["at"]) == ({"q": 1}, [[1, 2]], LATE_AT), left_by
