"""Sending files from the page: what is chosen, what of it is sent, and uploads that nothing can spoil."""

from __future__ import annotations

import base64
import json
import random
import re
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, Request, Route, expect

from ezdms import crypto
from ezdms.client.naming import safe_name, sent_name
from ezdms.protocol.encoding import b64u_decode
from ezdms.views.assets import address_of
from tests.browser.home import Home, held_back
from tests.browser.lies.peers import Peer
from tests.browser.lies.watching import STORED
from tests.conftest import Server
from tests.support import pictures
from tests.support.access import faults_in_every_look
from tests.support.hostile import Hostile
from tests.support.someone import Someone, until

MIB = 1024 * 1024
UNREACHED = "The server cannot be reached. The upload continues automatically."
NOISE = bytes(range(256)) * 4096  # one MiB

Chosen = tuple[str, str, bytes]  # name, type, bytes


async def talks(home: Home) -> tuple[Someone, Peer]:
    """Alice is in a conversation with a program."""
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
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

    async def are_there() -> bool:
        return len([row for row in await peer.rows() if row["file"]]) >= count

    await until(are_there, within=30)
    said: list[dict[str, Any]] = [json.loads(one.text) for one in await messages(peer) if one.kind == "file"]
    assert len(said) == count
    return said


async def saves(peer: Peer, file: dict[str, Any]) -> bytes:
    """Download and open a file, as the other person does."""
    sealed = await peer.downloads(file["id"])
    opener = crypto.FileOpener(b64u_decode(file["key"], 32), file["size"], file["hash"])
    whole = b"".join(opener.feed(sealed))
    opener.finish()
    return whole


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


@pytest.mark.firefox_too
async def test_files_arrive_whole_in_the_order_chosen_and_a_caption_follows_them(home: Home) -> None:
    alice, bob = await talks(home)
    contents = [NOISE + b"the end", b"x", b"0123456789" * 7000]
    names = ["film.mp4", "a b.txt", "data.bin"]
    types = ["video/mp4", "text/plain", "application/octet-stream"]
    async with held_back(alice.page, "**/deployment") as asked:  # so that no file is encrypted yet
        await attaches(alice.page, *zip(names, types, contents, strict=True))
        await asked.wait()
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


async def stalls(page: Page, after: int) -> list[int]:
    """Let only this many parts of uploads through; returns the offsets of those asked for."""
    asked: list[int] = []

    async def carry(route: Route) -> None:
        if route.request.method == "PATCH":
            asked.append(int(route.request.headers["upload-offset"]))
        await (route.continue_() if len(asked) <= after else route.abort())

    await page.route("**/files/*", carry)
    return asked


async def test_an_upload_continues_after_a_lost_connection_a_reload_and_the_next_login_with_the_same_bytes(
    home: Home,
) -> None:
    alice, bob = await talks(home)
    page, asked = alice.page, await stalls(alice.page, 2)
    await attaches(page, ("film.mp4", "video/mp4", NOISE))
    await expect(pending(page)).to_contain_text(UNREACHED)
    bar = page.get_by_role("progressbar", name="Upload of film.mp4")
    sealed = await kept_bytes(page)
    assert asked[:2] == [0, 256 * 1024]
    again: list[int] = []
    page.on("request", partial(note_offset, again))
    await page.reload()
    await expect(pending(page)).to_contain_text("film.mp4")
    assert await kept_bytes(page) == sealed, "after a reload"

    hostile = Hostile(home.server)
    hostile.run("DELETE FROM sessions WHERE user_id = ?", hostile.user("alice")["user_id"])
    await page.reload()
    await expect(page.get_by_text("You were logged out")).to_be_visible()
    assert await kept_bytes(page) == sealed, "after the session"
    assert await page.evaluate(f"async () => !(await ({STORED})()).includes('film.mp4')")
    await page.unroute_all(behavior="wait")
    again.clear()
    await alice.logs_in()
    [said] = await files(bob, 1)
    assert await bob.downloads(said["id"]) == sealed
    assert await saves(bob, said) == NOISE
    assert again
    assert 0 not in again, "what had arrived was not sent again"
    await alice.goes_to(f"/c/{bob.conversation}")
    await expect(page.get_by_role("log").locator("shared-file")).to_have_count(1)
    await expect(pending(page)).to_have_count(0)
    await expect(bar).to_have_count(0)


