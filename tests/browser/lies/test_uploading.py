"""Lies about uploads: whatever the server says, it gets the same sealed bytes, and the file waits until it has them."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, suppress

from playwright.async_api import Locator, TimeoutError, expect

from tests.browser.lies.liar import Answer, Change
from tests.browser.lies.peers import Peer
from tests.browser.lies.stage import Stage, told
from tests.browser.test_attaching import attaches, kept, kept_bytes, saves
from tests.support.someone import until

SECRET = b"the harbour at midnight, in a file. "
CONTENT = SECRET * 8_000  # more than the page sends in its first request
WRONG_PLACE = "The server says that the upload continues where it cannot."
ODD = "The server sent an answer that this page does not understand. Please try again."
LOST = "The server does not have this file any more."
UPLOAD = "(HEAD|PATCH) /files/.*"


def at(offset: str) -> Change:
    """Say that the upload continues there."""
    return lambda answer: answer.set("Upload-Offset", offset)


def refusing(status: int, code: str) -> Change:
    """Refuse what the true server has done."""

    def change(answer: Answer) -> None:
        answer.status, answer.text = status, json.dumps({"error": "no", "code": code, "offset": 7})
        answer.set("Content-Type", "application/json")

    return change


def named(file_id: str) -> Change:
    """Say another id of the upload."""

    def change(answer: Answer) -> None:
        answer.text = json.dumps({"file_id": file_id, "offset": 0})

    return change


def once_more(answer: Answer) -> None:
    """An answer that the page sees again whenever it asks."""
    refusing(409, "offset")(answer)


Lie = tuple[list[tuple[str, Change]], str]  # what is changed, and what the page says
REFUSED: dict[str, Lie] = {
    "it has less than it got": ([("PATCH .*", at("1"))], WRONG_PLACE),
    "it has nothing of it": ([("PATCH .*", at("0"))], WRONG_PLACE),
    "it has more than there is": ([("PATCH .*", at("99999999"))], WRONG_PLACE),
    "it always continues elsewhere": ([("PATCH .*", once_more), ("HEAD .*", at("0"))], WRONG_PLACE),
    "it continues after the end": ([("PATCH .*", once_more), ("HEAD .*", at("99999999"))], WRONG_PLACE),
    "it does not have it": ([(UPLOAD, refusing(404, "no_file"))], LOST),
    "it is too large": ([("POST /files", refusing(413, "too_large"))], "This server does not take files of this size."),
    "the quota is used up": (
        [("POST /files", refusing(507, "quota"))],
        "Your storage for files on this server is full.",
    ),
    "the disk is full": (
        [("PATCH .*", refusing(507, "disk"))],
        "The server is almost full and takes no files right now.",
    ),
    "it is malformed": ([("PATCH .*", refusing(422, "malformed"))], "Not sent."),
}
WAITING: dict[str, Lie] = {
    "no offset": ([("PATCH .*", at(""))], ODD),
    "an offset in words": ([("PATCH .*", at("zero"))], ODD),
    "a negative one": ([("PATCH .*", at("-1"))], ODD),
    "a huge one": ([("PATCH .*", at("9" * 16))], ODD),
    "no id": ([("POST /files", named(""))], ODD),
    "an id that is a path": ([("POST /files", named("../../messages/AAAAAAA"))], ODD),
}


def waiting(stage: Stage) -> Locator:
    """What is not sent yet."""
    return stage.page.locator(".pending")


async def tries_again(stage: Stage) -> None:
    """Press the button, unless the page has just tried by itself."""
    with suppress(TimeoutError):
        await waiting(stage).get_by_role("button", name="Try again").click(timeout=2000)


async def receives(bob: Peer, name: str) -> dict[str, str]:
    """Wait for this file; returns what its message says."""

    async def has_it() -> bool:
        if (await bob.rows())[-1]["sender_id"] == bob.user_id:
            return False
        last = await bob.last()
        return last.kind == "file" and json.loads(last.text)["name"] == name

    await until(has_it, within=30)
    said: dict[str, str] = json.loads((await bob.last()).text)
    return said


def parts(stage: Stage, since: int) -> list[tuple[int, bytes]]:
    """What was uploaded: offsets and bytes."""
    found = []
    for heard in stage.liar.heard[since:]:
        head, _, body = heard.partition("\r\n\r\n")
        if head.startswith("PATCH /files/"):
            offset = re.search(r"^upload-offset: (\d+)\r?$", head, re.IGNORECASE | re.MULTILINE)
            assert offset, head
            found.append((int(offset[1]), body.encode("latin-1")))
    return found


async def test_a_server_that_lies_about_an_upload_gets_the_same_bytes_and_nothing_else(stage: Stage) -> None:
    lies = [(name, lie, "refused") for name, lie in REFUSED.items()]
    lies += [(name, lie, "waiting") for name, lie in WAITING.items()]
    for i, (lie, (changes, said), state) in enumerate(lies):
        with told(lie):
            since, name = len(stage.liar.heard), f"{i}.bin"
            with ExitStack() as lying:
                for request, change in changes:
                    lying.enter_context(stage.liar.lying(request, change))
                await attaches(stage.page, (name, "", CONTENT))
                await expect(waiting(stage)).to_contain_text(said)
                await expect(waiting(stage)).to_have_attribute("data-unsent", state)
                await expect(waiting(stage).get_by_role("button", name="Cancel")).to_be_visible()
                sealed = await kept_bytes(stage.page)
            await tries_again(stage)
            file = await receives(stage.bob, name)
            assert await stage.bob.downloads(file["id"]) == sealed
            assert await saves(stage.bob, file) == CONTENT
            await expect(waiting(stage)).to_have_count(0)
            sent = parts(stage, since)
            assert sent
            assert [offset for offset, part in sent if sealed[offset : offset + len(part)] != part] == []
            assert await kept(stage.page) == 0
            assert [one for one in stage.liar.heard[since:] if SECRET.decode() in one or name in one] == []
    await stage.carries_on()


async def test_a_server_that_says_it_has_all_of_a_file_makes_nobody_show_half_of_one(stage: Stage) -> None:
    """Its message can be sent, if the server takes it. The true one does not, and gets the bytes."""
    content = CONTENT * 12  # the true server takes a part with each try
    with ExitStack() as lying:
        lying.enter_context(stage.liar.lying("PATCH .*", refusing(503, "busy")))
        await attaches(stage.page, ("whole.bin", "", content))
        await expect(waiting(stage)).to_have_attribute("data-unsent", "waiting")
        sealed = await kept_bytes(stage.page)
        lying.enter_context(stage.liar.lying("HEAD .*", at(str(len(sealed)))))
        await tries_again(stage)
        await expect(waiting(stage)).to_have_attribute("data-unsent", re.compile("waiting|refused"))
    await tries_again(stage)
    file = await receives(stage.bob, "whole.bin")
    assert await stage.bob.downloads(file["id"]) == sealed
    assert await saves(stage.bob, file) == content
    await expect(waiting(stage)).to_have_count(0)
    await stage.carries_on()
