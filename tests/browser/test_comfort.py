"""Conveniences: drafts, links, unread counts, order, and the connection status."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from playwright.async_api import expect

from tests.browser.home import Home, Paused, paused
from tests.browser.lies.peers import Peer
from tests.support.people import JSON
from tests.support.someone import Someone, texts_of, until


@pytest.mark.firefox_too
async def test_each_conversation_keeps_its_draft_through_a_reload_until_it_is_sent(
    home: Home,
) -> None:
    alice, bob, carol = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    field = alice.page.get_by_role("textbox", name="Message")
    await field.fill("half a thought for bob")
    await alice.goes_to("/")
    await alice.starts_with(carol.search_pin)
    await expect(alice.page.get_by_role("heading", name=carol.name)).to_be_visible()
    await expect(field).to_be_enabled()
    await expect(field).to_have_value("")
    await field.fill("and one for carol")
    await alice.page.reload()
    await expect(field).to_have_value("and one for carol")
    await alice.opens(bob.name)
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
    ("javascript:alert(1) data:text/html,x ftp://a file:///etc //evil.example //www.example.org", []),
    ("https://example.org/<b>\"'> https:// http://[", ["https://example.org/"]),
    ("https://пример.рф/ü", ["https://xn--e1afmkfd.xn--p1ai/%C3%BC"]),
]


async def test_links_are_clickable_and_tell_the_other_site_nothing(home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    alice.records()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    said: list[str] = []
    for writer in (alice, bob):
        for text, links in LINKS:
            said.append(text)
            await writer.writes(text)
            await expect(texts_of(alice.page)).to_have_count(len(said))
            last = texts_of(alice.page).last
            await expect(last).not_to_be_empty()
            assert await last.evaluate("element => element.textContent") == text
            found = last.locator("a")
            assert await found.evaluate_all("all => all.map((one) => one.href)") == links
            for link in await found.all():
                assert await link.get_attribute("rel") == "noopener noreferrer"
                assert await link.get_attribute("target") == "_blank"
    await bob.sees(*said)
    assert not [one for one in alice.addresses if "example" in one]  # no preview


async def meet(alice: Someone, *peers: Peer) -> None:
    """Alice has started a conversation with each of them: they are no requests. She is at her list."""
    for peer in peers:
        await alice.starts_with(peer.search_pin)
        await peer.starts_with(alice.search_pin)
    await alice.goes_to("/")


# The tab goes to the background, or comes back. Headless browsers show all tabs at once.
HIDE = """(isHidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, value: isHidden });
    navigator.setAppBadge = async (count) => { window.badge = count; };
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_titles_count_what_is_unread_in_every_tab_and_the_latest_conversation_is_first(home: Home) -> None:
    alice, bob, carol = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    page, lines = alice.page, alice.list.get_by_role("link")
    await meet(alice, bob)
    await expect(page).to_have_title("EZ-DMS")
    await bob.writes("one")
    await bob.writes("two")
    await expect(page).to_have_title("(2) EZ-DMS")
    await carol.starts_with(alice.search_pin)  # a new contact appears automatically
    await expect(lines.first).to_contain_text(carol.name)
    await carol.writes("three")
    await expect(lines.first).to_contain_text("1 unread")
    await expect(page).to_have_title("(2) EZ-DMS")  # a request does not count
    await bob.writes("four")
    await expect(lines.first).to_contain_text(bob.name)
    await expect(page).to_have_title("(3) EZ-DMS")
    await alice.opens(carol.name)  # and accepts
    await expect(page).to_have_title(f"(3) {carol.name} · EZ-DMS")
    await alice.opens(bob.name)
    await expect(page).to_have_title(f"{bob.name} · EZ-DMS")
    await carol.writes("five")
    await expect(page).to_have_title(f"(1) {bob.name} · EZ-DMS")
    await alice.opens(carol.name)
    await expect(page).to_have_title(f"{carol.name} · EZ-DMS")

    await alice.goes_to("/")
    other = await alice.new_tab()
    await other.goto(f"{alice.address}/account")
    for peer in (bob, carol):
        await peer.writes("hello")
    await expect(lines.first).to_contain_text(carol.name)
    await expect(page).to_have_title("(2) EZ-DMS")
    await expect(other).to_have_title("(2) Account · EZ-DMS")
    await alice.context.request.get(f"{alice.address}/messages/{bob.conversation}", headers=JSON)  # outside any tab
    await expect(page).to_have_title("(1) EZ-DMS")
    await expect(other).to_have_title("(1) Account · EZ-DMS")
    await expect(alice.list.get_by_role("link", name=bob.name)).not_to_contain_text("unread")
    await expect(lines.first).to_contain_text(carol.name)  # it keeps its place
    await alice.opens(carol.name)
    await expect(other).to_have_title("Account · EZ-DMS")

    titles = ((page, f"{carol.name} · EZ-DMS"), (other, "Account · EZ-DMS"))
    await page.evaluate(HIDE, True)
    await carol.writes("unseen")  # in an open conversation, but nobody looks
    await alice.sees("three", "five", "hello", "unseen")
    for tab, title in titles:
        await expect(tab).to_have_title(f"(1) {title}")
    assert await page.evaluate("() => window.badge") == 1
    fetch = f"() => document.querySelector('message-thread').loaded.load('/messages/{carol.conversation}?after=3')"
    await page.evaluate(fetch)  # it reconnects, and nobody looks
    await expect(other).to_have_title("(1) Account · EZ-DMS")
    await page.evaluate(HIDE, False)
    for tab, title in titles:
        await expect(tab).to_have_title(title)
    assert await page.evaluate("() => window.badge") == 0