async def test_a_paused_upload_holds_nothing_back_and_a_canceled_one_leaves_nothing(home: Home) -> None:
    alice, bob = await talks(home)
    film, more = pending(alice.page).filter(has_text="film.mp4"), pending(alice.page).filter(has_text="more.bin")
    await alice.page.emulate_media(reduced_motion="reduce")
    async with held_back(alice.page, "**/files/*") as asked:
        await attaches(alice.page, ("film.mp4", "video/mp4", NOISE))
        await asked.wait()
        assert await faults_in_every_look(alice.page, ".pending") == []
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
    assert await saves(bob, said) == NOISE
    await expect(pending(alice.page)).to_have_count(0)
    assert await kept(alice.page) == 0


# Drops files on the conversation: [name, type, bytes as base64, or their count].
DROP = """async (files) => {
    const carried = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = typeof content === "number" ? new Uint8Array(content)
            : Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        carried.items.add(new File([bytes], name, { type }));
    }
    const event = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
    document.querySelector("message-log").dispatchEvent(event);
    return event.defaultPrevented;
}"""

# A picture of these sides, half red and half blue, as its browser encodes it.
PAINT = """async ([type, width, height]) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    for (const [color, from] of [["red", 0], ["blue", width / 2]]) {
        context.fillStyle = color;
        context.fillRect(from, 0, width / 2, height);
    }
    const blob = await canvas.convertToBlob({ type });
    return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
}"""

# What a browser draws of these bytes: sides, and the colors of its four corners. Null if nothing.
DRAWN = """async ([type, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type })).catch(() => null);
    if (!bitmap) return null;
    const { width, height } = bitmap;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]];
    const colors = corners.map(([x, y]) => context.getImageData(x, y, 1, 1).data[0] > 128 ? "red" : "blue");
    return [width, height, ...colors];
}"""


async def painted(page: Page, type: str, width: int = 40, height: int = 20) -> bytes:
    """A picture that this browser has encoded."""
    return base64.b64decode(await page.evaluate(PAINT, [type, width, height]))


async def drawn(page: Page, type: str, whole: bytes) -> list[Any] | None:
    """What the browser draws of it."""
    found: list[Any] | None = await page.evaluate(DRAWN, [type, base64.b64encode(whole).decode()])
    return found


async def drops(page: Page, *files: tuple[str, str, bytes | int]) -> None:
    """Drop these files on the conversation."""
    given = [
        (name, type, base64.b64encode(one).decode() if isinstance(one, bytes) else one) for name, type, one in files
    ]
    assert await page.evaluate(DROP, given)


def sheet(page: Page) -> Locator:
    """The question before files are sent."""
    return page.get_by_role("dialog", name=re.compile("^Send "))


@pytest.mark.firefox_too
async def test_pictures_lose_their_metadata_and_keep_their_orientation(home: Home) -> None:
    alice, bob = await talks(home)
    jpeg, png, webp = [await painted(alice.page, f"image/{kind}") for kind in ("jpeg", "png", "webp")]
    sent = {
        "image/jpeg": talkative_jpeg(jpeg, orientation=6),
        "image/png": talkative_png(png, orientation=3),
        "image/webp": talkative_webp(webp, 40, 20),
    }
    assert all(whole.count(b"SECRET") >= 3 for whole in sent.values())
    await attaches(alice.page, *[(f"a.{type[6:]}", type, whole) for type, whole in sent.items()])
    for said, (type, before) in zip(await files(bob, 3), sent.items(), strict=True):
        after = await saves(bob, said)
        assert b"SECRET" not in after
        assert said["type"] == type
        shown = await drawn(alice.page, type, after)
        assert shown is not None
        assert shown == await drawn(alice.page, type, before)
        assert [said["w"], said["h"]] == shown[:2]
        thumb = b64u_decode(said["thumb"])
        assert thumb.startswith((b"RIFF", b"\xff\xd8"))
        assert len(thumb) <= 4096
        assert await drawn(alice.page, "", thumb) is not None
        if type == "image/jpeg":
            assert shown == [20, 40, "red", "red", "blue", "blue"], "turned by a quarter"
    assert alice.errors == []


