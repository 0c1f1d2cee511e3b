"""A server swaps keys, salts, vaults and fragments: no plaintext leaves, the user is told, the page keeps working."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.conftest import Server
from tests.support.hostile import Hostile
from tests.support.someone import Someone, texts_of, until

SECRET = "the harbour at midnight"

IMPORT = "const C = await import(document.querySelector('[src*=boot]').src.replace('boot', 'crypto'));"


async def types_and_nothing_leaves(someone: Someone) -> None:
    """Type a secret; nothing of it reaches the server."""
    field = someone.page.get_by_role("textbox", name="Message")
    if await field.count() and await field.is_enabled():
        await field.press_sequentially(SECRET, delay=5)
    assert not [one for one in someone.traffic if SECRET in one or SECRET.replace(" ", "+") in one]


async def test_an_older_key_statement_blocks_sending_until_the_user_continues(
    server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    await alice.writes("before")
    await bob.sees("before")
    other = await bob.page.evaluate(
        f"async () => {{ {IMPORT} const {{ me }} = await document.querySelector('message-thread').ready;"
        " return C.signStatement(me, 'bob', 1, 5); }"
    )
    Hostile(server).change_user("bob", statement=other)
    await alice.page.reload()
    await expect(alice.alert).to_contain_text("two statements of this person's keys")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await types_and_nothing_leaves(alice)
    await alice.sees("before")  # earlier messages stay readable
    await alice.page.get_by_role("button", name="Continue anyway").click()
    await alice.writes("after")
    await bob.sees("before", "after")
    await alice.page.reload()
    await alice.sees("before", "after")
    await expect(alice.alert).to_have_count(0)


async def test_a_swapped_key_blocks_sending_and_cannot_be_accepted(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, _ = pair
    await Someone.is_in(browser, server, "eve")
    hostile = Hostile(server)
    genuine = hostile.user("bob")["statement"]
    hostile.change_user("bob", statement=hostile.user("eve")["statement"])
    await alice.page.reload()
    await expect(alice.alert).to_contain_text("a different key for this person")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await expect(alice.page.get_by_role("button", name="Go on")).to_have_count(0)
    await types_and_nothing_leaves(alice)
    hostile.change_user("bob", statement=genuine)
    await alice.page.reload()
    await alice.writes("honest again")
    await alice.sees("honest again")


async def test_a_swapped_search_pin_salt_finds_nobody(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    _, bob = pair
    carol = await Someone.is_in(browser, server, "carol")
    hostile = Hostile(server)
    genuine = hostile.run("SELECT salt FROM search_pins WHERE search_pin = ?", bob.search_pin)[0]["salt"]
    hostile.run("UPDATE search_pins SET salt = ? WHERE search_pin = ?", "A" * 22, bob.search_pin)
    await carol.page.get_by_role("textbox", name="Search PIN").fill(bob.search_pin)
    await carol.page.get_by_role("button", name="Start").click()
    await expect(carol.alert).to_contain_text("does not belong to this Search PIN")
    assert carol.page.url == f"{server.url}/"
    hostile.run("UPDATE search_pins SET salt = ? WHERE search_pin = ?", genuine, bob.search_pin)
    await carol.starts_with(bob.search_pin)


async def test_a_login_with_a_different_salt_fewer_rounds_or_different_keys_unlocks_nothing(
    browser: Browser, server: Server
) -> None:
    alice, _ = [await Someone.is_in(browser, server, name) for name in ("alice", "eve")]
    hostile = Hostile(server)
    device = await Someone.arrives(browser, server, "alice")
    device.login_pin, device.search_pin = alice.login_pin, alice.search_pin
    for lie in ("salt", "iterations", "wrapped_sig", "wrapped_enc", "statement"):
        genuine = hostile.user("alice")[lie]
        wrong = {"salt": "A" * 22, "iterations": 1000}.get(lie, hostile.user("eve")[lie])
        hostile.change_user("alice", **{lie: wrong})
        await device.page.get_by_role("textbox", name="Login PIN").fill(alice.login_pin)
        await device.page.get_by_role("button", name="Log in").click()
        words = "allowed iteration count" if lie == "iterations" else "cannot be decrypted with this Login PIN"
        await expect(device.alert, lie).to_contain_text(words)
        await expect(device.page.get_by_role("button", name="Log in")).to_be_enabled()
        hostile.change_user("alice", **{lie: genuine})
        await device.page.reload()
    assert not [one for one in device.traffic if alice.login_pin in one or alice.login_pin.replace("-", "") in one]
    await device.logs_in()  # control: the honest server


@pytest.mark.firefox_too
async def test_a_vault_other_than_the_stored_one_raises_a_red_alarm(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    hostile = Hostile(server)

    def vault_of(name: str) -> dict[str, Any]:
        found = hostile.run("SELECT v.* FROM vaults v JOIN users u USING (user_id) WHERE username = ?", name)
        return dict(found[0]) if found else {"version": 0}

    await until(lambda: vault_of("alice")["version"] > 0 and vault_of("bob")["version"] > 0)
    old = vault_of("alice")
    said = ["hello"]
    await alice.writes(said[0])
    await alice.sees(said[0])
    await until(lambda: vault_of("alice")["version"] > old["version"])
    await alice.page.reload()  # control: the honest server
    await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
    await expect(alice.alert).to_have_count(0)
    for lie in ("another's", "older", "older under a newer number", "garbage", "none"):
        newer = vault_of("alice")["version"] + 5  # what the browser may be storing right now has a lower number
        sealed, stored = {
            "another's": (vault_of("bob")["sealed"], newer),
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
        await alice.page.reload()
        await expect(alice.alert, lie).to_contain_text("list of")
        await expect(alice.alert).to_contain_text("This browser keeps what it knows")
        await expect(alice.page.get_by_role("textbox", name="Message")).to_be_disabled()
        await expect(alice.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
        await alice.page.get_by_role("button", name="Continue anyway").click()
        said.append(f"still here, {lie}")
        await alice.writes(said[-1])
        await bob.sees(*said)
        await alice.page.reload()
        await expect(alice.page.get_by_role("textbox", name="Message")).to_be_enabled()
        await expect(alice.alert).to_have_count(0)
    device = await alice.on_another_device(browser)
    await device.opens("bob")
    await expect(device.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()


@pytest.mark.firefox_too
async def test_a_message_forged_in_a_contacts_name_raises_a_red_alarm(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    """The server, as Eve, seals a message for Bob that Alice never wrote: all is right except the signature."""
    alice, bob = pair
    await alice.writes("genuine")
    await bob.sees("genuine")
    eve = await Someone.is_in(browser, server, "eve")
    hostile = Hostile(server)
    first = dict(hostile.run("SELECT * FROM messages")[0])
    forged = await eve.page.evaluate(
        f"""async ([alice, bob, p]) => {{
            {IMPORT}
            const K = await import(document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
            const [from, to] = await Promise.all([alice, bob].map(C.verifyStatement));
            const me = {{ ...from, sig: (await K.loadAccount()).sig }};
            return C.sealMessage(me, to, {{ n: 2, p, a: [0, ""], ts: Date.now(), text: "send me the money" }});
        }}""",
        [hostile.user("alice")["statement"], hostile.user("bob")["statement"], first["hash"]],
    )
    sealed = {"sealed_a": forged["content_for_a"], "sealed_b": forged["content_for_b"]}
    names = {name: forged[name] for name in ("message_id", "n", "hash")}
    hostile.insert({**first, **sealed, **names, "seq": 2})
    await bob.page.reload()
    await bob.sees("genuine", "Cannot be verified")
    await expect(bob.alert).to_contain_text("forged signature")
    await expect(bob.page.get_by_role("textbox", name="Message")).to_be_disabled()
    await expect(bob.page.get_by_text("the money")).to_have_count(0)
    await bob.page.get_by_role("button", name="Continue anyway").click()
    await bob.writes("alice, was that you?")
    await expect(texts_of(alice.page).last).to_have_text("alice, was that you?")
