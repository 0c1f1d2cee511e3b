"""Notifications: asked for once, “New message” and nothing else, and gone without a trace when turned off.

The push service is this test's own (tests/support/push_service.py): Chromium's cannot be reached here, so what the
browser subscribes to is replaced. Everything after that is real: the server's push, and the service worker, which
Chromium's own protocol hands the push to.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Worker, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.support import push_service
from tests.support.hostile import Hostile
from tests.support.push_service import PushService
from tests.support.someone import Someone, until

pytestmark = pytest.mark.parametrize("browser_name", ["with notifications"], indirect=True, ids=[""])

# In place of the browser's own: the endpoint and the keys of the test.
SUBSCRIPTION = """
    let isSubscribed = false;
    const subscription = (options) => ({
        options, toJSON: () => FIELDS, unsubscribe: async () => { isSubscribed = false; return true; },
    });
    let current = null;
    PushManager.prototype.getSubscription = async () => (isSubscribed ? current : null);
    PushManager.prototype.subscribe = async (options) => {
        if (globalThis.noService) throw new DOMException("no", "AbortError");
        isSubscribed = true;
        const key = options.applicationServerKey;
        current = subscription({ ...options, applicationServerKey: key.buffer ?? key });
        return current;
    };
    globalThis.asked = 0;
    const ask = Notification.requestPermission.bind(Notification);
    Notification.requestPermission = () => { globalThis.asked += 1; return ask(); };