async def test_large_pictures_are_sent_smaller_or_as_they_are_with_one_choice_for_all(home: Home) -> None:
    alice, bob = await talks(home)
    page = alice.page
    wide, small = await painted(page, "image/jpeg", 3000, 300), await painted(page, "image/jpeg", 30, 10)
    chosen = [("wide.jpg", "image/jpeg", wide), ("small.jpg", "image/jpeg", small), ("also.jpg", "image/jpeg", wide)]
    await attaches(page, *chosen)
    await expect(sheet(page)).to_contain_text(f"Send 3 files to {bob.name}?")
    await page.emulate_media(reduced_motion="reduce")
    assert await faults_in_every_look(page, ":popover-open") == []
    await page.keyboard.press("Escape")
    await expect(sheet(page)).to_be_hidden()
    await attaches(page, *chosen)
    await sheet(page).get_by_role("button", name="Cancel").click()
    await attaches(page, *chosen)
    await expect(sheet(page).get_by_role("button", name="Send smaller")).to_be_focused()
    await page.keyboard.press("Enter")
    said = await files(bob, 3)
    assert [(one["w"], one["h"]) for one in said] == [(2560, 256), (30, 10), (2560, 256)]
    assert (await saves(bob, said[1])) == small
    for one in (said[0], said[2]):
        shown = await drawn(page, "image/jpeg", await saves(bob, one))
        assert shown == [2560, 256, "red", "blue", "red", "blue"]
    await attaches(page, chosen[0])
    await sheet(page).get_by_role("button", name="Send as they are").click()
    said = await files(bob, 4)
    assert (said[3]["w"], said[3]["h"]) == (3000, 300)
    assert await saves(bob, said[3]) == wide


@pytest.mark.firefox_too
async def test_what_cannot_be_decoded_is_never_decoded_and_sent_as_a_plain_file(home: Home) -> None:
    alice, bob = await talks(home)
    await alice.page.evaluate(
        "() => { window.decoded = 0; const decode = createImageBitmap;"
        " window.createImageBitmap = (...given) => { window.decoded += 1; return decode(...given); }; }"
    )
    bomb = pictures.bomb(8000)
    assert len(bomb) < 500_000
    broken = pictures.png_of(10, 10, b"")
    contents = [
        bomb,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and no more",
        b"GIF89a",
        b"\xff\xd8\xff",
        broken,
        b"RIFF\0\0\0\0WEBP",
    ]
    await attaches(alice.page, *[(f"{i}.png", "image/png", whole) for i, whole in enumerate(contents)])
    said = await files(bob, len(contents))
    assert [await saves(bob, one) for one in said] == contents
    for one in said:
        assert (one["type"], one["thumb"], one["w"], one["h"]) == ("", "", 0, 0)
    for i in range(len(contents)):  # those whose parts are there were cleaned, and the bomb, too
        alert, words = expect(alice.alert), f"“{i}.png” was sent unchanged"
        await (alert.not_to_contain_text(words) if i in (0, 4) else alert.to_contain_text(words))
    assert await alice.page.evaluate("() => window.decoded") == 1, "the broken one, whose size is harmless"
    await expect(alice.page.locator("message-row shared-file")).to_have_count(len(contents))
    assert alice.errors == []


