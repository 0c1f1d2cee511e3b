"""A server that answers for another account of the same browser."""

from __future__ import annotations

import re

from playwright.async_api import Route, expect

from tests.browser.lies.peers import Peer
from tests.browser.lies.stage import Stage
from tests.browser.lies.watching import everything_on, stored_in
from tests.support.people import JSON
from tests.support.someone import Someone

ONLY = "() => indexedDB.databases().then((all) => all.map(({ name }) => name).sort())"
PERSON = "caroline-of-alice"


async def test_answers_for_another_account_of_the_browser_show_and_keep_nothing_of_it(anywhere: Stage) -> None:
    stage = anywhere
    alice = await Someone.is_in(stage.browser, stage.truth, "alice", stage.liar.url)
    caroline = await Peer.arrives(stage.truth, PERSON)
    await caroline.starts_with(alice.search_pin)
    await caroline.writes("for alice alone")
    await alice.opens(PERSON)  # an outsider to the other account
    await alice.sees("for alice alone")
    bob = Someone(stage.truth, "bob")
    bob.context, bob.page, bob.address = alice.context, await alice.new_tab(), alice.address
    await bob.page.goto(f"{alice.address}/#account=1")
    await bob.creates_an_account()

    me = f"{alice.address}/me"
    hers = (await (await alice.context.request.get(me, headers=JSON)).json())["user_id"]
    his = (await (await alice.context.request.get(me, headers={**JSON, "Ezdms-Place": "1"})).json())["user_id"]
    told_truly = {me}  # first, all but this is answered for Alice

    async def confuse(route: Route) -> None:
        headers = {name: value for name, value in route.request.headers.items() if name != "ezdms-place"}
        is_true = route.request.url in told_truly
        await route.continue_(
            url=route.request.url.replace(his, hers), headers=route.request.headers if is_true else headers
        )

    await bob.page.route("**/*", confuse)
    before = await bob.page.evaluate(ONLY)
    await bob.page.goto(alice.address)
    await expect(bob.list.get_by_role("link")).to_have_accessible_name(re.compile("Unknown person"))
    await expect(bob.list.get_by_role("link")).to_have_count(1)
    assert PERSON not in await everything_on(bob.page)
    await bob.page.goto(f"{alice.address}/c/{caroline.conversation}")
    await expect(bob.page.get_by_role("main").get_by_role("alert").first).not_to_be_empty()
    assert "for alice alone" not in await everything_on(bob.page)
    assert PERSON not in await everything_on(bob.page)
    told_truly.clear()
    await bob.page.goto(alice.address)
    await expect(bob.page.get_by_text("does not hold the keys of the account that is logged in")).to_be_visible()
    assert PERSON not in await everything_on(bob.page)
    await bob.page.unroute_all(behavior="wait")
    await bob.page.goto(alice.address)
    await expect(bob.page.get_by_test_id("my-search-pin")).to_have_text(bob.search_pin)
    await alice.logs_out()  # what is left in the browser is the other account's
    assert await bob.page.evaluate(ONLY) == before
    assert PERSON not in await stored_in(bob.page)
    await alice.context.close()
    await caroline.leaves()
