"""A page, a program of the same person and a partner do everything at once: every page shows what the protocol says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as for_any
from hypothesis import strategies as st
from playwright.async_api import Error, Page

from ezdms.client import Client
from tests.browser.home import Home, opens_anew
from tests.support.interleaved import REFUSALS, Act, Done, Past, View, a_round
from tests.support.someone import Someone, until

# Does one thing as the composer, the menu of a message and the options of the conversation do. Returns its kind,
# the message that it is about, its own id, and why it was refused.
ACT = """async ([kind, at, text]) => {
    const thread = document.querySelector("message-thread");
    const { outbox } = thread.querySelector("message-composer");
    const rows = [...thread.rows.children].filter(({ shown }) => shown);
    const row = rows.at(-1 - at % rows.length);
    const reference = row && [row.fact.id, row.fact.hash];
    if (kind === "hide" && row) {
        await outbox.tell("hide", reference);
        await thread.contact.hide(reference[0]);
        return ["hide", reference[0], "", ""];
    }
    const message = {
        react: { kind, text, reference }, edit: { kind, text, reference }, reply: { kind: "text", text, reference },
        delete: { kind, text: reference?.join(" ") }, timer: { kind, text },
    }[row || kind === "timer" ? kind : "text"] ?? { kind: "text", text };
    let id;
    const shown = () => { id = outbox.unsent.ids.at(-1); };
    const why = await outbox.add([message], { shown }).then(() => "", (error) => error.message);
    return [message.kind, message.kind === "text" && !message.reference ? "" : reference?.[0] ?? "", id, why];
}"""

# What the thread shows: only what is drawn counts.
SHOWN = """async () => {
    const thread = document.querySelector("message-thread");
    await thread.loadUntil(() => false);
    const seen = (element) => element?.checkVisibility() ?? false;
    const rows = [...thread.querySelectorAll("message-row")].filter((row) => seen(row.querySelector("sealed-text")));
    return {
        wrong: [...thread.querySelectorAll(".alarm, .withheld, .empty")].filter(seen).map((one) => one.className),
        notes: [...new Set([...thread.querySelectorAll(".note")].filter(seen).map((note) => note.textContent))],
        rows: rows.map((row) => ({
            side: row.classList.contains("own") ? "own" : "theirs",
            kind: ["data-line", "data-gone", "data-failed"].filter((name) => row.hasAttribute(name)).join(),
            text: row.querySelector("sealed-text").textContent,
            edited: seen(row.querySelector(".edited")),
            quote: row.querySelector(".quote")?.textContent ?? "",
            reactions: [...row.querySelectorAll(".reaction")].map((one) => [one.ariaLabel, one.textContent]),
        })),
    };
}"""
DELETED = "{} deleted this message for both of you."
HIDDEN = "You deleted this message for yourself."
QUOTED = {"deleted": "Message deleted", "hidden": HIDDEN}
TIMERS = {"0": "turned off disappearing messages.", "3600": "set messages to disappear 1 hour after they are sent."}
NOTES = {"Written before seeing the message above."}


@dataclass
class World:
    """Two people in a conversation: their pages, Alice's second tab, and a program of each of them."""

    alice: Someone
    bob: Someone
    tab: Page  # Alice's, in which nothing is done
    clients: dict[str, Client]
    past: Past


@pytest_asyncio.fixture(loop_scope="session")
async def world(home: Home, tmp_path: Path) -> AsyncIterator[World]:
    alice, bob = await home.friends()
    tab = await alice.new_tab()
    await tab.goto(alice.page.url)
    clients = {
        one.name: await Client.login(home.server.url, one.login_pin, home=tmp_path / one.name) for one in (alice, bob)
    }
    yield World(alice, bob, tab, clients, Past(home.conversation))
    for client in clients.values():
        await client.close()