async def test_what_cannot_be_sent_is_said_and_the_rest_is_sent(home: Home) -> None:
    alice, bob = await talks(home)
    names = [
        "../../etc/passwd",
        "evil\u202egpj.exe",
        "a\0b",
        "n" * 300 + ".txt",
        " .. ",
        "CON.txt",
        "-rf",
        "e\u0301.txt",
    ]
    await drops(
        alice.page, *[(name, "", b"content") for name in names], ("empty.txt", "", b""), ("big", "", 25 * MIB + 1)
    )
    await expect(sheet(alice.page)).to_contain_text("passwd")
    await sheet(alice.page).get_by_role("button", name="Send files").click()
    said = await files(bob, len(names))
    assert [one["name"] for one in said] == [sent_name(name) for name in names]
    await expect(alice.alert).to_contain_text("“empty.txt” is empty, so it was not sent.")
    await expect(alice.alert).to_contain_text("“big” is too large: a file has at most 26.2 MB on this server.")
    await expect(pending(alice.page)).to_have_count(0)
    assert await kept(alice.page) == 0


ROUND = "() => { dispatchEvent(new Event('online')); }"  # otherwise every ten seconds

# Pastes files and texts of these types; says whether the page took them.
PASTE = """(element, types) => {
    const carried = new DataTransfer();
    for (const type of types) {
        if (type.startsWith("image/")) carried.items.add(new File(["x"], "image.png", { type }));
        else carried.setData(type, "x");
    }
    const event = new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true });
    element.dispatchEvent(event);
    return event.defaultPrevented;
}"""

# A file is dragged over this element, or out of the window; says whether the conversation shows it, and the cursor.
DRAG = """(element, type) => {
    const carried = new DataTransfer();
    carried.items.add(new File(["x"], "a.png", { type: "image/png" }));
    const event = new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true });
    element.dispatchEvent(event);
    return document.querySelector("message-thread").hasAttribute("data-over");
}"""

# Drops a file where none belongs; says whether the browser was kept from opening it.
DROP_HERE = """(element) => {
    const carried = new DataTransfer();
    carried.items.add(new File(["x"], "a.html", { type: "text/html" }));
    const event = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
    element.dispatchEvent(event);
    return event.defaultPrevented;
}"""

# The browser's database as an earlier version of the page made it.
OLDER = """async () => {
    const names = ["account", "contacts", "drafts", "outbox"];
    const done = (request) => new Promise((resolve) => { request.onsuccess = () => resolve(request.result); });
    const now = await done(indexedDB.open("ezdms"));
    const rest = {};
    for (const name of names) {
        const store = now.transaction(name).objectStore(name);
        const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
        rest[name] = keys.map((key, i) => [values[i], key]);
    }
    now.close();
    await done(indexedDB.deleteDatabase("ezdms"));
    const request = indexedDB.open("ezdms", 2);
    request.onupgradeneeded = () => {
        for (const name of names) {
            request.result.createObjectStore(name, name === "outbox" ? { autoIncrement: true } : {});
        }
    };
    const older = await done(request);
    const transaction = older.transaction(names, "readwrite");
    for (const name of names) for (const one of rest[name]) transaction.objectStore(name).put(...one);
    await new Promise((resolve) => { transaction.oncomplete = resolve; });
    older.close();
}"""


