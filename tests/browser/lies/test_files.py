"""The server hands over other files than those of the messages, parts of them, pages, or no end."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from playwright.async_api import Download, Locator, expect

from ezdms import crypto
from tests.browser.lies.liar import Answer
from tests.browser.lies.peers import Peer
from tests.browser.lies.rows import SHOWN, Rows, showing
from tests.browser.lies.stage import Stage, told
from tests.browser.lies.watching import FORGED
from tests.browser.test_files import NO_PICKER, bytes_of
from tests.support.pictures import BLUE, png

FILES = r"GET /files/[\w-]{22}"
PAGE = f"<!doctype html><title>{FORGED}</title><script>window.pwned = 1</script>".encode()
OTHER = "This is not the file that was sent."
ODD = "does not understand"


def of(stage: Stage) -> Locator:
    """The newest file."""
    return stage.page.get_by_role("log").locator("shared-file").last


def replaced(old: bytes) -> Callable[[Answer], None]:
    """A lie: the bytes of another file of the same size."""

    def lie(answer: Answer) -> None:
        answer.body = old[: len(answer.body)]

    return lie


def flipped(answer: Answer) -> None:
    answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


def cut(answer: Answer) -> None:
    """The end never comes."""
    answer.body = answer.body[:-1] if len(answer.body) > 1 else b""


def a_page(answer: Answer) -> None:
    answer.status, answer.body = 200, PAGE
    answer.set("content-type", "text/html")
    answer.set("content-disposition", "inline")
    answer.headers = [pair for pair in answer.headers if pair[0] != "content-range"]


def a_page_as_a_part(answer: Answer) -> None:
    answer.body = PAGE.ljust(len(answer.body))[: len(answer.body)]
    answer.set("content-type", "text/html")


def longer(answer: Answer) -> None:
    answer.body += bytes(1000)


def all_of_it(answer: Answer) -> None:
    """The range is ignored."""
    answer.status = 200
    answer.headers = [pair for pair in answer.headers if pair[0] != "content-range"]


def elsewhere(answer: Answer) -> None:
    answer.set("content-range", f"bytes 1-{len(answer.body)}/{len(answer.body) + 1}")


def gone(answer: Answer) -> None:
    answer.status, answer.text = 404, f'{{"error": "{FORGED}", "code": "no_file"}}'


async def test_no_other_file_is_drawn_or_saved(stage: Stage) -> None:
    page, bob = stage.page, stage.bob
    await page.evaluate(NO_PICKER)
    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))
    seen: list[bytes] = []
    with stage.liar.lying(FILES, lambda answer: seen.append(answer.body)):
        await bob.shares(png(40, 40), "old.png", "image/png")
        await expect(of(stage).locator("img")).to_have_count(1)
    lies: dict[str, tuple[Callable[[Answer], None], str]] = {
        "another file": (replaced(seen[0]), OTHER),  # of this conversation: an old one
        "a flipped bit": (flipped, OTHER),
        "no end": (cut, "cannot be reached"),
        "a page": (a_page, ODD),
        "a page as a part": (a_page_as_a_part, OTHER),
        "more than was asked for": (longer, ODD),
        "all of it": (all_of_it, ODD),
        "another range": (elsewhere, ODD),
        "no file": (gone, "does not have this file"),
    }
    await bob.shares(png(40, 40, BLUE), "new.png", "image/png")
    await expect(of(stage).locator("img")).to_have_count(1)
    for name, (lie, words) in lies.items():
        with told(name), stage.liar.lying(FILES, lie):
            await stage.opens_anew()
            await expect(of(stage).get_by_role("status")).to_contain_text(words)
            await expect(of(stage).locator("img")).to_have_count(0)
            await of(stage).get_by_role("button", name="Download").click()
            await expect(of(stage).get_by_role("button", name="Cancel")).to_be_hidden()
            await expect(of(stage).get_by_role("status")).to_contain_text(words)
            assert FORGED not in await page.content()
    await stage.shows_nothing_of_it()
    carol, dave = [await Peer.arrives(stage.truth, name) for name in ("carol", "dave")]
    stage.peers += [carol, dave]
    await carol.starts_with(stage.alice.search_pin)
    await dave.starts_with(carol.search_pin)
    for name, sender in {"a file of another conversation": carol, "a file of other people": dave}.items():
        sent = await sender.uploads(png(40, 40, BLUE), name="new.png", type="image/png")
        sealed = await sender.downloads(crypto.read_file(sent)["id"])
        with told(name), stage.liar.lying(FILES, replaced(sealed)):  # of the same picture
            await of(stage).get_by_role("button", name="Download").click()
            await expect(of(stage).get_by_role("status")).to_contain_text(OTHER)
            await expect(of(stage).locator("img")).to_have_count(0)
    assert downloads == []
    assert await page.evaluate("'pwned' in window") is False
    asked = [one.lower() for one in stage.liar.heard if one.startswith("GET /files/")]
    assert asked
    assert all("accept: application/json" in one for one in asked)  # so that the real server's refusals are understood
    await of(stage).get_by_role("button", name="Try again").click()
    await expect(of(stage).locator("img")).to_have_js_property("naturalWidth", 40)
    await stage.carries_on()


async def test_a_download_continues_after_lost_connections_and_can_be_stopped(stage: Stage) -> None:
    page, bob, whole = stage.page, stage.bob, secrets.token_bytes(1_500_000)
    await page.evaluate(NO_PICKER)
    await bob.shares(whole, "large.bin")
    download = of(stage).get_by_role("button", name="Download")
    lost: list[str] = []

    def lose(answer: Answer) -> None:
        lost.append(answer.request)
        if len(lost) in (1, 3):
            answer.body = answer.body[:70_000]
        if len(lost) == 2:
            answer.status, answer.text = 503, "{}"

    with stage.liar.lying(FILES, lose):
        async with page.expect_download() as begun:
            await download.click()
        saved = await begun.value
    assert await bytes_of(saved) == whole
    assert len(lost) > 3
    held: list[Answer] = []

    def hold(answer: Answer) -> None:
        answer.body, answer.rest = answer.body[:1000], answer.body[1000:]
        held.append(answer)

    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))
    with stage.liar.lying(FILES, hold):
        await download.click()
        await expect(of(stage).get_by_role("progressbar")).to_be_visible()
        await of(stage).get_by_role("button", name="Cancel").click()
        await expect(download).to_be_focused()
        await expect(of(stage).locator(".state")).to_have_text("")
        for answer in held:
            answer.go_on.set()
    assert downloads == []
    await stage.carries_on()


async def test_a_message_cannot_name_the_file_of_another(stage: Stage) -> None:
    bob, last = stage.bob, stage.page.locator("message-row").last
    theirs = await bob.uploads(b"of another message", name="theirs.txt")
    mine = await bob.uploads(b"of this message", name="mine.txt")
    stored = crypto.read_file(mine)["id"]
    await bob.writes(theirs, kind="file", beside={"file": stored})  # the server is told of another file
    await expect(last).to_contain_text("Cannot be verified")
    await expect(last.locator("shared-file")).to_have_count(0)
    await bob.shares(b"true", "true.txt")
    await expect(of(stage)).to_contain_text("true.txt")

    def change(rows: Rows) -> Rows:
        for row in rows:
            if "data-file" in row:
                row["data-file"] = stored
        return rows

    with stage.liar.lying(SHOWN, showing(change)):
        await stage.opens_anew()
        await expect(last).to_contain_text("Cannot be verified")
        await expect(last.locator("shared-file")).to_have_count(0)
    await stage.opens_anew()
    await expect(of(stage)).to_contain_text("true.txt")
