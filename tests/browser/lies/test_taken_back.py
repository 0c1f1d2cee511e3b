"""Seen messages disappear: a server cannot hide that by not responding, and the user can write afterwards."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.lies.answers import saying
from tests.browser.lies.liar import Answer
from tests.browser.lies.peers import noise
from tests.browser.lies.rows import SHOWN, facts
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.test_order import TAIL, TAKEN_BACK, is_alarmed, seen
from tests.browser.lies.test_rows import SAID, talk
from tests.support.someone import texts_of, until

__all__ = ["talk"]

AFTER = r"GET /messages/.*\?after=.*"
UNCHECKED = "did not let this browser check that the messages you saw before are still here"


def unchecked(stage: Stage) -> Locator:
    """The notice that the server did not respond."""
    return stage.page.locator(".unchecked")


def posts(stage: Stage) -> list[str]:
    """Return every submitted message."""
    return [one for one in stage.liar.heard if one.startswith("POST /send_message")]


async def writes_and_it_waits(stage: Stage, text: str) -> None:
    """Alice can write; the message is queued and not submitted."""
    before = len(posts(stage))
    await stage.composer.fill(text)
    await stage.composer.press("Enter")
    await expect(stage.page.locator(".pending")).to_contain_text(text)
    await stage.page.wait_for_timeout(500)
    assert len(posts(stage)) == before
    assert (await stage.bob.last()).text != text


NO_ANSWERS = {
    "500": saying("", 500),
    "404": saying('{"code": "no_conversation"}', 404),
    "too often": saying('{"code": "too_often", "retry_after": 9}', 429),
    "odd": saying("<p>no</p>"),
}


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_a_server_that_refuses_to_show_seen_messages_is_reported_and_gets_nothing(talk: Stage, name: str) -> None:
    """Seen messages are hidden, and requests for them refused; new messages wait until it is clear."""
    await seen(talk)
    with talk.liar.lying(SHOWN, TAIL["the last of theirs"]):
        with talk.liar.lying(AFTER, NO_ANSWERS[name]):
            await talk.opens_anew(is_well=False)
            await expect(unchecked(talk)).to_contain_text(UNCHECKED)
            await expect(talk.page.locator("[data-alarm]")).to_be_empty()
            await writes_and_it_waits(talk, "does it hold?")
            async with talk.page.expect_response(re.compile("/messages/.*[?]after=")):
                await unchecked(talk).get_by_role("button", name="Try again").click()
            await expect(unchecked(talk)).to_contain_text(UNCHECKED)
        if name == "too often":
            talk.liar.close_sockets(1011)  # on reconnect, or by pressing the button
        else:
            await unchecked(talk).get_by_role("button", name="Try again").click()
        await is_alarmed(talk, TAKEN_BACK)
        await expect(unchecked(talk)).to_be_hidden()
        await talk.page.get_by_role("button", name="Continue anyway").click()
        await expect(talk.page.locator(".pending")).to_have_count(0)
    assert (await talk.bob.last()).text == "does it hold?"


async def test_messages_wait_while_the_server_delays_the_check_for_seen_messages(talk: Stage) -> None:
    await seen(talk)
    held: list[Answer] = []

    def hold(answer: Answer) -> None:
        answer.body, answer.rest = b"", answer.body
        held.append(answer)

    with talk.liar.lying(SHOWN, TAIL["the last of theirs"]):
        with talk.liar.lying(AFTER, hold):
            await talk.opens_anew(is_well=False)
            await until(lambda: bool(held))
            await writes_and_it_waits(talk, "does it hold?")
        for answer in held:
            answer.go_on.set()
        await is_alarmed(talk, TAKEN_BACK)
    await expect(talk.page.locator(".pending")).to_contain_text("does it hold?")


@pytest.mark.parametrize("is_reached", [True, False], ids=["refused", "unreachable"])
async def test_the_unchecked_notice_disappears_once_the_check_succeeds(talk: Stage, is_reached: bool) -> None:
    """It happens on reconnect, without a click; going offline raises no alarm and loses nothing."""
    await seen(talk)
    with (
        talk.liar.lying("GET /c/.*/open", TAIL["the last of theirs"]),
        talk.liar.lying(AFTER, NO_ANSWERS["500"] if is_reached else lambda answer: None),
    ):
        if not is_reached:
            await talk.page.route("**/messages/*", lambda route: route.abort())
        await talk.opens_anew(is_well=False)
        await expect(unchecked(talk)).to_contain_text(UNCHECKED)
        await until(lambda: talk.liar.has_socket)
        await writes_and_it_waits(talk, "on the train")
        await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    await talk.page.unroute("**/messages/*")
    talk.liar.close_sockets(1011)
    await expect(texts_of(talk.page)).to_have_text([*SAID, "seen", "on the train"])
    await expect(unchecked(talk)).to_be_hidden()
    await expect(talk.page.locator(".pending")).to_have_count(0)
    await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)
    await talk.carries_on()


async def test_an_unverified_number_is_followed_only_as_far_as_a_server_accepts(talk: Stage) -> None:
    """Otherwise a message sent during one lie would use up all numbers, on every device and forever."""
    sent = 0
    for further in (1000, 2**52 - 2, 2**52 - 1, 2**53 - 1, 999):
        claimed = further if further > 1000 else sent + further
        with told(str(claimed)), talk.liar.lying("GET /c/.*/open", facts(own_n=str(claimed), own_hash=noise(32))):
            await talk.opens_anew()
            await talk.says("under a lie")
            sent = sent + (1000 if further == 999 else 1)
            assert (await talk.bob.last()).n == sent
        await talk.opens_anew()
        await talk.says("and with the truth")
        sent = sent + 1
        assert (await talk.bob.last()).n == sent, claimed


# Changes the contact of the open conversation, here and in the vault.
CHANGE = """async (change) => {
    const { changeContact } = await import(document.querySelector("[src*=boot]").src.replace("boot", "vault"));
    await changeContact(location.pathname.slice(3), () => change);
}"""


async def test_an_impossibly_high_last_number_is_dropped_when_the_user_continues(talk: Stage) -> None:
    """An older version stored it during a lie, on all devices."""
    await seen(talk)
    await talk.page.evaluate(CHANGE, {"own": [2**52, noise(32)]})
    await talk.opens_anew(is_well=False)
    await is_alarmed(talk, TAKEN_BACK)
    await talk.page.get_by_role("button", name="Continue anyway").click()
    await talk.says("with the honest server")
    assert (await talk.bob.last()).n == 2
    assert (await talk.remembers())[0] == [2, (await talk.bob.rows())[-1]["hash"]]
    await talk.opens_anew()
    await talk.says("and again")
    assert (await talk.bob.last()).n == 3
    await expect(talk.page.locator("[role=alert]:not(:empty)")).to_have_count(0)


async def test_a_number_that_others_may_have_seen_is_not_reused_after_continuing(talk: Stage) -> None:
    """Bob still sees the own messages that the server hides: reusing their numbers would be a fork to him."""
    await seen(talk)
    mine = (await talk.bob.rows())[-1]
    nothing_of_mine = facts(own_n="0", own_hash="")
    with talk.liar.lying(SHOWN, TAIL["the last of mine"]), talk.liar.lying("GET /c/.*/open", nothing_of_mine):
        await talk.opens_anew(is_well=False)
        await is_alarmed(talk, TAKEN_BACK)
        await talk.page.get_by_role("button", name="Continue anyway").click()
        await talk.composer.fill("and now?")
        await talk.composer.press("Enter")
        await until(lambda: _has(talk, 5))
    said = await talk.bob.last()
    assert (said.text, said.n, said.p) == ("and now?", 2, mine["hash"])
    await talk.opens_anew()  # control: no lie
    await expect(texts_of(talk.page)).to_have_text([*SAID, "seen", "and now?"])


async def _has(talk: Stage, count: int) -> bool:
    return len(await talk.bob.rows()) == count


# Sends messages of the browser's user with these numbers.
NUMBERED = """async (numbers) => {
    const at = (name) => document.querySelector("[src*=boot]").src.replace("boot", name);
    const [C, K, { postForm }] = await Promise.all(["crypto", "keystore", "server"].map((name) => import(at(name))));
    const { me, partner } = await document.querySelector("message-thread").ready;
    const conversation_id = location.pathname.slice(3);
    let p = "";
    for (const n of numbers) {
        const sealed = await C.sealMessage(me, partner, { n, p, a: [0, ""], ts: Date.now(), text: `mine ${n}` });
        const { message_id, hash, suite, content_for_a, content_for_b } = sealed;
        await postForm("/send_message", { conversation_id, message_id, n, hash, suite, content_for_a, content_for_b });
        p = hash;
    }
}"""
FORGET = """async () => {
    const { loadContact, saveContact } = await import(
        document.querySelector("[src*=boot]").src.replace("boot", "keystore"));
    const id = location.pathname.slice(3);
    await saveContact(id, { ...await loadContact(id), own: null });
}"""


async def test_a_browser_without_a_head_finds_its_number_on_earlier_pages(talk: Stage) -> None:
    """Its last message is far ahead of what it knows, and not among the newest."""
    await talk.opens_anew()
    await talk.page.evaluate(NUMBERED, [1, 900, 1800])
    for number in range(51):
        await talk.bob.writes(f"theirs {number}")

    async def is_noted() -> bool:
        known = await talk.contact()  # a request is kept once the user has written in it, here beside the composer
        return bool(known and (known["own"] or [0])[0] == 1800)

    async def forgets() -> bool:
        """Also what the page was about to store."""
        await talk.page.evaluate(FORGET)
        await talk.page.wait_for_timeout(500)
        return (await talk.contact())["own"] is None

    await until(is_noted)
    await talk.page.reload()
    await expect(texts_of(talk.page).last).to_have_text("theirs 50")
    await until(forgets)
    await talk.page.reload()
    await expect(texts_of(talk.page).last).to_have_text("theirs 50")
    assert (await talk.contact())["own"] is None
    assert await texts_of(talk.page).filter(has_text="mine").count() == 0
    await talk.says("what was my number?")
    assert (await talk.bob.last()).n == 1801