async def test_an_upload_waits_for_room_and_for_the_server_and_continues_with_the_same_bytes(
    browser: Browser, tmp_path: Path
) -> None:
    """What the server refuses or loses stays here, with a sentence and a button."""
    with Server(tmp_path, max_file="2MiB", quota_files="768KiB") as server:
        alice, bob = await Someone.is_in(browser, server, "alice"), await Peer.arrives(server)
        await bob.starts_with(alice.search_pin)
        await alice.opens(bob.name)
        await drops(alice.page, ("big", "", 2 * MIB + 1))
        await sheet(alice.page).get_by_role("button", name="Send files").click()
        await expect(alice.alert).to_contain_text("“big” is too large: a file has at most 2.1 MB on this server.")
        await attaches(alice.page, ("film.mp4", "video/mp4", NOISE))
        film = pending(alice.page).filter(has_text="film.mp4")
        await expect(film).to_contain_text("Not sent. Your storage for files on this server is full.")
        await expect(film).to_have_attribute("data-unsent", "refused")
        await alice.writes("a text has room")
        await bob.sees("a text has room")
        sealed = await kept_bytes(alice.page)
        async with held_back(alice.page, "**/files/*"):
            server.stop()
            server.settings["quota_files"] = "10MiB"
            server.start()
            await film.get_by_role("button", name="Try again").click()
            await expect(film.get_by_role("progressbar")).to_be_visible()
            server.stop()  # in the middle of the upload
        await expect(film).to_contain_text(UNREACHED)
        server.start()
        [said] = await files(bob, 1)
        assert await bob.downloads(said["id"]) == sealed
        assert await saves(bob, said) == NOISE
        await expect(pending(alice.page)).to_have_count(0)
        await bob.leaves()


async def test_one_of_two_tabs_uploads_and_the_other_takes_over_when_it_is_closed(home: Home) -> None:
    alice, bob = await talks(home)
    other = await alice.new_tab()
    await other.goto(alice.page.url)
    await expect(other.get_by_role("button", name="Attach")).to_be_enabled()
    sent: dict[Page, list[int]] = {alice.page: [], other: []}
    for page, offsets in sent.items():
        page.on("request", partial(note_offset, offsets))
    async with held_back(alice.page, "**/files/*") as asked:
        await attaches(alice.page, ("film.mp4", "video/mp4", NOISE))
        await asked.wait()
        sealed = await kept_bytes(alice.page)
        await other.evaluate(ROUND)
        await expect(pending(other)).to_contain_text("Queued.")
        await expect(pending(other).get_by_role("progressbar")).to_be_hidden()
        assert sent[other] == []
        await alice.page.goto("about:blank")
    [said] = await files(bob, 1)
    assert await bob.downloads(said["id"]) == sealed
    assert len(sent[other]) > 1
    await expect(pending(other)).to_have_count(0)
    async with held_back(other, "**/files/*") as asked:
        await attaches(other, ("more.bin", "", NOISE))
        await asked.wait()
        await alice.page.goto(other.url)
        await pending(alice.page).get_by_role("button", name="Cancel").click()
        await expect(pending(alice.page)).to_have_count(0)
        await other.evaluate(ROUND)
        await expect(pending(other)).to_have_count(0)
    assert await kept(other) == 0
    assert len([one for one in await messages(bob) if one.kind == "file"]) == 1


def note_offset(offsets: list[int], request: Request) -> None:
    """Record that a part of a file was sent."""
    if request.method == "PATCH":
        offsets.append(int(request.headers["upload-offset"]))


async def test_files_are_pasted_and_what_is_also_a_text_is_pasted_as_one(home: Home) -> None:
    alice, bob = await talks(home)
    field = alice.page.get_by_role("textbox", name="Message")
    for types, is_taken in ((["image/png", "text/plain"], False), (["image/png", "text/html"], True)):
        assert await field.evaluate(PASTE, types) == is_taken
    await expect(sheet(alice.page)).to_contain_text(f"Send this file to {bob.name}?")
    await expect(sheet(alice.page).get_by_role("button", name="Send files")).to_be_focused()
    await alice.page.keyboard.press("Enter")
    [said] = await files(bob, 1)
    assert said["name"] == "image.png"
    listed = alice.page.get_by_role("navigation", name="Conversations")
    for place, kind, is_shown in [
        (field, "dragover", True),
        (listed, "dragover", False),
        (field, "dragover", True),
        (field, "dragleave", False),
        (field, "dragover", True),
    ]:
        assert await place.evaluate(DRAG, kind) is is_shown, kind
    assert not await listed.evaluate(PASTE, ["image/png"])
    assert await listed.evaluate(DROP_HERE)
    assert not await field.evaluate(DRAG, "dragend")
    await expect(sheet(alice.page)).to_be_hidden()
    assert alice.page.url.endswith(bob.conversation)  # it did not open the file