RENEW = """async () => {
    const { renewList } = await import(document.querySelector("[src*=boot]").src.replace("boot", "conversation-list"));
    await renewList();
}"""


async def test_the_list_is_asked_for_until_it_arrives_and_moves_nothing_newer_down(home: Home) -> None:
    """Its answer may be lost, or older than what the page has heard meanwhile."""
    alice, bob, carol = await home.person("alice", is_kept=True), await home.peer(), await home.peer()
    await meet(alice, bob, carol)
    asked, fetched, may_go = 0, asyncio.Event(), asyncio.Event()

    async def answer(request: Paused) -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            await request.is_answered(status=503)
        else:
            fetched.set()
            await may_go.wait()
            await request.goes_on()

    for peer in (carol, bob):
        await peer.writes("hello")
    async with paused(alice.page, "*/conversations/*", answer, is_answered=True):
        await alice.page.reload()
        await until(fetched.is_set)
        may_go.set()
        lines = alice.list.get_by_role("link")
        await expect(lines.first).to_contain_text(bob.name)
        fetched.clear()
        may_go.clear()
        renewed = asyncio.create_task(alice.page.evaluate(RENEW))
        await until(fetched.is_set)
        await carol.writes("newer than the list")
        await expect(lines.first).to_contain_text(carol.name)
        may_go.set()
        await renewed
    await expect(lines.first).to_contain_text(carol.name)
    await expect(lines.nth(1)).to_contain_text(bob.name)
    for peer in (bob, carol):  # nothing unread is left to the next test
        await alice.opens(peer.name)
        await expect(lines.filter(has_text=peer.name)).not_to_contain_text("unread")


async def test_the_page_shows_that_it_is_offline_and_sends_queued_messages_on_reconnect(
    home: Home,
) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
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


async def test_times_are_shown_in_the_readers_time_zone(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    await alice.starts_with((await home.peer()).search_pin)
    await alice.writes("now")
    await alice.sees("now")
    session = await alice.context.new_cdp_session(alice.page)
    shown = []
    for zone in ("UTC", "Asia/Tokyo"):
        if zone != await alice.page.evaluate("() => Intl.DateTimeFormat().resolvedOptions().timeZone"):
            await session.send("Emulation.setTimezoneOverride", {"timezoneId": zone})
            await alice.page.reload()
        await alice.sees("now")
        time = alice.page.locator("message-row local-time").last
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
    await session.send("Emulation.setTimezoneOverride", {"timezoneId": ""})


# How many different colors there are, and the lowest contrast of a letter on its color.
CONTRASTS = """(element) => {
    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = (color) => {
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const [hue, colors, contrasts] = [element.dataset.hue, new Set(), []];
    for (let i = 0; i < 12; i += 1) {
        element.dataset.hue = i;
        const { color, backgroundColor } = getComputedStyle(element);
        colors.add(backgroundColor);
        const [low, high] = [light(color), light(backgroundColor)].sort((one, other) => one - other);
        contrasts.push(high / low);
    }
    element.dataset.hue = hue;
    return [colors.size, Math.min(...contrasts)];
}"""


async def test_an_avatar_has_the_color_of_the_key_in_list_and_header(home: Home) -> None:
    alice, bob, other = await home.person("alice", is_kept=True), await home.peer("bobby"), await home.peer("bobbo")
    await alice.starts_with(bob.search_pin)
    await other.starts_with(alice.search_pin)
    for peer in (bob, other):  # a contact, and someone whose name comes from a key statement
        line = alice.list.get_by_role("link", name=peer.name)
        await expect(line.locator(".avatar")).to_have_attribute("data-hue", str(peer.keys.ik[0] % 12))
        await expect(line.locator(".avatar")).to_have_text("b")
    header = alice.page.locator(".partner .avatar")
    await expect(header).to_have_attribute("data-hue", str(bob.keys.ik[0] % 12))
    schemes: tuple[Literal["dark", "light"], ...] = ("dark", "light")
    for scheme in schemes:
        await alice.page.emulate_media(color_scheme=scheme)
        colors, contrast = await header.evaluate(CONTRASTS)
        assert colors == 12
        assert contrast >= 4.5, scheme
