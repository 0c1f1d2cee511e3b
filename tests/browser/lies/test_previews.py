"""Previews in the list: the server chooses which message is called the newest, but not what it says, or whose it is."""

from __future__ import annotations

from playwright.async_api import Locator, expect

from tests.browser.lies.fragments import FETCH, SEALED, element
from tests.browser.lies.liar import Change
from tests.browser.lies.peers import Peer, milliseconds, noise
from tests.browser.lies.rows import ROW, Row, read, row_of, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.watching import FORGED

PREVIEWS = "GET /previews.*"
FAILED, GONE, NEWER = (
    "⚠ Cannot be verified",
    "⚠ The server does not hand over this message.",
    "⚠ Needs a newer version of EZ-DMS",
)
YEAR = 365 * 86_400_000  # ms


async def rows_of(stage: Stage, peer: Peer) -> list[Row]:
    """All rows of a conversation, with Alice's copies."""
    text = await stage.page.evaluate(FETCH, f"/messages/{peer.conversation}?after=0&limit=200")
    return [read(match[1]) for match in ROW.finditer(text)]


def shown(peer: Peer, row: Row) -> Change:
    """A lie: this row is the newest of the conversation."""
    given = {"data-conversation-id": peer.conversation} | row
    return lambda answer: setattr(answer, "text", element("message-preview", given))


# Has the page ask for the newest message of this conversation again, as if it knew none.
ASK = """async (conversation) => {
    const at = (name) => import(document.querySelector("[src*=boot]").src.replace("boot", name));
    const [{ forgetPreview, wantPreview }, { lineOf }] = await Promise.all(["previews", "conversation-list"].map(at));
    const line = lineOf(conversation);
    forgetPreview(conversation);
    line.showNewest(null);
    line.asked = null;
    wantPreview(line);
}"""


def last_of(stage: Stage, peer: Peer) -> Locator:
    """What the list says of a conversation's newest message."""
    return stage.alice.list.locator(f"[data-conversation-id='{peer.conversation}'] .last")


async def test_a_preview_shows_only_what_its_person_signed_as_the_next_or_last_known_message(stage: Stage) -> None:
    """No lie raises an alarm in the list, and none is shown; the conversation judges all rows."""
    bob, carol = stage.bob, await Peer.arrives(stage.truth)
    stage.peers.append(carol)
    await carol.starts_with(stage.alice.search_pin)
    await carol.writes(f"{FORGED} to alice")
    await bob.writes(f"{FORGED} earlier")
    await stage.alice.page.get_by_role("log").get_by_text(f"{FORGED} earlier").wait_for()
    await bob.writes("the one before")
    await stage.says("my own")
    await bob.writes("the last one")
    await stage.says("and mine")
    await stage.remembers()
    rows, (other,) = await rows_of(stage, bob), await rows_of(stage, carol)
    *_, older, _, _, last, mine = rows
    seq = mine["data-seq"]
    newest = last | {"data-seq": seq}
    own = {name: value for name, value in mine.items() if name != "data-own"}
    next_n = len(bob.sent) + 1
    by_server = Peer(stage.truth, bob.name)  # the server's own keys, in Bob's name
    by_server.other = bob.other
    forged = row_of(bob, by_server.seal(FORGED, n=next_n, p=last["data-hash"]), int(seq))
    forked = row_of(bob, bob.seal(FORGED, n=next_n, p=noise(32)), int(seq))
    twin = row_of(bob, bob.seal(FORGED, n=next_n - 1, p=bob.sent[-2].hash), int(seq))
    contrary = row_of(bob, bob.seal(FORGED, a=(int(mine["data-n"]), noise(32))), int(seq))
    lies: dict[str, tuple[Row, str]] = {
        "an older message": (older | {"data-seq": seq}, FAILED),
        "an older message with another number": (older | {"data-seq": seq, "data-n": last["data-n"]}, FAILED),
        "another conversation's message": (other | {"data-seq": seq}, FAILED),
        "by the server's key": (forged, FAILED),
        "not linked to the last one": (forked, FAILED),
        "another message with the last one's number": (twin, FAILED),
        "answers another message of hers": (contrary, FAILED),
        "hers as his": (own, FAILED),
        "his as hers": (newest | {"data-own": ""}, FAILED),
        "another hash": (newest | {"data-hash": noise(32)}, FAILED),
        "another id": (newest | {"data-message-id": noise(16)}, FAILED),
        "noise": (newest | {"data-sealed": SEALED}, FAILED),
        "of a later suite": (newest | {"data-suite": "99"}, NEWER),
        "emptied": (without_copy(newest), GONE),
        "the last one of his": (newest, "the last one"),  # true, and he may have written at the same time
        "the truth": (mine, "You: and mine"),
    }
    for turn, (name, (row, text)) in enumerate(lies.items()):
        with told(name), stage.liar.lying(PREVIEWS, shown(bob, row)):
            if turn:
                async with stage.page.expect_response("**/previews*"):
                    await stage.page.evaluate(ASK, bob.conversation)
            else:
                await stage.page.goto(stage.liar.url)
            await expect(last_of(stage, bob)).to_have_text(text)
            await expect(stage.alice.alert).to_have_count(0)
            assert FORGED not in await stage.page.content()
    await stage.shows_nothing_of_it()
    await stage.page.goto(stage.liar.url)  # control: no lie
    await expect(last_of(stage, bob)).to_have_text("You: and mine")
    await stage.opens_anew()
    await stage.carries_on()
    await carol.writes("nothing of it")  # in the list, for other tests
    await stage.meets_bob()


async def test_an_old_message_called_new_is_shown_with_its_signed_time(anywhere: Stage) -> None:
    """In a browser that does not know the person yet, it may be the newest one. It cannot be made younger."""
    await anywhere.meets_a_new_contact()
    await anywhere.bob.writes("long ago", ts=milliseconds() - 2 * YEAR)
    await anywhere.page.goto(anywhere.liar.url)
    line = anywhere.alice.list.locator(f"[data-conversation-id='{anywhere.bob.conversation}']")
    await expect(line.locator(".words")).to_have_text("long ago")
    assert str(await line.locator(".when").get_attribute("datetime"))[:4] < str(
        await anywhere.page.evaluate("() => new Date().getFullYear()")
    )
    await anywhere.comes_back()


async def test_what_the_server_may_call_the_newest_until_a_browser_knows_more(anywhere: Stage) -> None:
    """Of someone whose conversation was never opened, any message of theirs: previews store nothing."""
    await anywhere.meets_a_new_contact("one")
    await anywhere.page.goto(anywhere.liar.url)
    last = last_of(anywhere, anywhere.bob)
    await expect(last).to_have_text("one")
    first = (await rows_of(anywhere, anywhere.bob))[0]
    await anywhere.bob.writes("two")
    await expect(last).to_have_text("two")  # by the socket
    with anywhere.liar.lying(
        PREVIEWS, shown(anywhere.bob, first | {"data-seq": "2"})
    ):  # seen on this page alone: forgotten with it
        await anywhere.page.reload()
        await expect(last).to_have_text("one")
    await anywhere.page.reload()
    await expect(last).to_have_text("two")
    await anywhere.comes_back()