async def test_a_browser_that_was_here_before_there_were_files_keeps_everything(home: Home) -> None:
    alice, bob = await talks(home)
    await alice.page.get_by_role("textbox", name="Message").fill("a draft")
    await alice.page.goto(f"{alice.address}/ping")
    await alice.page.evaluate(OLDER)
    await alice.page.goto(f"{alice.address}/c/{bob.conversation}")
    await expect(alice.page.get_by_role("textbox", name="Message")).to_have_value("a draft")
    await attaches(alice.page, ("a.bin", "", b"first"))
    [said] = await files(bob, 1)
    assert await saves(bob, said) == b"first"


@pytest.mark.firefox_too
async def test_names_are_made_safe_as_the_python_client_does_it(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    dice = random.Random(21)  # noqa: S311
    parts = [
        *'ab.. -_\u202e\u2066\u200d\xad:*?"<>|é',
        "e\u0301",
        "👍",
        "con",
        "nul.txt",
        "x" * 120,
        ".tar.gz",
        "漢" * 70,
    ]
    names = ["".join(dice.choices(parts, k=dice.randint(1, 6))) for _ in range(3000)]
    code = "([at, names]) => import(at).then(({ safeName }) => names.map(safeName))"
    assert await alice.page.evaluate(code, [address_of("js/sealing.js"), names]) == [safe_name(name) for name in names]


def talkative_jpeg(jpeg: bytes, orientation: int) -> bytes:
    """The same picture with everything that cameras and programs add."""

    def part(marker: int, content: bytes) -> bytes:
        return b"\xff" + bytes([marker]) + struct.pack("!H", len(content) + 2) + content

    more = part(0xE1, b"Exif\0\0" + exif(orientation)) + part(0xE1, b"http://ns.adobe.com/xap/1.0/\0SECRET")
    more += part(0xED, b"Photoshop 3.0\0SECRET") + part(0xFE, b"SECRET") + part(0xE2, b"MPF\0SECRET")
    return jpeg[:2] + more + jpeg[2:] + b"SECRET after the end"


def talkative_png(png: bytes, orientation: int) -> bytes:
    """The same picture with texts, EXIF and a time."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack("!I", len(content)) + name + content + struct.pack("!I", zlib.crc32(name + content))

    more = chunk(b"eXIf", exif(orientation)) + chunk(b"tEXt", b"Comment\0SECRET") + chunk(b"iTXt", b"a\0\0\0\0\0SECRET")
    return png[:33] + more + chunk(b"tIME", bytes(7)) + png[33:] + b"SECRET after the end"


def talkative_webp(webp: bytes, width: int, height: int) -> bytes:
    """The same picture in the extended form, with EXIF, XMP and something unknown."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    at, picture = 12, b""
    while at < len(webp):
        size = 8 + int.from_bytes(webp[at + 4 : at + 8], "little")
        size += size % 2
        if webp[at : at + 4] in (b"VP8 ", b"VP8L", b"ALPH"):
            picture += webp[at : at + size]
        at += size
    head = b"\x0c\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = (
        chunk(b"VP8X", head)
        + picture
        + chunk(b"EXIF", exif(1))
        + chunk(b"XMP ", b"SECRET.")
        + chunk(b"WHAT", b"SECRET")
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def exif(orientation: int) -> bytes:
    """EXIF with an orientation and a description."""
    entries = struct.pack("<HHII", 0x010E, 2, 8, 38) + struct.pack("<HHII", 0x0112, 3, 1, orientation)
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0) + b"SECRET!\0"
