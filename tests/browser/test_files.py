"""Files in the conversation: pictures in place, everything else as a card, saved exactly as they were sent."""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path

from playwright.async_api import Download, Locator, Page, expect

from tests.browser.home import Home
from tests.browser.lies.peers import Peer
from tests.browser.test_reading import last_of
from tests.browser.test_thread import box_of
from tests.support.access import faults_in_every_look
from tests.support.pictures import BLUE, bomb, gif_of, hidden_jpeg_of, jpeg_of, png, png_of, webp_of
from tests.support.someone import Someone, until

BOXES = "(all) => all.map((each) => [each.offsetWidth, each.offsetHeight])"
# A thumbnail as a browser makes it, in b64u.
THUMB = """async ([type, width, height]) => {
    const canvas = new OffscreenCanvas(width, height);
    Object.assign(canvas.getContext("2d"), { fillStyle: "#2a5" }).fillRect(0, 0, width, height);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type, quality: 0.4 })).arrayBuffer())];
}"""
# The browser cannot ask where to save.
NO_PICKER = "delete window.showSaveFilePicker"
# The browser asks, and the user chooses a file of the page's own storage.
PICKER = """() => { window.showSaveFilePicker = async ({ suggestedName }) => {
    window.suggested = suggestedName;
    window.place = await (await navigator.storage.getDirectory()).getFileHandle("chosen", { create: true });
    return window.place; };
}"""
CHOSEN = """async () => {
    const digest = await crypto.subtle.digest("SHA-256", await (await window.place.getFile()).arrayBuffer());
    return [...new Uint8Array(digest)];
}"""
# Which of these addresses of this page still lead to a picture.
LIVE = """(urls) => Promise.all(urls.map((src) =>
    Object.assign(new Image(), { src }).decode().then(() => true, () => false)))"""

# Keeps the tracks that the page records from.
TRACKS = """() => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.tracks = [];
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        await window.answered;
        window.tracks.push(...stream.getTracks());
        return stream;
    };
}"""
# From now on, the browser asks whether this page may record, and gets no answer until window.answer().
ASKS = "() => { window.answered = new Promise((resolve) => { window.answer = resolve; }); }"
# Counts the bytes that the page hands to a decoder.
COUNT = """() => {
    const make = URL.createObjectURL;
    window.made = 0;
    URL.createObjectURL = (blob) => { window.made += 1; return make(blob); };
}"""
DENY = """(name) => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", name));
}"""


def files(page: Page) -> Locator:
    """The files of the conversation."""
    return page.get_by_role("log").locator("shared-file")


def pictures(page: Page) -> Locator:
    return files(page).get_by_role("button", name="Photo: ")


async def talk(home: Home, *texts: str) -> tuple[Someone, Peer]:
    """Alice on the page that she had, and a program that has written to her."""
    alice, peer = await home.person("alice", is_kept=True), await home.peer()
    await peer.starts_with(alice.search_pin)
    for text in texts:
        await peer.writes(text)
    return alice, peer


async def are_loaded(page: Page, *widths: int) -> None:
    """Wait until the pictures are drawn, from bytes of these widths."""
    images = files(page).locator(".picture img")
    await expect(images).to_have_count(len(widths))
    for image, width in zip(await images.all(), widths, strict=True):
        await expect(image).to_have_js_property("naturalWidth", width)


async def downloads(page: Page, button: Locator) -> Download:
    async with page.expect_download() as begun:
        await button.click()
    return await begun.value


async def faults(page: Page, part: str = "html") -> list[str]:
    """Faults, without what only moves."""
    await page.emulate_media(reduced_motion="reduce")
    return await faults_in_every_look(page, part)


async def bytes_of(download: Download) -> bytes:
    return Path(await download.path()).read_bytes()


