"""Links with a Search PIN: the link's author chose the person, so a link verifies nobody, in any spelling."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.async_api import Locator, expect

from tests.browser.lies.liar import Answer
from tests.browser.lies.peers import Peer
from tests.browser.lies.stage import Stage
from tests.browser.lies.watching import stored_in
from tests.support.someone import until

LINK, TYPED = "Not verified: added by link", "Verified by Search PIN"


def button(stage: Stage, words: str) -> Locator:
    """The trust button of the conversation."""
    return stage.page.get_by_role("button", name=words)


async def brings(stage: Stage, text: str) -> Locator:
    """Alice opens a link with this text; returns the field that it fills."""
    await stage.page.goto("about:blank")
    await stage.page.goto(f"{stage.liar.url}/#add={text}")
    field = stage.page.get_by_role("textbox", name="Search PIN")
    await expect(field).to_have_value(text)
    return field


async def meets(stage: Stage, pin_is: Callable[[str], object] = bool) -> Peer:
    """Return a person whom Alice does not know."""
    mallory = await Peer.arrives(stage.truth, "bob", pin_is=pin_is)
    stage.peers.append(mallory)
    return mallory


async def test_a_linked_pin_in_another_spelling_verifies_nobody(anywhere: Stage) -> None:
    """O for 0 and I for 1 at both ends, in lowercase with other dashes: the PIN is the same."""
    mallory = await meets(anywhere, pin_is=lambda pin: set(pin[:5]) & {"0", "1"} and set(pin[-5:]) & {"0", "1"})
    spelled = mallory.search_pin.replace("0", "o").replace("1", "i").lower().replace("-", "--")
    await brings(anywhere, spelled)
    await anywhere.page.get_by_role("button", name="Start").click()
    await expect(button(anywhere, LINK)).to_be_visible()
    assert (await anywhere.contact())["verified"] == "link"


@pytest.mark.parametrize("places", [[0], [-1], [0, -1], list(range(29))], ids=["first", "last", "both ends", "all"])
async def test_a_linked_pin_with_corrected_letters_verifies_nobody(anywhere: Stage, places: list[int]) -> None:
    """Even if another PIN is typed over it: a field that was never emptied belongs to the link."""
    mallory = await meets(anywhere)
    letters = list(mallory.search_pin)
    for place in places:
        letters[place] = "0" if letters[place] != "0" else "1"
    await brings(anywhere, "".join(letters))
    assert mallory.search_pin[2:-2] not in await stored_in(anywhere.page)  # it is only in the field
    await anywhere.tries_to_start(mallory.search_pin)
    await expect(button(anywhere, LINK)).to_be_visible()


async def test_a_pin_typed_into_an_emptied_field_counts_as_typed(anywhere: Stage) -> None:
    mallory, carol = await meets(anywhere), await meets(anywhere)
    field = await brings(anywhere, mallory.search_pin)
    await field.clear()
    await anywhere.tries_to_start(carol.search_pin)
    await expect(button(anywhere, TYPED)).to_be_visible()


async def test_a_linked_pin_restored_by_undo_verifies_nobody(anywhere: Stage) -> None:
    mallory = await meets(anywhere)
    field = await brings(anywhere, mallory.search_pin)
    await field.press("Control+A")
    await field.press("Delete")
    await expect(field).to_have_value("")
    await field.press("Control+Z")
    await expect(field).to_have_value(mallory.search_pin)
    await anywhere.page.get_by_role("button", name="Start").click()
    await expect(button(anywhere, LINK)).to_be_visible()


async def test_emptying_the_field_during_a_slow_request_verifies_nobody(anywhere: Stage) -> None:
    """What counts is the field's content when it was submitted."""
    held: list[Answer] = []

    def hold(answer: Answer) -> None:
        answer.body, answer.rest = b"", answer.body
        held.append(answer)

    mallory = await meets(anywhere)
    field = await brings(anywhere, mallory.search_pin)
    lines = anywhere.page.get_by_role("navigation", name="Conversations").get_by_role("link")
    await expect(lines.first).to_be_visible()
    before = await lines.count()
    with anywhere.liar.lying("POST /start_conversation", hold):
        await anywhere.page.get_by_role("button", name="Start").click()
        await until(lambda: bool(held))
        await field.clear()
        held[0].go_on.set()
        await expect(anywhere.page.get_by_text("is in your list of conversations")).to_be_visible()
        await expect(lines).to_have_count(before + 1)
        await lines.first.click()
        await expect(button(anywhere, LINK)).to_be_visible()


async def test_a_link_does_not_remove_a_verification(anywhere: Stage) -> None:
    await brings(anywhere, anywhere.bob.search_pin)
    await anywhere.page.get_by_role("button", name="Start").click()
    await expect(button(anywhere, TYPED)).to_be_visible()
    assert (await anywhere.contact())["verified"] == "search-pin"


@pytest.mark.parametrize("is_trimmed", [False, True], ids=["whole", "and trimmed"])
async def test_a_pasted_link_finds_the_person_and_verifies_nobody(stage: Stage, is_trimmed: bool) -> None:
    mallory = await meets(stage)
    link = f"https://a-long-name-of-some-host.chat.example.org:8443/somewhere/#add={mallory.search_pin}"
    field = await stage.alice.new_chat()
    await field.focus()
    await stage.page.keyboard.insert_text(link)
    if is_trimmed:
        await field.fill(mallory.search_pin)
    await stage.page.get_by_role("button", name="Start").click()
    await expect(button(stage, LINK)).to_be_visible()
    assert (await stage.contact())["verified"] == "link"
