"""Rows that failed: signed messages that follow nothing and emptied rows do not affect later messages."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.lies.peers import noise
from tests.browser.lies.rows import SHOWN, Row, Rows, showing, without_copy
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_order import DISORDER, FORK, is_alarmed, notes
from tests.browser.lies.test_rows import GONE, NOT_VERIFIED, SAID, talk
from tests.browser.lies.test_stored import seals_in
from tests.support.someone import texts_of

__all__ = ["talk"]

# Gives the contact of the open conversation as many accepted alarms as are kept.
MANY_ACCEPTED = """async () => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const { changeContact } = await import(at("vault"));
    const accepted = Array.from({ length: 50 }, (_, i) => `alarm ${i}`);
    await changeContact(location.pathname.slice(3), () => ({ accepted }));
}"""


async def test_continuing_after_a_fork_acknowledges_nothing_of_it(talk: Stage) -> None:
    """It does not affect the order either, and its own acknowledgement raises no second alarm."""
    await talk.opens_anew()
    await talk.says("mine")
    await talk.bob.writes("four, after another three", p=noise(32), a=(9, noise(32)))
    await is_alarmed(talk, FORK)
    await expect(texts_of(talk.page)).to_have_text([*SAID, "mine", NOT_VERIFIED])
    await talk.page.get_by_role("button", name="Continue anyway").click()
    await talk.says("which three?")
    said = await talk.bob.last()
    assert (said.n, said.a) == (2, (3, talk.bob.sent[2].hash))
    assert await talk.remembers() == ([2, (await talk.bob.rows())[-1]["hash"]], [3, talk.bob.sent[2].hash])
    await expect(notes(talk)).to_have_count(0)
    await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)


async def test_an_unreadable_message_from_another_device_keeps_its_number(talk: Stage) -> None:
    """The next message neither reuses that number nor waits."""
    await talk.opens_anew()
    other, since = await talk.alice.new_tab(), len(talk.liar.heard)

    def change(rows: Rows) -> Rows:
        return [without_copy(row) if "data-own" in row and row["data-n"] == "1" else row for row in rows]

    with talk.liar.lying(SHOWN, showing(change)), talk.liar.silent():
        await other.goto(talk.address)
        await talk.alice.writes("from elsewhere", other)
        await expect(other.locator(".pending")).to_have_count(0)
        talk.liar.slip(talk.news())
        await expect(texts_of(talk.page)).to_have_text([*SAID, GONE])
        await talk.says("from here")
        await expect(talk.page.locator(".pending")).to_have_count(0)
    first, second = (await talk.bob.rows())[3:]
    said = await talk.bob.last()
    assert (said.text, said.n, said.p) == ("from here", 2, first["hash"])
    assert {seals["message_id"][0] for seals in seals_in(talk.liar.heard[since:])} == {
        first["message_id"],
        second["message_id"],
    }
    assert second["n"] == 2
    await other.close()


async def test_an_emptied_row_stands_only_for_its_own_message(talk: Stage) -> None:
    """A row that differs from the last message in one field stays as another message; an exact match is dropped."""
    lies = {"side": {"data-own": ""}, "number": {"data-n": "9"}, "hash": {"data-hash": noise(32)}}
    for differs, field in lies.items():

        def change(rows: Rows, field: Row = field) -> Rows:
            if not rows:
                return rows
            own: Row = without_copy(rows[-1]) | {"data-seq": "50"}
            odd: Row = without_copy(rows[-1]) | {"data-seq": "51", "data-message-id": noise(16)} | field
            return [own, odd, *rows]

        with told(differs), talk.liar.lying(SHOWN, showing(change)):
            await talk.opens_anew(is_well=False)
            await expect(texts_of(talk.page)).to_have_text([*SAID, NOT_VERIFIED if differs == "hash" else GONE])


# Counts changes in the alarm.
WATCH_ALARM = """() => {
    globalThis.changes = 0;
    const count = (changes) => { globalThis.changes += changes.length; };
    new MutationObserver(count).observe(document.querySelector(".alarm"), { childList: true, subtree: true });
}"""


async def test_a_standing_alarm_is_announced_once(talk: Stage) -> None:
    """Each further message finds it again, but a screen reader does not announce it again."""
    await talk.opens_anew()
    await talk.says("mine")
    await talk.bob.writes("I have seen another", a=(1, noise(32)))
    await is_alarmed(talk, DISORDER)
    await talk.page.evaluate(WATCH_ALARM)
    await talk.bob.writes("more")
    await expect(texts_of(talk.page).last).to_have_text("more")
    assert await talk.page.evaluate("() => globalThis.changes") == 0
    await talk.bob.writes("after what is not here", p=noise(32))
    await is_alarmed(talk, FORK)
    assert await talk.page.evaluate("() => globalThis.changes") > 0  # control: changes are counted


async def test_the_last_fifty_accepted_alarms_are_kept(talk: Stage) -> None:
    await talk.opens_anew()
    await talk.says("mine")
    await talk.page.evaluate(MANY_ACCEPTED)
    await talk.page.reload()
    await talk.bob.writes("I have seen another", a=(1, noise(32)))
    await is_alarmed(talk, DISORDER)
    await talk.page.get_by_role("button", name="Continue anyway").click()
    await expect(talk.composer).to_be_enabled()
    accepted = (await talk.contact())["accepted"]
    assert accepted[:-1] == [f"alarm {i}" for i in range(1, 50)]
    assert accepted[-1].startswith("order ")