async def test_pictures_are_drawn_in_a_place_that_does_not_move(home: Home) -> None:
    alice, bob = await talk(home, "look")
    before_all = alice.page.viewport_size
    await alice.page.set_viewport_size({"width": 1280, "height": 2000})
    thumb = bytes(await alice.page.evaluate(THUMB, ["image/webp", 64, 48]))
    large = png(400, 300, BLUE, noise=secrets.token_bytes(1_200_000))  # too large to load alone
    await bob.shares(png(400, 300), "red.png", "image/png", w=400, h=300)
    await bob.shares(large, "blue.png", "image/png", w=400, h=300, thumb=thumb)
    await bob.shares(png(300, 600), "no-size.png", "image/png")
    alice.records()
    await alice.opens(bob.name)
    await are_loaded(alice.page, 400, 64, 300)
    assert len([one for one in alice.addresses if "/files/" in one]) == 2
    before = await files(alice.page).evaluate_all(BOXES)
    assert before[0] == before[1]  # as their messages say
    assert before[2][0] > before[2][1]  # a box for any picture
    await pictures(alice.page).nth(1).click()
    await expect(alice.page.get_by_role("dialog", name="blue.png").locator("img")).to_have_js_property(
        "naturalWidth", 400
    )
    await alice.page.keyboard.press("Escape")
    await expect(pictures(alice.page).nth(1)).to_be_focused()
    await are_loaded(alice.page, 400, 400, 300)
    assert await files(alice.page).evaluate_all(BOXES) == before
    assert (await box_of(files(alice.page).nth(2).locator("img")))["width"] < 330
    assert "\n".join(await faults(alice.page)) == ""
    assert alice.errors == []
    # Everything else that one can do with a message.
    await bob.writes("as you see", reference=(bob.sent[1].message_id, bob.sent[1].hash))
    await expect(alice.page.locator(".quote .words").last).to_have_text("Photo")
    assert before_all is not None
    await alice.page.set_viewport_size(before_all)
    await alice.goes_to("/")
    await expect(last_of(alice, bob.name)).to_have_text("as you see")
    await bob.shares(b"x", "notes.txt", "text/plain")
    await expect(last_of(alice, bob.name)).to_have_text("📎 notes.txt")
    await bob.shares(png(2, 2), "last.png", "image/png")
    await expect(last_of(alice, bob.name)).to_have_text("Photo")


async def test_the_viewer_shows_the_pictures_of_a_conversation_one_after_the_other(home: Home) -> None:
    alice, bob = await talk(home, "hello")
    page = alice.page
    await page.evaluate(NO_PICKER)
    plain = [png(width, 30) for width in (40, 41, 42)]
    for nth, each in enumerate(plain):
        await bob.shares(each, f"{nth}.png", "image/png", w=40, h=30)
    await bob.shares(b"x", "not-a-picture.txt")
    await alice.opens(bob.name)
    await are_loaded(page, 40, 41, 42)
    await pictures(page).nth(1).focus()
    await page.keyboard.press("Enter")
    viewer, shown = page.get_by_role("dialog"), page.get_by_role("dialog").get_by_role("img")
    await expect(viewer).to_have_accessible_name("1.png")
    await expect(shown).to_have_accessible_name("1.png")
    await expect(viewer.get_by_role("group", name="Photo")).to_be_focused()
    assert "\n".join(await faults(page, "dialog[open]")) == ""
    await page.keyboard.press("ArrowRight")
    await expect(shown).to_have_js_property("naturalWidth", 42)
    await expect(viewer.get_by_role("button", name="Next photo")).to_be_hidden()
    await page.keyboard.press("ArrowRight")
    await viewer.get_by_role("button", name="Previous photo").click()
    await page.keyboard.press("ArrowLeft")
    await expect(viewer).to_have_accessible_name("0.png")
    box = await box_of(shown)
    width, stage = box["width"], await box_of(viewer.get_by_role("group", name="Photo"))
    assert (box["y"], box["height"]) == (stage["y"], stage["height"])  # all of it is in view
    await expect(viewer.get_by_role("button", name="Zoom out")).to_be_disabled()
    await page.keyboard.press("+")
    await viewer.get_by_role("button", name="Zoom in").click()
    assert (await box_of(shown))["width"] > 1.9 * width  # scrollbars take room
    await page.keyboard.press("-")
    await page.keyboard.press("-")
    assert (await box_of(shown))["width"] == width
    saved = await downloads(page, viewer.get_by_role("button", name="Save"))
    assert (saved.suggested_filename, await bytes_of(saved)) == ("0.png", plain[0])
    await expect(viewer.get_by_role("status")).to_have_text("Saved")
    await page.keyboard.press("Escape")
    await expect(viewer).to_be_hidden()
    await expect(pictures(page).nth(0)).to_be_focused()
    # What is deleted while it is shown is gone from there, too; what cannot be shown says why.
    await pictures(page).nth(2).click()
    await bob.writes(f"{bob.sent[3].message_id} {bob.sent[3].hash}", kind="delete", e="")
    await expect(viewer).to_be_hidden()
    await bob.shares(b"no picture" + bytes(1_100_000), "large.png", "image/png")
    await files(page).get_by_role("button", name="Photo: large.png").click()
    await expect(viewer.get_by_role("status")).to_contain_text("This is not a picture")
    await viewer.get_by_role("button", name="Close").click()
    await expect(files(page).last.get_by_role("button", name="Download")).to_be_focused()
    assert alice.errors == []