async def act_on(page: Page, past: Past, who: str, kind: str, at: int) -> None:
    """Do one thing with a page. What is refused is not done."""
    text = past.next(kind, at)
    kind, target, id, why = await page.evaluate(ACT, [kind, at, text])
    assert not why or why in REFUSALS
    if kind == "hide":
        past.hidden.add((who, target))
    elif not why:
        past.done[id] = Done(who, kind, "" if kind == "delete" else text, target)


async def has_sent(page: Page) -> None:
    """Wait until the page has sent everything; what it was refused is discarded."""
    pending, refused = page.locator(".pending"), page.locator(".pending[data-unsent=refused]")

    async def is_empty() -> bool:
        for why in await refused.get_by_role("status").all_inner_texts():
            assert why.removeprefix("Not sent. ") in REFUSALS
        button = refused.locator("[data-do=discard]:visible, [data-do=edit]:visible").first
        if await button.count():
            with suppress(Error):  # it has gone meanwhile
                await button.click(timeout=1000)
        return not await pending.count()

    await until(is_empty)
    await page.get_by_role("textbox", name="Message").fill("")


def drawn(view: View, partner: str) -> dict[str, Any]:
    """What a page must show of this."""
    text, quote, name = view.text, "", {"own": "You", "theirs": partner}
    if view.state == "timer":
        text = f"{name[view.side]} {TIMERS[str(text)]}"
    elif text is None:
        text = HIDDEN if view.state == "hidden" else DELETED.format(name[view.side])
    if view.answers:
        by, state, words = view.answers
        quote = f"In reply to {name[by]} {words or QUOTED[state]}"
    by_emoji: dict[str, list[str]] = {}
    for side, emoji in sorted(view.reactions.items()):
        by_emoji.setdefault(emoji, []).append({"own": "you", "theirs": partner}[side])
    reactions = [
        [f"{emoji} {len(names)}: {' and '.join(names)}", emoji if len(names) == 1 else f"{emoji} {len(names)}"]
        for emoji, names in by_emoji.items()
    ]
    kind = {"timer": "data-line", "hidden": "data-gone", "deleted": "data-gone"}.get(view.state, "")
    edited = view.state == "edited"
    return {"side": view.side, "kind": kind, "text": text, "edited": edited, "quote": quote, "reactions": reactions}


async def shows(page: Page, views: list[dict[str, Any]]) -> None:
    """Wait until the page shows this, and nothing else."""
    found: dict[str, Any] = {}

    async def are_there() -> bool:
        found.update(await page.evaluate(SHOWN))
        return bool(found["rows"] == views)

    try:
        await until(are_there, within=10)
    except AssertionError:
        assert found["rows"] == views  # with the difference
    assert (found["wrong"], set(found["notes"]) - NOTES) == ([], set())


async def live(world: World, plan: list[list[Act]]) -> None:
    alice, bob, past = world.alice, world.bob, world.past
    for one_round in plan:
        doing = [
            act_on(alice.page, past, alice.name, kind, at)
            if one == 0
            else past.act(world.clients[name], name, kind, at)
            for one, kind, at in one_round
            for name in [bob.name if one == 2 else alice.name]
        ]
        await asyncio.gather(*doing)
        await has_sent(alice.page)
    rows = await world.clients["alice"].sealed(past.where, 0, 10_000)
    for someone, partner in ((alice, bob), (bob, alice)):
        views = past.seen_by(someone.name, [row.message_id for row in rows])
        expected = [drawn(view, partner.name) for view in views]
        for page in [someone.page, *([world.tab] if someone is alice else [])]:
            await shows(page, expected)
        await opens_anew(someone)
        await shows(someone.page, expected)


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    phases=(Phase.generate,),  # what one example leaves behind belongs to the next
)
@for_any(plan=st.lists(a_round, min_size=12, max_size=16))
async def test_any_interleaving_of_a_page_a_program_and_a_partner_ends_in_the_same_view(
    world: World, plan: list[list[Act]]
) -> None:
    await live(world, plan)
