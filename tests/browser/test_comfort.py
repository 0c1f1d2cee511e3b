"""Conveniences: drafts, links, unread counts, order, and the connection status."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.conftest import Server
from tests.support.someone import Someone, texts_of


@pytest.mark.firefox_too
async def test_each_conversation_keeps_its_draft_through_a_reload_until_it_is_sent(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    carol = await Someone.is_in(browser, server, "carol")
    field = alice.page.get_by_role("textbox", name="Message")
    await field.fill("half a thought for bob")
    await alice.page.goto(server.url)
    await alice.starts_with(carol.search_pin)
    await expect(field).to_be_enabled()
    await expect(field).to_have_value("")
    await field.fill("and one for carol")
    await alice.page.reload()
    await expect(field).to_have_value("and one for carol")
    await alice.opens("bob")
    await expect(field).to_have_value("half a thought for bob")
    await alice.page.get_by_role("button", name="Send").click()
    await bob.sees("half a thought for bob")
    await expect(field).to_have_value("")
    await alice.page.reload()
    await expect(field).to_be_enabled()
    await expect(field).to_have_value("")


LINKS = [
    (
        "see https://example.org/a?b=c#d, or (http://example.org/x).",
        ["https://example.org/a?b=c#d", "http://example.org/x"],
    ),
    ("javascript:alert(1) data:text/html,x ftp://a file:///etc //evil.example www.example.org", []),
    ("https://example.org/<b>\"'> https:// http://[", ["https://example.org/"]),
    ("https://пример.рф/ü", ["https://xn--e1afmkfd.xn--p1ai/%C3%BC"]),
]


@pytest.mark.firefox_too
async def test_links_are_clickable_and_tell_the_other_site_nothing(pair: tuple[Someone, Someone]) -> None:
    alice, bob = pair
    for seen, (text, links) in enumerate(LINKS, 1):
        await alice.writes(text)
        for someone in pair:
            await expect(texts_of(someone.page)).to_have_count(seen)
            last = texts_of(someone.page).last
            await expect(last).not_to_be_empty()
            assert await last.evaluate("element => element.textContent") == text
            found = last.locator("a")
            assert await found.evaluate_all("all => all.map((one) => one.href)") == links
            for link in await found.all():
                assert await link.get_attribute("rel") == "noopener noreferrer"
                assert await link.get_attribute("target") == "_blank"
    assert not [one for one in bob.addresses if "example" in one]  # no preview


async def test_the_title_counts_unread_messages_and_the_latest_conversation_is_first(
    browser: Browser, server: Server, pair: tuple[Someone, Someone]
) -> None:
    alice, bob = pair
    carol = await Someone.is_in(browser, server, "carol")
    await bob.page.goto(server.url)
    await expect(bob.page).to_have_title("EZ-DMS")
    await alice.writes("one")
    await alice.writes("two")
    await expect(bob.page).to_have_title("(2) EZ-DMS")
    await carol.starts_with(bob.search_pin)  # a new contact appears automatically
    await expect(bob.list.get_by_role("link").first).to_contain_text("carol")
    await carol.writes("three")
    await expect(bob.page).to_have_title("(3) EZ-DMS")
    await alice.writes("four")
    await expect(bob.list.get_by_role("link").first).to_contain_text("alice")
    await expect(bob.page).to_have_title("(4) EZ-DMS")
    await bob.opens("alice")
    await expect(bob.page).to_have_title("(1) alice · EZ-DMS")
    await bob.opens("carol")
    await expect(bob.page).to_have_title("carol · EZ-DMS")


async def test_the_page_shows_that_it_is_offline_and_sends_queued_messages_on_reconnect(
    pair: tuple[Someone, Someone],
) -> None:
    alice, bob = pair
    await alice.context.set_offline(True)
    await expect(alice.page.locator("#connection")).to_contain_text("You are offline")
    await alice.writes("first")
    await alice.writes("second")
    pending = alice.page.locator(".pending")
    await expect(pending.first).to_contain_text("You are offline. It will be sent when you are connected again.")
    await expect(pending.last).to_contain_text("Queued after the message before it")
    await alice.context.set_offline(False)
    await bob.sees("first", "second")
    await alice.sees("first", "second")
    await expect(pending).to_have_count(0)
    await expect(alice.page.locator("#connection")).not_to_contain_text("offline")


@pytest.mark.firefox_too
async def test_slow_operations_show_their_progress(browser: Browser, server: Server) -> None:
    alice = await Someone.arrives(browser, server, "alice")
    told = """() => new Promise((resolve) => {
        const button = document.querySelector("%s [type=submit]"), seen = [];
        new MutationObserver(() => seen.push(button.textContent)).observe(button, { childList: true });
        addEventListener("pagehide", () => sessionStorage.setItem("told", JSON.stringify(seen)));
        resolve();
    })"""
    seen = "() => JSON.parse(sessionStorage.getItem('told'))"
    await alice.page.evaluate(told % "create-account")
    await alice.creates_an_account()
    assert (await alice.page.evaluate(seen))[:3] == ["Creating your keys…", "Encrypting them…", "Registering…"]
    await alice.page.get_by_role("button", name="Log out").click()
    await expect(alice.page.get_by_role("button", name="Log in")).to_be_enabled()
    await alice.page.evaluate(told % "log-in")
    await alice.logs_in()
    assert (await alice.page.evaluate(seen))[:2] == ["Checking…", "Unlocking your keys…"]


async def test_times_are_shown_in_the_readers_time_zone(browser: Browser, server: Server) -> None:
    shown = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        alice, bob = [await Someone.is_in(browser, server, name, timezone_id=zone) for name in ("alice", "bob")]
        await alice.starts_with(bob.search_pin)
        await alice.writes("now")
        time = alice.page.locator("message-row local-time")
        await expect(time).not_to_be_empty()
        moment, told = await time.get_attribute("datetime"), await time.inner_text()
        expected = await alice.page.evaluate(
            """([moment, timeZone]) => new Intl.DateTimeFormat(
                undefined, { hour: "2-digit", minute: "2-digit", timeZone }).format(new Date(moment))""",
            [moment, zone],
        )
        assert told == expected
        shown.append(told)
    assert shown[0] != shown[1]
