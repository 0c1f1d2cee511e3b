"""Three people on one server, each with a different client: a browser, the library, and a program at a bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.conftest import Server
from tests.support.bridged import Bridge, User
from tests.support.player import Player, contact_of
from tests.support.someone import Someone

Three = tuple[Someone, Player, User]


@pytest_asyncio.fixture(loop_scope="session")
async def three(browser: Browser, server: Server, tmp_path: Path) -> AsyncIterator[Three]:
    """Alice in a browser, Bob with the library, Carol with a program at her bridge."""
    alice = await Someone.is_in(browser, server, "alice")
    bob = (await Player.register(server, "bob", tmp_path)).listen()
    async with Bridge(server.url, tmp_path / "bridge") as bridge:
        yield alice, bob, await bridge.user("carol")
    await bob.leave()


async def test_each_pair_of_three_clients_talks_both_ways_sees_the_same_history_and_can_verify_each_other(
    three: Three,
) -> None:
    alice, bob, carol = three

    await alice.starts_with(bob.client.search_pin)  # she typed it: verified, in her browser
    await alice.writes("alice to bob")
    await bob.hears("alice to bob")
    with_alice = await contact_of(bob, "alice")
    assert with_alice.verified == ""  # he did not
    await bob.client.send(with_alice, "bob to alice")
    await alice.sees("alice to bob", "bob to alice")

    with_carol = await bob.client.start(carol.search_pin)
    await bob.client.send(with_carol, "bob to carol")
    await carol.hears(with_carol.conversation_id, "bob to carol")
    await carol.send(with_carol.conversation_id, "carol to bob 👋")

    where = await carol.start(alice.search_pin)
    verified = {contact["partner_username"]: contact["verified"] for contact in await carol.contacts()}
    assert verified == {"alice": "search-pin", "bob": ""}
    await carol.send(where, "carol to alice")
    await alice.opens("carol")
    await alice.sees("carol to alice")
    await alice.writes("alice to carol\nשלום")
    await carol.hears(where, "carol to alice", "alice to carol\nשלום")
    await carol.send(where, "live")
    await alice.sees("carol to alice", "alice to carol\nשלום", "live")

    await bob.hears("alice to bob", "bob to alice", "bob to carol", "carol to bob 👋")
    assert [message.text for message in await bob.client.history(with_alice)] == ["alice to bob", "bob to alice"]
    both = [message.text for message in await bob.client.history(with_carol)]
    assert both == await carol.texts(with_carol.conversation_id) == ["bob to carol", "carol to bob 👋"]
    assert await carol.texts(where) == ["carol to alice", "alice to carol\nשלום", "live"]
    await alice.page.reload()
    await alice.sees("carol to alice", "alice to carol\nשלום", "live")
    await alice.opens("bob")
    await alice.sees("alice to bob", "bob to alice")
    assert {message.place for message in bob.heard} == {"ok"}
    assert {row.get("place", "ok") for row in await carol.read(where)} == {"ok"}
    assert alice.errors == []

    page = alice.page
    await page.get_by_role("button", name="Verified by Search PIN").click()
    shown = page.get_by_test_id("safety-number")
    await expect(shown).not_to_be_empty()
    number = bob.client.safety_number(with_alice)
    assert (await shown.inner_text()).replace(" ", "") == number.replace(" ", "")
    assert (await bob.client.start(alice.search_pin)).verified == "search-pin"

    await alice.opens("carol")
    await page.get_by_role("button", name="Not verified").click()
    await page.get_by_label("The PIN they gave you").fill(carol.search_pin)
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()

    assert with_carol.verified == "search-pin"
    await carol.start(bob.client.search_pin)
    assert {contact["verified"] for contact in await carol.contacts()} == {"search-pin"}