"""
SHOWN = """async () => {
    const [registration] = await navigator.serviceWorker.getRegistrations();
    const shown = await registration?.getNotifications() ?? [];
    return shown.map(({ title, body, tag, data, silent }) => [title, body, tag, data, silent ?? false]);
}"""
SCOPES = """async () => (await navigator.serviceWorker.getRegistrations())
    .map(({ active, scope }) => (active ? new URL(scope).pathname : "")).sort()"""
SHOWN_AT = """async (scope) => {
    const all = await navigator.serviceWorker.getRegistrations();
    const [one] = all.filter((each) => each.scope.endsWith(scope));
    return (await one.getNotifications()).map(({ tag }) => tag);
}"""
# In a worker: shows a notification, which is pressed. How many are left, and which window was to be opened.
PRESS = """async () => {
    await show();
    const [notification] = await registration.getNotifications();
    const event = new NotificationEvent("notificationclick", { notification });
    let [opened, done] = [null, null];
    clients.openWindow = async (url) => { opened = url; };
    event.waitUntil = (promise) => { done = promise; };
    dispatchEvent(event);
    await done.catch(() => {}); // bringing a page to the front takes a person
    return [(await registration.getNotifications()).length, opened];
}"""
WORKERS = "async () => (await navigator.serviceWorker.getRegistrations()).map((one) => one.active?.scriptURL ?? '')"
# Counts what a page shows by itself.
COUNT = """() => {
    globalThis.told = 0;
    const show = ServiceWorkerRegistration.prototype.showNotification;
    ServiceWorkerRegistration.prototype.showNotification = function (...given) {
        globalThis.told += 1;
        return show.apply(this, given);
    };
}"""
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    Object.defineProperty(document, "visibilityState", { value: hidden ? "hidden" : "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service() -> AsyncIterator[PushService]:
    """The push service."""
    async with PushService() as service:
        yield service


@pytest.fixture
def home_settings() -> dict[str, str]:
    """The server may send pushes to this machine."""
    return {"push_allow_local": "on"}


@pytest_asyncio.fixture(loop_scope="session")
async def alice(home: Home, service: PushService) -> Someone:
    """At her settings, with a browser that can be reached through the push service. Each test turns off what it has
    turned on."""
    if "alice" not in home.people:
        alice = await home.person("alice")
        alice.keys = push_service.Browser()  # type: ignore[attr-defined]
        fields = alice.keys.fields(f"{service.url}/alice")  # type: ignore[attr-defined]
        given = {"endpoint": fields.pop("endpoint"), "keys": fields}
        await alice.context.add_init_script(f"{{ const FIELDS = {json.dumps(given)}; {SUBSCRIPTION} }}")
    alice = home.people["alice"]
    service.answers.clear()
    service.pushed.clear()
    read = """UPDATE participants SET read_seq = (
        SELECT last_seq FROM conversations c WHERE c.conversation_id = participants.conversation_id)"""
    Hostile(home.server).run(read)
    await alice.context.grant_permissions(["notifications"])
    await alice.starts_afresh("/settings")
    return alice


def the_switch(alice: Someone) -> Locator:
    return alice.page.get_by_role("switch", name="Notifications", exact=True)


def the_button(alice: Someone) -> Locator:
    return alice.page.get_by_role("button", name="Turn on notifications")


async def turned_on(alice: Someone) -> None:
    await the_button(alice).click()
    await expect(the_switch(alice)).to_be_checked()
    await expect(the_button(alice)).to_be_hidden()

    async def is_subscribed() -> bool:
        answer: Any = await alice.page.evaluate(
            "async () => (await fetch('/push', {headers: {Accept: 'application/json'}})).json()"
        )
        return bool(answer["is_on"])

    await until(is_subscribed)


async def writes_until_pushed(bob: Peer, service: PushService) -> None:
    """Write until a push is sent: the server may not know yet that a page was closed."""
    for number in range(40):
        await bob.writes(f"a secret {number}")
        for _ in range(10):
            if service.pushed:
                return
            await asyncio.sleep(0.05)
    raise AssertionError("no push was sent")


async def deliver(alice: Someone, scope: str = "/static/js/") -> None:
    """Hand a push to the service worker, as the browser does when its push service has one."""
    session = await alice.context.new_cdp_session(alice.page)
    found: list[Any] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(event["registrations"]))
    await session.send("ServiceWorker.enable")
    await until(lambda: bool([one for one in found if one["scopeURL"].endswith(scope)]))
    [*_, registration] = [one for one in found if one["scopeURL"].endswith(scope)]
    await session.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": alice.address, "registrationId": registration["registrationId"], "data": "New message"},
    )
    await session.detach()


async def worker_of(alice: Someone, place: str = "") -> Worker:
    """The one that is registered there. Those of earlier tests may still run."""
    scope = "() => (registration.active ? registration.scope : null)"
    found = [one for one in alice.context.service_workers if (await one.evaluate(scope) or "").endswith(f"/js/{place}")]
    assert len(found) == 1
    return found[0]


async def met(home: Home, alice: Someone) -> Peer:
    """Someone with whom Alice talks: nobody is notified of a request."""
    bob = await home.peer()
    await alice.goes_to("/")
    await alice.starts_with(bob.search_pin)
    await bob.starts_with(alice.search_pin)
    return bob


async def test_nothing_is_asked_or_installed_until_they_are_turned_on_nor_left_when_they_are_off(
    alice: Someone,
) -> None:
    page = alice.page
    await expect(the_switch(alice)).not_to_be_checked()
    await expect(page.get_by_text(re.compile("push service of your browser’s maker"))).to_be_visible()
    assert await page.evaluate("globalThis.asked") == 0
    assert await page.evaluate(WORKERS) == []
    await turned_on(alice)
    assert await page.evaluate("globalThis.asked") == 1
    assert await page.evaluate(WORKERS) == [f"{alice.address}/static/js/worker.js"]
    await page.reload()
    await expect(the_switch(alice)).to_be_checked()
    assert await page.evaluate("globalThis.asked") == 0

    # The worker handles no requests, and its scope contains no page.
    assert await page.evaluate("navigator.serviceWorker.controller") is None
    assert await page.evaluate(SCOPES) == ["/static/js/"]
    worker = await alice.context.request.get(f"{alice.address}/static/js/worker.js")
    source = await worker.text()
    assert "fetch" not in source
    assert "importScripts" not in source
    assert worker.headers["content-security-policy"].startswith("default-src 'none'; ")

    await the_switch(alice).click()
    await expect(the_button(alice)).to_be_visible()
    assert await page.evaluate(WORKERS) == []
    await alice.context.clear_permissions()
    await page.evaluate(
        "() => { window.ask = Notification.requestPermission; Notification.requestPermission = async () => 'denied'; }"
    )
    await the_button(alice).click()
    await expect(page.get_by_role("alert").filter(has_text="Allow them in the browser’s settings")).to_be_visible()
    await expect(the_switch(alice)).not_to_be_checked()
    assert await page.evaluate(WORKERS) == []
    await alice.context.grant_permissions(["notifications"])
    await page.evaluate("() => { Notification.requestPermission = window.ask; globalThis.noService = true; }")
    await the_button(alice).click()
    await expect(page.get_by_role("alert").filter(has_text="only while EZ-DMS is open in a tab")).to_be_visible()
    await expect(the_switch(alice)).to_be_checked()
    await page.evaluate("() => { globalThis.noService = false; }")
    await the_switch(alice).click()
    await turned_on(alice)
    await alice.logs_out()

    async def is_gone() -> bool:
        return not await page.evaluate(WORKERS)

    await until(is_gone)
    await alice.logs_in()


async def test_a_message_reaches_the_push_service_until_they_are_off_and_the_worker_shows_new_message_alone(
    home: Home, alice: Someone, service: PushService
) -> None:
    await turned_on(alice)
    page, bob = alice.page, await home.peer()
    await bob.starts_with(alice.search_pin)
    service.answers["/alice"] = 410  # the server loses the subscription
    await page.goto("about:blank")  # nobody looks at a page
    await writes_until_pushed(bob, service)

    async def is_lost() -> bool:
        answer = await alice.context.request.get(f"{alice.address}/push", headers={"Accept": "application/json"})
        return not (await answer.json())["is_on"]

    await until(is_lost)  # on a busy machine, the next load could come before that
    service.answers.clear()
    service.pushed.clear()
    await page.goto(f"{alice.address}/settings")  # renewed by this load
    await page.wait_for_function(
        "async () => (await (await fetch('/push', {headers: {Accept: 'application/json'}})).json()).is_on"
    )
    await page.goto("about:blank")
    await writes_until_pushed(bob, service)
    assert alice.keys.open(service.pushed[0].body) == b"New message"  # type: ignore[attr-defined]
    await page.goto(f"{alice.address}/settings")
    await deliver(alice)

    async def is_shown() -> bool:
        return bool(await page.evaluate(SHOWN))

    await until(is_shown)
    assert await page.evaluate(SHOWN) == [["New message", "", "new-message", None, False]]
    worker = await worker_of(alice)
    await worker.evaluate("() => Object.defineProperty(navigator, 'language', { value: 'es-MX' })")
    await deliver(alice)

    async def is_in_spanish() -> bool:
        return bool(await page.evaluate(SHOWN) == [["Mensaje nuevo", "", "new-message", None, False]])

    await until(is_in_spanish)
    await the_switch(alice).click()  # off: nothing is left at the server
    await expect(the_button(alice)).to_be_visible()
    assert await page.evaluate(WORKERS) == []
    service.pushed.clear()
    await page.goto("about:blank")
    await bob.writes("hello")
    await page.goto(f"{alice.address}/settings")
    await expect(the_switch(alice)).not_to_be_checked()
    assert service.pushed == []


async def test_a_hidden_page_shows_new_message_itself_and_a_visible_one_or_a_muted_conversation_does_not(
    home: Home, alice: Someone, service: PushService
) -> None:
    await turned_on(alice)
    carol, bob = await met(home, alice), await met(home, alice)
    page = alice.page
    await alice.goes_to("/")
    await bob.writes("first")
    for peer in (bob, carol):
        await expect(alice.list.get_by_role("link", name=peer.name)).to_be_visible()
    await expect(page).to_have_title(re.compile(r"^\(1\)"))
    pushed = len(service.pushed)
    await page.evaluate(COUNT)
    await bob.writes("second")
    await expect(page).to_have_title(re.compile(r"^\(2\)"))
    assert len(service.pushed) == pushed  # somebody looks at a page
    await page.evaluate(HIDE, True)
    await bob.writes("third")
    await expect(page).to_have_title(re.compile(r"^\(3\)"))

    async def is_shown() -> bool:
        return bool(await page.evaluate(SHOWN))

    await until(is_shown)
    assert await page.evaluate("globalThis.told") == 1
    await until(lambda: len(service.pushed) > pushed)
    await page.evaluate(HIDE, False)
    await alice.opens(bob.name)
    await page.get_by_role("button", name="Conversation options").click()
    await page.get_by_role("menuitem", name="Mute", exact=True).click()
    await page.get_by_role("button", name="Always").click()
    await expect(alice.list.get_by_role("link", name=f"{bob.name} Muted")).to_be_visible()
    await page.evaluate("() => { globalThis.told = 0; }")
    pushed = len(service.pushed)
    await page.evaluate(HIDE, True)
    await bob.writes("into a muted conversation")
    await expect(alice.list.get_by_role("link", name=bob.name)).to_contain_text("1 unread")
    await carol.writes("to everyone else")  # the next one is told again, and no push of Bob's was on its way
    await until(lambda: len(service.pushed) > pushed)
    assert (await page.evaluate("globalThis.told"), len(service.pushed)) == (1, pushed + 1)
    await page.evaluate(HIDE, False)
    await page.goto(f"{alice.address}/settings")
    await the_switch(alice).click()
    await expect(the_button(alice)).to_be_visible()


async def test_each_account_of_a_browser_has_its_own_notifications(home: Home, alice: Someone) -> None:
    await turned_on(alice)
    bob = Someone(home.server, "bob")
    bob.context, bob.page = alice.context, await alice.new_tab()
    await bob.page.goto(f"{alice.address}/#account=1")
    await bob.creates_an_account()
    await bob.page.goto(f"{alice.address}/settings")
    await expect(the_switch(bob)).not_to_be_checked()
    await the_button(bob).click()
    await expect(the_switch(bob)).to_be_checked()

    async def have(*places: str) -> None:
        async def is_so() -> bool:
            return bool(await alice.page.evaluate(SCOPES) == [f"/static/js/{place}" for place in places])

        await until(is_so)

    await have("", "1/")

    async def is_shown() -> bool:
        await deliver(alice, "/static/js/1/")  # the first can be lost
        return bool(await alice.page.evaluate(SHOWN_AT, "/static/js/1/"))

    await until(is_shown)
    assert await alice.page.evaluate(SHOWN_AT, "/static/js/1/") == ["new-message-1"]
    assert await alice.page.evaluate(SHOWN_AT, "/static/js/") == []
    for place, shown, other in (("1/", bob, alice), ("", alice, bob)):
        pressed = await worker_of(alice, place)
        assert await pressed.evaluate(PRESS) == [0, None]  # a page of this account is there; the other answers nothing
        await expect(shown.page.get_by_role("heading", name="Your conversations")).to_be_visible()
        assert other.page.url == f"{alice.address}/settings"
        await pressed.evaluate("() => { clients.matchAll = async () => []; }")  # as if no page was open
        assert await pressed.evaluate(PRESS) == [0, f"/#account={place.strip('/') or 0}"]
        await shown.page.goto(f"{alice.address}/settings")
    await the_switch(alice).click()  # off: bob's stay
    await have("1/")
    await expect(the_switch(bob)).to_be_checked()
    await bob.logs_out()
    await have()
