"""Sending files from the page: what is chosen, what of it is sent, and uploads that nothing can spoil."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from ezdms import crypto
from ezdms.protocol.encoding import b64u_decode
from tests.browser.home import Home, held_back
from tests.browser.lies.peers import Peer
from tests.support.someone import Someone, until

MIB = 1024 * 1024
UNREACHED = "The server cannot be reached. The upload continues automatically."
NOISE = bytes(range(256)) * 4096  # one MiB

Chosen = tuple[str, str, bytes]  # name, type, bytes


async def talks(home: Home) -> tuple[Someone, Peer]:
    """Alice is in a conversation with a program."""
    alice, bob = await home.person("alice"), await home.peer()
    await bob.starts_with(alice.search_pin)
    await alice.opens(bob.name)
    await expect(alice.page.get_by_role("button", name="Attach")).to_be_enabled()
    return alice, bob


async def attaches(page: Page, *files: Chosen) -> None:
    """Choose these files with the button."""
    async with page.expect_file_chooser() as asked:
        await page.get_by_role("button", name="Attach").click()
    chosen = [{"name": name, "mimeType": type, "buffer": whole} for name, type, whole in files]
    await (await asked.value).set_files(chosen)  # type: ignore[arg-type]


def pending(page: Page) -> Locator:
    """What is not sent yet."""
    return page.locator(".pending")


async def messages(peer: Peer) -> list[crypto.Message]:
    """The messages of the conversation, opened."""
    found = []
    for row in await peer.rows():
        own, theirs = peer.keys.ik, peer.other.ik
        between = (own, theirs) if row["sender_id"] == peer.user_id else (theirs, own)
        claimed = {name: row[name] for name in ("message_id", "n", "hash", "suite")}
        found.append(crypto.open_message(peer.keys, *between, row["encrypted"], **claimed))
        if found[-1].kind == "file":
            assert row["file"] == json.loads(found[-1].text)["id"]  # so that it goes with its message
    return found


async def files(peer: Peer, count: int) -> list[dict[str, Any]]:
    """Wait for as many files; returns what their messages say."""
    said: list[dict[str, Any]] = []

    async def are_there() -> bool:
        said[:] = [json.loads(one.text) for one in await messages(peer) if one.kind == "file"]
        return len(said) >= count

    await until(are_there, within=30)
    assert len(said) == count
    return said


async def saves(peer: Peer, file: dict[str, Any]) -> bytes:
    """Download and open a file, as the other person does."""
    sealed = await peer.downloads(file["id"])
    opener = crypto.FileOpener(b64u_decode(file["key"], 32), file["size"], file["hash"])
    whole = b"".join(opener.feed(sealed))
    opener.finish()
    return whole


@pytest.mark.firefox_too
async def test_files_arrive_whole_in_the_order_chosen_and_a_caption_follows_them(home: Home) -> None:
    alice, bob = await talks(home)
    contents = [NOISE * 3 + b"the end", b"x", b"0123456789" * 7000]
    names = ["film.mp4", "a b.txt", "data.bin"]
    types = ["video/mp4", "text/plain", "application/octet-stream"]
    await attaches(alice.page, *zip(names, types, contents, strict=True))
    await alice.writes("a caption")
    said = await files(bob, 3)
    assert [(one["name"], one["type"], one["size"]) for one in said] == [
        (name, type, len(content)) for name, type, content in zip(names, types, contents, strict=True)
    ]
    assert [await saves(bob, one) for one in said] == contents
    await bob.sees(*[one.text for one in (await messages(bob))[:3]], "a caption")
    await expect(pending(alice.page)).to_have_count(0)
    assert await alice.page.evaluate("() => indexedDB.databases().then((all) => all.length)") == 1
    assert await kept(alice.page) == 0
    assert alice.errors == []


async def kept(page: Page) -> int:
    """How many records of files this browser keeps."""
    found = await page.evaluate("""async () => {
        const request = indexedDB.open("ezdms");
        await new Promise((resolve) => { request.onsuccess = resolve; });
        const count = request.result.transaction("files").objectStore("files").count();
        await new Promise((resolve) => { count.onsuccess = resolve; });
        request.result.close();
        return count.result;
    }""")
    return int(found)


async def stalls(page: Page, after: int) -> list[int]:
    """Let only this many parts of uploads through; returns the offsets of those asked for."""
    asked: list[int] = []

    async def carry(route: Route) -> None:
        if route.request.method == "PATCH":
            asked.append(int(route.request.headers["upload-offset"]))
        await (route.continue_() if len(asked) <= after else route.abort())

    await page.route("**/files/*", carry)
    return asked


async def test_an_upload_continues_after_a_lost_connection_and_a_reload_with_the_same_bytes(home: Home) -> None:
    alice, bob = await talks(home)
    asked = await stalls(alice.page, 2)
    await attaches(alice.page, ("film.mp4", "video/mp4", NOISE * 4))
    await expect(pending(alice.page)).to_contain_text(UNREACHED)
    bar = alice.page.get_by_role("progressbar", name="Upload of film.mp4")
    sealed = await kept_bytes(alice.page)
    await alice.page.reload()
    await expect(pending(alice.page)).to_contain_text("film.mp4")
    assert await kept_bytes(alice.page) == sealed
    await alice.page.unroute_all(behavior="wait")
    again: list[int] = []
    alice.page.on("request", lambda one: again.append(int(one.headers.get("upload-offset", -1))))
    [said] = await files(bob, 1)
    assert await bob.downloads(said["id"]) == sealed
    assert await saves(bob, said) == NOISE * 4
    assert 0 not in again, "what had arrived was not sent again"
    assert asked[:2] == [0, 256 * 1024]
    await expect(pending(alice.page)).to_have_count(0)
    await expect(bar).to_have_count(0)


async def kept_bytes(page: Page) -> bytes:
    """The sealed bytes that this browser keeps of its only unsent file."""
    parts = await page.evaluate("""async () => {
        const request = indexedDB.open("ezdms");
        await new Promise((resolve) => { request.onsuccess = resolve; });
        const asked = request.result.transaction("files").objectStore("files").getAll();
        await new Promise((resolve) => { asked.onsuccess = resolve; });
        request.result.close();
        const parts = asked.result.filter((value) => value instanceof Uint8Array);
        return Promise.all(parts.map((part) => new Promise((resolve) => {
            const reader = new FileReader();
            reader.onload = () => resolve(reader.result.split(",")[1]);
            reader.readAsDataURL(new Blob([part]));
        })));
    }""")
    return b"".join(base64.b64decode(part) for part in parts)


async def test_a_paused_upload_holds_nothing_back_and_a_canceled_one_leaves_nothing(home: Home) -> None:
    alice, bob = await talks(home)
    film, more = pending(alice.page).filter(has_text="film.mp4"), pending(alice.page).filter(has_text="more.bin")
    async with held_back(alice.page, "**/files/*") as asked:
        await attaches(alice.page, ("film.mp4", "video/mp4", NOISE * 2))
        await asked.wait()
        await alice.writes("before the film")
        await expect(pending(alice.page).last).to_contain_text("Queued after the message before it.")
        await film.get_by_role("button", name="Pause").click()
        await expect(film).to_contain_text("Paused.")
        await bob.sees("before the film")
        await attaches(alice.page, ("more.bin", "", NOISE))
        await expect(more.get_by_role("progressbar", name="Upload of more.bin")).to_be_visible()
        await more.get_by_role("button", name="Cancel").click()
        await expect(more).to_have_count(0)
    await alice.page.reload()
    await expect(film).to_contain_text("Paused.")
    await film.get_by_role("button", name="Resume").click()
    [said] = await files(bob, 1)
    assert said["name"] == "film.mp4"
    assert await saves(bob, said) == NOISE * 2
    await expect(pending(alice.page)).to_have_count(0)
    assert await kept(alice.page) == 0
