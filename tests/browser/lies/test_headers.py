"""Headers that a library or a browser might obey, on every response: none has an effect."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import expect

from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.watching import FORGED, STOLEN, stored_in
from tests.support.someone import until

ANY, NO_DOCUMENT = ".*", r"(GET /(c/.*/open|conversations/.*|messages/.*|me|vault|sessions/list)|POST .*)"
SAME, GO_ON = "[data-do=same]", ".alarm [data-do=go-on]"


def click(target: str) -> str:
    """The header value that made htmx click."""
    return json.dumps({"click": {"target": target}})


OF_HTMX = {
    "trigger same": ("HX-Trigger", click(SAME)),
    "trigger go on": ("HX-Trigger", click(GO_ON)),
    "trigger gave": ("HX-Trigger", click("[data-do=gave]")),
    "trigger settings": ("HX-Trigger", click("[href='/settings']")),
    "trigger submit": ("HX-Trigger", json.dumps({"submit": {"target": "form"}})),
    "trigger plain": ("HX-Trigger", "click, submit, contact, judged, alarm, htmx:load"),
    "trigger after swap": ("HX-Trigger-After-Swap", click(SAME)),
    "trigger after settle": ("HX-Trigger-After-Settle", click(SAME)),
    "redirect": ("HX-Redirect", f"/{STOLEN}"),
    "redirect away": ("HX-Redirect", f"http://127.0.0.1:9/{STOLEN}"),
    "redirect to a script": ("HX-Redirect", f"javascript:fetch('/{STOLEN}')"),
    "refresh": ("HX-Refresh", "true"),
    "location": ("HX-Location", f"/{STOLEN}"),
    "location with a target": (
        "HX-Location",
        json.dumps({"path": f"/{STOLEN}", "target": "body"}),
    ),
    "push": ("HX-Push-Url", f"/{STOLEN}"),
    "replace": ("HX-Replace-Url", f"/{STOLEN}"),
    "retarget": ("HX-Retarget", "body"),
    "reswap": ("HX-Reswap", "delete"),
    "reselect": ("HX-Reselect", "*"),
}
OF_BROWSERS = {
    "location of a 200": ("Location", f"/{STOLEN}"),
    "content location": ("Content-Location", f"/{STOLEN}"),
    # Firefox obeys it: tests/pinned/test_pinned_in_firefox.py
    "link style sheet": ("Link", f"</{STOLEN}.css>; rel=stylesheet"),
    "referrer": ("Referrer-Policy", "unsafe-url"),
    "source map": ("SourceMap", f"/{STOLEN}.map"),
    "worker": ("Service-Worker-Allowed", "/"),
    "cookie": ("Set-Cookie", f"more={FORGED}; HttpOnly"),
    "another origin": ("Access-Control-Allow-Origin", "*"),
    "opener": ("Cross-Origin-Opener-Policy", "unsafe-none"),
    "cached": ("Cache-Control", "public, max-age=1000"),
    "vary": ("Vary", "*"),
    "permissions": ("Permissions-Policy", "camera=*, microphone=*, geolocation=*"),
    "no trusted types": ("Content-Security-Policy", "default-src * 'unsafe-inline' 'unsafe-eval'"),
    "hsts": ("Strict-Transport-Security", "max-age=0"),
}


OF_CODE = {name for name, _ in OF_HTMX.values()}  # browsers know none of these names


def with_header(name: str, value: str) -> Change:
    """A lie: the honest response with this header."""
    return lambda answer: answer.set(name, value)


def rounds() -> list[list[tuple[str, str]]]:
    """All headers, in as few responses as possible: one has each name once."""
    left, found = [*OF_HTMX.values(), *OF_BROWSERS.values()], []
    while left:
        together = dict(reversed(left))  # the first of each name
        found.append(list(together.items()))
        left = [pair for pair in left if together[pair[0]] != pair[1]]
    return found


async def test_a_header_on_every_response_changes_nothing(stage: Stage) -> None:
    """A page is loaded with one of each name. What only code would obey, that of data responses, goes on."""
    for headers in rounds():

        def change(answer: Answer, headers: list[tuple[str, str]] = headers) -> None:
            for name, value in headers:
                # Without the policy, data would count as coming from something in between (test_outbox.py).
                if name != "Content-Security-Policy" or re.fullmatch(NO_DOCUMENT, answer.request) is None:
                    answer.set(name, value)

        with told(str(headers)), stage.liar.lying(ANY, change):
            if {name for name, _ in headers} <= OF_CODE:
                await stage.opens_anew()
            else:
                await stage.opens()
            await stage.carries_on()
            stage.liar.slip(stage.news())  # missed messages are requested
            await stage.carries_on()
            assert stage.page.url == stage.address
            await expect(stage.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
            await expect(stage.page.get_by_role("button", name="Verified by Search PIN")).to_be_visible()
            contact = await stage.contact()
            assert (contact["verified"], contact["accepted"]) == ("search-pin", [])
            await stage.shows_nothing_of_it()


async def test_responses_are_never_reused_from_the_cache(stage: Stage) -> None:
    """Despite a server's Cache-Control: a contact who was new in between is listed."""
    with stage.liar.lying(NO_DOCUMENT, with_header(*OF_BROWSERS["cached"])):
        await stage.opens()
        await stage.page.goto(stage.liar.url)
        await expect(stage.alice.list.get_by_role("link").first).to_be_visible()
    await stage.page.goto("about:blank")
    await stage.meets_a_new_contact("hello")
    await stage.page.goto(stage.liar.url)
    await expect(stage.alice.list.locator(f'a[href="/c/{stage.bob.conversation}"]')).to_be_visible()
    await stage.comes_back()
    heard = len(stage.liar.heard)
    await stage.opens()
    assert [one for one in stage.liar.heard[heard:] if one.startswith(f"GET /c/{stage.bob.conversation}/open ")]