async def test_a_file_is_saved_as_it_was_sent(home: Home) -> None:
    alice, bob = await talk(home, "hello")
    page, whole = alice.page, secrets.token_bytes(2_500_001)
    await page.evaluate(NO_PICKER)
    await bob.shares(whole, "Träume.pdf", "application/pdf")
    await bob.shares(b"", "empty.bin")
    await bob.shares(b"<script>alert(1)</script>", "evil\u202egnp.html", "text/html")
    await bob.shares(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing.svg", "image/svg+xml")
    await alice.opens(bob.name)
    alice.records()
    cards = files(page)
    await expect(cards).to_have_count(4)
    assert [one for one in alice.addresses if "/files/" in one] == []  # nothing loads by itself
    await expect(cards.nth(0)).to_contain_text("Träume.pdf")
    await expect(cards.nth(0)).to_contain_text("PDF · 2.5 MB")
    await expect(cards.nth(2)).to_contain_text("evil_gnp.html")
    assert "\u202e" not in await page.locator("body").inner_text()
    for nth, (name, plain) in enumerate(
        [("Träume.pdf", whole), ("empty.bin", b""), ("evil_gnp.html", b"<script>alert(1)</script>")]
    ):
        saved = await downloads(page, cards.nth(nth).get_by_role("button", name=f"Download: {name}"))
        assert (saved.suggested_filename, await bytes_of(saved)) == (name, plain)
        await expect(cards.nth(nth).get_by_role("status")).to_have_text("Saved")
        assert saved.url.startswith("blob:")
    assert len(page.context.pages) == 1
    # A browser that writes to the disk itself gets the same, all of it or nothing.
    await page.evaluate(PICKER)
    await cards.nth(0).get_by_role("button", name="Download").click()
    await expect(cards.nth(0).get_by_role("status")).to_have_text("Saved")
    assert bytes(await page.evaluate(CHOSEN)) == hashlib.sha256(whole).digest()
    assert await page.evaluate("window.suggested") == "Träume.pdf"
    assert "\n".join(await faults(page, "message-log")) == ""
    assert alice.errors == []


async def test_what_only_pretends_to_be_a_picture_is_never_drawn_nor_as_audio_played(home: Home) -> None:
    alice, bob = await talk(home, "hello")
    page = alice.page
    cases = {
        "html": (b"<html><script>parent.pwned = 1</script>", "not a picture"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="pwned = 1"/>', "not a picture"),
        "cut": (png(300, 300)[:20], "not a picture"),
        "bomb": (bomb(7100), "too large"),
        "claim": (png_of(65_000, 65_000), "too large"),
        "nothing": (png_of(0, 10), "not a picture"),
        "gif": (gif_of(1, 60_000), "too large"),
        "jpeg": (jpeg_of(60_000, 60_000), "too large"),
        "hidden jpeg": (hidden_jpeg_of(60_000, 60_000), "not a picture"),
        "webp": (webp_of(16_000, 16_000), "too large"),
        "empty": (b"", "not a picture"),
    }
    for name, (plain, _) in cases.items():
        await bob.shares(plain, f"{name}.png", "image/png", w=10, h=10, thumb=plain[:4000])
    await alice.opens(bob.name)
    for nth, (name, (_, words)) in enumerate(cases.items()):
        card = files(page).nth(nth)
        await card.scroll_into_view_if_needed()
        await expect(card.get_by_role("status"), name).to_contain_text(words)
        await expect(card.locator("img"), name).to_have_count(0)
        await expect(card.get_by_role("button", name=f"Download: {name}.png"), name).to_be_visible()
    assert await page.evaluate("'pwned' in window") is False
    # A thumbnail that lies is not drawn, nor one that is too large.
    large = bytes(await page.evaluate(THUMB, ["image/webp", 513, 8]))
    for thumb in (b"<svg/>", png(8, 8), large, webp_of(9, 9)):
        await bob.shares(png(8, 8, noise=bytes(1_100_000)), "t.png", "image/png", thumb=thumb)
    small = bytes(await page.evaluate(THUMB, ["image/jpeg", 16, 16]))
    await bob.shares(png(8, 8, noise=bytes(1_100_000)), "t.png", "image/png", thumb=small)
    last = files(page).last
    await expect(last.locator("img")).to_have_js_property("naturalWidth", 16)
    await expect(files(page).locator("img")).to_have_count(1)
    # Nor is what is no audio played.
    alice.records()
    await page.evaluate(COUNT)
    sounds = (b"#EXTM3U\nhttps://evil.example/x.ts", b"OggS" + bytes(100), b"")
    for nth, sound in enumerate(sounds):
        await bob.shares(sound, f"{nth}.ogg", "audio/ogg")
        card = files(page).filter(has_text=f"{nth}.ogg")
        await card.get_by_role("button", name="Play").click()
        await expect(card.get_by_role("status")).to_contain_text("cannot play this")
        await expect(card.get_by_role("button", name="Download")).to_be_visible()
    assert await page.evaluate("window.made") == 1  # only what begins as Ogg
    assert not [one for one in alice.addresses if "evil" in one]


async def test_deleted_and_expired_files_are_gone_with_their_bytes(home: Home) -> None:
    alice, bob = await talk(home, "hello")
    page = alice.page
    await bob.shares(png(30, 30), "a.png", "image/png")
    await bob.shares(png(31, 31), "b.png", "image/png")
    await alice.opens(bob.name)
    await are_loaded(page, 30, 31)
    urls = await files(page).locator("img").evaluate_all("(all) => all.map(({ src }) => src)")
    assert await page.evaluate(LIVE, urls) == [True, True]
    await bob.writes(f"{bob.sent[1].message_id} {bob.sent[1].hash}", kind="delete", e="")
    await expect(files(page)).to_have_count(1)
    assert await page.evaluate(LIVE, urls) == [False, True]
    await page.get_by_role("article").last.hover()
    await page.get_by_role("button", name="Message actions").last.click()
    await expect(page.get_by_role("menuitem", name="Reply")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Copy")).to_be_hidden()
    await page.get_by_role("menuitem", name="👍").click()
    await expect(page.locator(".reaction")).to_have_count(1)
    assert await page.evaluate(LIVE, urls) == [False, True]  # and it was not loaded again
    await page.get_by_role("article").last.hover()
    await page.get_by_role("button", name="Message actions").last.click()
    await page.get_by_role("menuitem", name="Delete").click()
    await page.get_by_role("button", name="Delete for me").click()
    await expect(files(page)).to_have_count(0)
    assert await page.evaluate(LIVE, urls) == [False, False]
    await bob.shares(png(32, 32), "c.png", "image/png", x=5)
    await are_loaded(page, 32)
    urls = await files(page).locator("img").evaluate_all("(all) => all.map(({ src }) => src)")
    await expect(files(page)).to_have_count(0)
    assert await page.evaluate(LIVE, urls) == [False]


async def test_nothing_of_a_request_is_loaded(home: Home) -> None:
    alice, bob = await talk(home)
    alice.accepts = False
    alice.records()
    thumb = bytes(await alice.page.evaluate(THUMB, ["image/webp", 64, 48]))
    await bob.shares(png(30, 30), "a.png", "image/png", thumb=thumb)
    await bob.shares(b"x", "b.pdf", "application/pdf")
    try:
        await alice.opens(bob.name)
        await expect(files(alice.page)).to_have_text([" a.png PNG · 96 bytes ", " b.pdf PDF · 1 byte "])
        await expect(files(alice.page).get_by_role("button")).to_have_count(0)
        await expect(files(alice.page).locator("img")).to_have_count(0)
        assert [one for one in alice.addresses if "/files/" in one] == []
        await alice.page.get_by_role("button", name="Accept").click()
        await are_loaded(alice.page, 30)
        await expect(files(alice.page).last.get_by_role("button", name="Download")).to_be_visible()
    finally:
        alice.accepts = True


async def test_a_voice_message_is_recorded_sent_and_played(friends: tuple[Someone, Someone]) -> None:
    alice, bob = friends
    page, alert = alice.page, alice.page.locator("message-composer [role=alert]")
    await page.evaluate(TRACKS)
    await bob.page.evaluate(NO_PICKER)
    record = page.get_by_role("button", name="Record a voice message")
    timer, player = page.get_by_role("timer", name="Recording"), bob.page.locator("audio-player")
    await record.click()  # once: goes on until it is sent
    await expect(timer).to_have_text("0:01")
    await expect(page.get_by_role("button", name="Send recording")).to_be_focused()
    assert "\n".join(await faults(page, "message-composer")) == ""
    await page.keyboard.press("Enter")
    await expect(timer).to_be_hidden()
    await expect(record).to_be_focused()
    await expect(player).to_have_count(1)
    await record.focus()
    await page.keyboard.press("Enter")  # by keyboard, and not sent
    await expect(timer).to_have_text("0:01")
    await page.get_by_role("button", name="Discard recording").click()
    await record.hover()
    await page.mouse.down()  # held until it is over
    await expect(timer).to_have_text("0:01")
    await page.mouse.up()
    await expect(player).to_have_count(2)
    box = await record.bounding_box()
    assert box
    await page.mouse.down()  # held, and let go far away
    await expect(timer).to_be_visible()
    await expect(page.get_by_text("Slide away to discard")).to_be_visible()
    await page.mouse.move(box["x"] - 150, box["y"] - 20)
    await expect(page.get_by_text("Release to discard")).to_be_visible()
    await expect(page.get_by_text("Slide away to discard")).to_be_hidden()
    await expect(timer).to_have_text("0:01")
    await page.mouse.up()
    await expect(timer).to_be_hidden()
    await record.hover()
    await page.mouse.down()  # away and back again
    await page.mouse.move(box["x"] - 150, box["y"])
    await expect(page.get_by_text("Release to discard")).to_be_visible()
    await record.hover()
    await expect(page.get_by_text("Slide away to discard")).to_be_visible()
    await expect(timer).to_have_text("0:01")
    await page.mouse.up()
    await expect(player).to_have_count(3)
    await page.evaluate(ASKS)
    await record.hover()
    await page.mouse.down()  # let go far away before the browser has its answer
    await page.mouse.move(box["x"] - 150, box["y"])
    await page.mouse.up()
    await page.evaluate("() => window.answer()")
    states = "window.tracks.map(({ readyState }) => readyState).join(' ')"
    await until(lambda: page.evaluate(f"{states} === '{' '.join(['ended'] * 6)}'"))
    await expect(timer).to_be_hidden()
    # Played by both, at three speeds; one at a time.
    first, second = player.nth(0), player.nth(1)
    for one in (first, second):
        assert await one.locator(".wave").evaluate("(wave) => getComputedStyle(wave).maskImage.startsWith('url(')")
        await one.get_by_role("button", name="Play").click()
        await expect(one.get_by_role("slider")).to_be_enabled()
        assert 0.8 < float(await one.get_by_role("slider").get_attribute("max") or 0) < 20
    for speed in ("1×", "1.5×", "2×"):
        await expect(first.get_by_role("button", name=f"Speed: {speed}")).to_have_text(speed)
        await first.get_by_role("button", name="Speed").click()
    await expect(first.get_by_role("button", name="Play")).to_be_visible()
    assert "\n".join(await faults(bob.page, "message-log")) == ""
    saved = await downloads(bob.page, files(bob.page).first.get_by_role("button", name="Download"))
    assert re.fullmatch(r"voice-message-[\d-]{19}\.webm", saved.suggested_filename)
    assert (await bytes_of(saved)).startswith(b"\x1aE\xdf\xa3")
    await bob.goes_to("/")
    await expect(last_of(bob, "alice")).to_have_text("Voice message")
    # Nothing is recorded where the browser, the user or the device says no, and the page says why.
    for name, words in {"NotAllowedError": "does not let this page", "NotFoundError": "No microphone"}.items():
        await page.evaluate(DENY, name)
        await record.click()
        await expect(alert).to_contain_text(words)
        await expect(timer).to_be_hidden()
    # After five minutes it stops by itself, and is still there to be sent.
    await page.evaluate("delete navigator.mediaDevices.getUserMedia")
    await page.clock.install()
    await record.click()
    await page.clock.run_for(2000)
    await expect(timer).to_have_text("0:02")
    await page.clock.fast_forward("06:00")
    await expect(timer).to_have_text("5:00")
    await expect(page.get_by_role("button", name="Send recording")).to_be_visible()
    await page.get_by_role("button", name="Discard recording").click()
    assert alice.errors == bob.errors == []
