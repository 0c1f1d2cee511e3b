"""The page installed as an app: its manifest as Chromium reads it, its icons, and its shortcuts."""

from __future__ import annotations

import base64
import json
from typing import Any

from playwright.async_api import expect

from docs import make_icons
from ezdms.views.assets import FOLDER
from tests.browser.home import Home

# The largest difference of one color channel (0–255) between two PNGs, or their sizes if they differ.
DIFFERENCE = """async (icons) => {
    const [a, b] = await Promise.all(icons.map(async (icon) => {
        const image = await createImageBitmap(new Blob([Uint8Array.from(atob(icon), (c) => c.charCodeAt(0))]));
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
        canvas.drawImage(image, 0, 0);
        return { size: [image.width, image.height], data: canvas.getImageData(0, 0, image.width, image.height).data };
    }));
    if (`${a.size}` !== `${b.size}`) return [a.size, b.size];
    return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0);
}"""


async def test_chromium_finds_nothing_wrong_with_the_manifest(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    session = await alice.context.new_cdp_session(alice.page)
    found: Any = await session.send("Page.getAppManifest")
    assert found["errors"] == []
    manifest = json.loads(found["data"])
    assert (manifest["id"], manifest["start_url"], manifest["display"]) == ("/", "/", "standalone")
    assert "share_target" not in manifest  # without a fetch handler, what is shared would reach the server in clear
    colors = "() => Array.from(document.querySelectorAll('meta[name=theme-color]'), (one) => one.content)"
    light, dark = await alice.page.evaluate(colors)
    assert manifest["theme_color"] == manifest["background_color"] == light != dark
    wrong: Any = await session.send("Page.getInstallabilityErrors")
    assert [one["errorId"] for one in wrong["installabilityErrors"]] in ([], ["in-incognito"])  # as all contexts are
    await session.detach()


async def test_every_icon_of_the_manifest_has_its_size_and_is_drawn_from_the_svg(home: Home) -> None:
    alice = await home.person("alice", is_kept=True)
    icons = json.loads((FOLDER / "manifest.webmanifest").read_text("utf-8"))["icons"]
    shown = {icon["src"]: icon["sizes"] for icon in icons if icon["type"] == "image/png"}
    drawn = await make_icons.draw()
    assert {f"icons/{name}.png" for name in drawn} == {*shown, "icons/apple-touch-180.png"}
    for name, octets in drawn.items():
        size = make_icons.ICONS[name][0]
        assert shown.get(f"icons/{name}.png", "180x180") == f"{size}x{size}"
        both = [base64.b64encode(each).decode() for each in (octets, (FOLDER / "icons" / f"{name}.png").read_bytes())]
        difference: Any = await alice.page.evaluate(DIFFERENCE, both)
        assert isinstance(difference, int)
        assert difference <= 8, f"run: docs/make_icons.py ({name})"


async def test_the_shortcut_opens_new_chat_with_the_focus_in_its_field(home: Home) -> None:
    alice, bob = await home.person("alice", is_kept=True), await home.peer()
    await bob.starts_with(alice.search_pin)
    manifest = json.loads((FOLDER / "manifest.webmanifest").read_text("utf-8"))
    (address,) = [one["url"] for one in manifest["shortcuts"] if one["name"] == "New chat"]
    await alice.page.goto("about:blank")
    await alice.page.goto(f"{alice.address}{address}")
    await expect(alice.page.get_by_role("textbox", name="Their Search PIN")).to_be_focused()
    await expect(alice.page).to_have_url(f"{alice.address}/")
    await alice.page.reload()  # the shortcut counts once
    await expect(alice.list.get_by_role("link")).to_have_count(1)
    await expect(alice.page.get_by_role("textbox", name="Their Search PIN")).to_be_hidden()