async def test_a_refresh_header_on_a_data_response_is_ignored(stage: Stage) -> None:
    for value in (f"0; url=/{STOLEN}", f"0; url=http://127.0.0.1:9/{STOLEN}"):
        with told(value), stage.liar.lying(NO_DOCUMENT, with_header("Refresh", value)):
            await (stage.opens_anew() if value.endswith(f"9/{STOLEN}") else stage.opens())
            await stage.carries_on()
            assert stage.page.url == stage.address


@pytest.mark.parametrize("directive", ['"cache", "executionContexts"', '"cookies"', '"storage"', '"*"'])
async def test_clear_site_data_only_makes_the_browser_forget(stage: Stage, directive: str) -> None:
    """Like ending the session. After the next login, all contacts are back, with their verification."""

    def change(answer: Answer) -> None:
        answer.set("Clear-Site-Data", directive)

    with stage.liar.lying("GET /me", change):
        await stage.page.goto(stage.address)
        await stage.page.reload()
    await stage.page.goto(stage.address)
    await stage.is_in_or_logs_in()
    assert (await stage.contact())["verified"] == "search-pin"
    assert FORGED not in await stored_in(stage.page)
    await stage.carries_on()


async def test_a_server_gains_nothing_by_ending_the_session(stage: Stage) -> None:
    await stage.is_listening()
    await stage.composer.fill("a draft that nobody gets")
    stage.liar.close_sockets(1008)
    await expect(stage.page.get_by_label("Login PIN", exact=True)).to_be_enabled()
    kept = await stored_in(stage.page)
    assert "a draft" not in kept
    assert "search-pin" not in kept
    assert stage.watch.leaked("a draft that nobody gets", stage.alice.login_pin) == []
    await stage.is_in_or_logs_in()
    assert (await stage.contact())["verified"] == "search-pin"
    await stage.carries_on()


async def test_a_linked_pin_is_deleted_with_the_session(stage: Stage) -> None:
    await stage.page.goto("about:blank")
    await until(lambda: not stage.liar.has_socket)  # the previous page's socket
    await stage.opens(f"/account#add={stage.bob.search_pin}")
    await until(lambda: stage.liar.has_socket)
    assert stage.bob.search_pin in await stored_in(stage.page)
    stage.liar.close_sockets(1008)
    await expect(stage.page.get_by_label("Login PIN", exact=True)).to_be_enabled()
    assert stage.bob.search_pin not in await stored_in(stage.page)
    await stage.is_in_or_logs_in()


async def test_a_closed_socket_is_reopened(stage: Stage) -> None:
    for code in (1000, 1001, 1011, 1012, 1013, 4999):
        await stage.is_listening()
        stage.liar.close_sockets(code)
        assert not stage.liar.has_socket
        await until(lambda: stage.liar.has_socket)
        await expect(stage.page.locator("#connection"), str(code)).to_be_empty()  # neither "lost" nor later "back"
    await stage.carries_on()
