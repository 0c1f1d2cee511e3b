"""Only a person can confirm something: scripted events of any name do nothing."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.browser.lies.liar import Answer
from tests.browser.lies.peers import noise
from tests.browser.lies.stage import Stage, Visitor, told
from tests.browser.lies.test_headers import GO_ON, SAME, click, with_header
from tests.browser.lies.test_order import DISORDER
from tests.browser.lies.test_rows import talk
from tests.browser.lies.watching import FORGED, STOLEN
from tests.support.someone import texts_of, until

__all__ = ["talk"]

# Dispatches an event on every matching element, and clicks in every way that a script can.
MADE_UP = """([selector, name]) => {
    for (const element of document.querySelectorAll(selector)) {
        const kind = { click: MouseEvent, keydown: KeyboardEvent, submit: SubmitEvent }[name] ?? CustomEvent;
        element.dispatchEvent(new kind(name, {
            bubbles: true, cancelable: true, composed: true, button: 0, key: "Enter", submitter: null,
            detail: { message_id: "x", conversation: "x", how: "safety-number", verdict: "ok", code: 1008 },
        }));
        if (name === "click") element.click();
    }
}"""
CONFIRMING = {
    "the numbers are the same": SAME,
    "they gave me the link": "[data-do=gave]",
    "go on": "[data-do=go-on]",
    "scan": "[data-do=scan]",
    "close": "[data-do=close]",
    "trust": ".trust",
    "settings": ".me [href='/settings']",
    "start": "start-conversation [type=submit]",
    "send": "message-composer [type=submit]",
    "try again": "[data-do=retry]",
    "edit": "[data-do=edit]",
    "every button": "button",
    "every link": "a",
    "everything": "body *",
}
NAMES = [
    "submit", "keydown", "keypress", "keyup", "dblclick", "auxclick", "mousedown", "pointerdown", "change", "contact",
    "alarm", "judged", "verified", "ready", "trigger", "htmx:load", "htmx:config:request", "htmx:before:swap",
    "htmx:after:swap", "htmx:abort", "message", "close", "toggle", "contextmenu", "paste", "formdata", "invalid",
]  # fmt: skip


async def is_as_it_was(stage: Stage, url: str) -> None:
    """Nothing was verified, sent, accepted, taken back or left."""
    contact = await stage.contact()
    assert (contact["verified"], contact["accepted"]) == ("search-pin", [])
    assert stage.page.url == url
    await expect(stage.composer).to_have_value("not to be sent")
    assert not [one for one in stage.liar.heard[stage.watch.since :] if one.startswith("POST ")]


async def test_a_scripted_click_does_nothing(stage: Stage) -> None:
    await stage.is_listening()
    retry = stage.page.get_by_role("button", name="Try again")
    await stage.page.route("**/send_message", lambda route: route.fulfill(status=422, json={"code": "envelope"}))
    await stage.composer.fill("refused")
    await stage.composer.press("Enter")
    await expect(retry).to_be_visible()  # it waits until somebody clicks
    await stage.page.unroute("**/send_message")
    await stage.composer.fill("not to be sent")
    await (await stage.alice.new_chat()).fill(stage.bob.search_pin)
    url = stage.page.url
    for name, selector in CONFIRMING.items():
        with told(name):
            await expect(stage.page.locator(selector).first).to_be_attached()
            await stage.page.evaluate(MADE_UP, [selector, "click"])
            await is_as_it_was(stage, url)
    await stage.is_listening()  # any effect would be visible by now
    await is_as_it_was(stage, url)
    await retry.click()  # control: a person's click
    await expect(stage.page.locator(".pending")).to_have_count(0)
    assert (await stage.bob.last()).text == "refused"
    await stage.carries_on()


async def test_a_scripted_event_of_any_name_confirms_nothing(stage: Stage) -> None:
    await stage.is_listening()
    await stage.composer.fill("not to be sent")
    url = stage.page.url
    for name in NAMES:
        with told(name):
            await stage.page.evaluate(MADE_UP, ["body, body *", name])
            await is_as_it_was(stage, url)
    await stage.is_listening()
    await is_as_it_was(stage, url)
    await expect(stage.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    await stage.carries_on()


ENDING = {
    "/settings": ["log-out [data-do=ask]", "log-out [data-do=leave]"],
    "/account": ["delete-account [type=submit]", "change-pin [type=submit]"],
    "/search-pin": ["new-search-pin [type=submit]"],
    "/sessions": ["[data-do=end-others], [data-do=end]"],
}


async def test_a_scripted_click_withdraws_ends_or_deletes_nothing(stage: Stage) -> None:
    for path, selectors in ENDING.items():
        await stage.opens(path)
        for selector in selectors:
            await expect(stage.page.locator(selector).first).to_be_attached()
            for field in await stage.page.locator("input[type=text]:visible").all():
                await field.fill(stage.alice.login_pin)
            for name in ("click", "submit", "keydown"):
                await stage.page.evaluate(MADE_UP, [f"{selector}, form, input", name])
        assert stage.page.url == f"{stage.liar.url}{path}"
    await stage.opens()
    assert not [one for one in stage.liar.heard[stage.watch.since :] if one.startswith("POST ")]
    assert stage.watch.leaked(stage.alice.login_pin) == []
    await stage.carries_on()


# Detaches elements first, so that no ancestor receives the events dispatched on them.
APART = """(selector) => {
    for (const part of document.querySelectorAll(selector)) {
        part.remove();
        for (const element of part.querySelectorAll(":not(a)")) {
            for (const [kind, name] of [[MouseEvent, "click"], [SubmitEvent, "submit"], [KeyboardEvent, "keydown"]]) {
                element.dispatchEvent(new kind(name, { bubbles: true, cancelable: true, key: "Enter" }));
            }
        }
    }
}"""


DETACHED = {
    "": ["message-thread", "aside"],
    "/account": ["delete-account, change-pin"],
    "/search-pin": ["new-search-pin"],
    "/sessions": ["device-list"],
}


async def test_a_detached_element_ignores_scripted_events(stage: Stage) -> None:
    for path, selectors in DETACHED.items():
        await stage.opens(path)
        if not path:
            await stage.is_listening()
            await stage.composer.fill("not to be sent")
        for selector in selectors:
            await expect(stage.page.locator(selector).first).to_be_attached()
        for field in await stage.page.locator("input[type=text]:visible").all():
            await field.fill(stage.alice.login_pin if path else stage.bob.search_pin)
        for selector in selectors:
            await stage.page.evaluate(APART, selector)
        await stage.page.wait_for_timeout(500)
        assert not [one for one in stage.liar.heard[stage.watch.since :] if one.startswith("POST ")], path
    await stage.opens()
    assert (await stage.contact())["verified"] == "search-pin"
    await stage.carries_on()


# Has htmx process an element, and calls it directly.
HTMX = """async (address) => {
    const vendored = document.querySelector("[src*=boot]").src.replace("js/boot.js", "vendor/htmx-4.0.1.esm.min.js");
    const { default: htmx } = await import(vendored);
    const element = document.createElement("button");
    for (const [name, value] of [["hx-get", address], ["hx-trigger", "load, click"]]) element.setAttribute(name, value);
    document.body.append(element);
    htmx.process(element);
    element.click();
    await htmx.ajax("GET", address)?.catch(() => {});
    return element.outerHTML;
}"""


async def test_htmx_makes_no_requests(stage: Stage) -> None:
    before = f'<button hx-get="/{STOLEN}" hx-trigger="load, click"></button>'
    assert await stage.page.evaluate(HTMX, f"/{STOLEN}") == before
    await stage.page.evaluate("() => document.body.lastElementChild.remove()")
    await stage.carries_on()  # checks all requests


async def test_a_scripted_click_logs_nobody_in(visitor: Visitor) -> None:
    await visitor.opens()
    await visitor.types_and_nothing_leaves()
    for selector in ("log-in [type=submit]", "create-account [type=submit]", "form"):
        for name in ("click", "submit", "keydown"):
            await visitor.page.evaluate(MADE_UP, [selector, name])
    await visitor.types_and_nothing_leaves()
    assert visitor.page.url == f"{visitor.liar.url}/"


async def test_only_a_person_can_dismiss_an_alarm(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("mine")
    await talk.bob.writes("I have seen another", a=(1, noise(32)))
    alarm = talk.page.locator("[data-alarm]")
    await expect(alarm).to_contain_text(DISORDER)
    for name in ("click", "alarm"):
        await talk.page.evaluate(MADE_UP, [".alarm, .alarm *", name])
    await talk.bob.writes("more")
    await expect(texts_of(talk.page).last).to_have_text("more")
    await expect(alarm).to_contain_text(DISORDER)
    with talk.liar.lying(".*", with_header("HX-Trigger", click(GO_ON))):
        await talk.page.goto(talk.address)
        talk.liar.slip(talk.news())
        await expect(alarm).to_contain_text(DISORDER)
        await talk.bob.writes("and more")
        await expect(texts_of(talk.page).last).to_have_text("and more")
    await expect(alarm).to_contain_text(DISORDER)
    await expect(talk.composer).to_be_disabled()
    assert (await talk.contact())["accepted"] == []
    await talk.page.get_by_role("button", name="Continue anyway").click()  # control: no lie
    await expect(talk.composer).to_be_enabled()
    assert len((await talk.contact())["accepted"]) == 1


# Another tab holds the vault until it is released.
HOLD = """() => new Promise((held) => {
    navigator.locks.request("ezdms-vault", () => new Promise((release) => { window.release = release; held(); }));
})"""


async def test_an_alarm_raised_while_the_user_continues_after_another_stays(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("mine")
    await talk.bob.writes("I have seen another", a=(1, noise(32)))
    alarm, go_on = talk.page.locator("[data-alarm]"), talk.page.get_by_role("button", name="Continue anyway")
    await expect(alarm).to_contain_text(DISORDER)
    await talk.page.evaluate(HOLD)
    await go_on.click()
    await talk.bob.writes("and yet another", a=(1, noise(32)))
    await expect(texts_of(talk.page).last).to_have_text("and yet another")
    await talk.page.evaluate("() => window.release()")

    async def has_gone_on() -> bool:
        return bool((await talk.contact())["accepted"])

    await until(has_gone_on)
    await talk.is_listening()  # any other effect would be visible by now
    assert len((await talk.contact())["accepted"]) == 1
    await expect(alarm).to_contain_text(DISORDER)
    await expect(talk.composer).to_be_disabled()
    await go_on.click()  # control: no lie
    await expect(talk.composer).to_be_enabled()
    assert len({*(await talk.contact())["accepted"]}) == 2


async def test_a_session_list_cannot_end_a_session(stage: Stage) -> None:
    """A row that claims to be another device has a button; only pressing it ends the session."""

    def change(answer: Answer) -> None:
        answer.text = answer.text.replace("data-current", "")

    with stage.liar.lying("GET /sessions/list", change):
        await stage.opens("/sessions")
        await expect(stage.page.get_by_role("button", name="Log out:").first).to_be_visible()
        await stage.page.evaluate(MADE_UP, ["[data-do=end]", "click"])
    await stage.opens()
    assert not [one for one in stage.liar.heard[stage.watch.since :] if one.startswith("POST ")]
    await stage.carries_on()


async def test_sessions_are_named_in_the_pages_own_words(stage: Stage) -> None:
    words = {FORGED: "Another program", "ezdms": "EZ-DMS in a terminal or program", "Edge on Mac": "Edge on Mac"}
    for browser, shown in words.items():

        def change(answer: Answer, browser: str = browser) -> None:
            answer.text = re.sub(r'data-browser="[^"]*"', f'data-browser="{browser}"', answer.text)

        with told(browser), stage.liar.lying("GET /sessions/list", change):
            await stage.opens("/sessions")
            await expect(stage.page.locator(".browser").first).to_have_text(shown)
        assert FORGED not in await stage.page.locator("main").inner_text()
