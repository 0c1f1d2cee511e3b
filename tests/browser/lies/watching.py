"""What a person can see and hear of a page, and what leaves the browser: neither may contain a lie's target."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from playwright.async_api import Page

from tests.browser.lies.liar import Liar

FORGED = "zyxforged"  # part of all text that a lie tries to show
STOLEN = "zyxstolen"  # part of every address to which a lie tries to lead

# The addresses that honest code requests.
EXPECTED = re.compile(
    r"/(static/[0-9a-f]{12}/[a-z0-9./-]+|c/[0-9A-Z]{24}(/open)?|me|deployment|second_step(_on|_off)?|recovery_codes|login_second|conversations/[\w-]{22}|vault|ws|login|logout|register"
    r"|private_keys|messages/[0-9A-Z]{24}|previews|send_message|start_conversation|search_pin|change_pin|delete_account"
    r"|hide_message|files(/[\w-]{22})?|signal|signals/[0-9A-Z]{24}|settings|search-pin|sessions|account|welcome|protection|sessions/list|sessions/end_others|sessions/[\w-]{22}/end|)"
)
QUERY = re.compile(r"((before|after|limit|peek)=\d+(&|$))*|of=[0-9A-Z]{24}(,[0-9A-Z]{24})*")

PSEUDO = """() => [...document.querySelectorAll("*")].flatMap((element) =>
    ["::before", "::after", "::marker", "::placeholder"].map((name) => getComputedStyle(element, name).content))
    .filter((content) => !["none", "normal"].includes(content)).join(" ")"""
STORED = """async () => {
    const stored = [];
    for (const { name } of await indexedDB.databases()) {
        const opened = await new Promise((done) => {
            indexedDB.open(name).onsuccess = (event) => done(event.target.result);
        });
        for (const store of opened.objectStoreNames) {
            const asked = opened.transaction(store).objectStore(store).getAll();
            stored.push(JSON.stringify(await new Promise((done) => { asked.onsuccess = () => done(asked.result); })));
        }
        opened.close();
    }
    return [...stored, document.cookie, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage })]
        .join(" ");
}"""


async def everything_on(page: Page) -> str:
    """Return all visible and accessible text of a page, also in templates, shadow roots, frames and pseudo-elements."""
    session = await page.context.new_cdp_session(page)
    try:
        depth = {"depth": 0} if len(page.frames) == 1 else {"depth": -1, "pierce": True}
        document = (await session.send("DOM.getDocument", depth))["root"]
        written = {"nodeId": document["nodeId"], "includeShadowDOM": True}  # a fifth of what its nodes are in JSON
        html = unescape((await session.send("DOM.getOuterHTML", written))["outerHTML"])
        heard = await session.send("Accessibility.getFullAXTree")
    finally:
        await session.detach()
    words = [html, *words_of(document), await page.title(), await page.evaluate(PSEUDO)]
    for node in heard["nodes"]:
        words += [str(node.get(name, {}).get("value", "")) for name in ("name", "value", "description")]
    return " ".join(words)


def words_of(node: dict[str, Any]) -> list[str]:
    """Return the texts and attributes of a node and of everything in it, hidden or not."""
    words = [node.get("nodeValue", ""), *node.get("attributes", [])]
    inner = [*node.get("children", []), *node.get("shadowRoots", []), *node.get("pseudoElements", [])]
    inner += [node[name] for name in ("contentDocument", "templateContent") if name in node]
    return words + [word for each in inner for word in words_of(each)]


async def stored_in(page: Page) -> str:
    """Return all that the browser stores for this page: IndexedDB, script-readable cookies, both storages."""
    return str(await page.evaluate(STORED))


def _spellings(secret: str) -> set[str]:
    return {secret, secret.replace("-", ""), quote(secret), quote_plus(secret), secret[:16]}


class Watch:
    """Records what leaves the browser."""

    def __init__(self, page: Page, liar: Liar) -> None:
        self.asked: list[str] = []
        self.liar = liar
        self.since = len(liar.heard)
        self._page = page
        page.on("request", self._keep)

    def _keep(self, request: Any) -> None:
        self.asked.append(request.url)

    def end(self) -> None:
        """Stop recording."""
        self._page.remove_listener("request", self._keep)

    def leaked(self, *secrets: str) -> list[str]:
        """Return the secrets that left in any spelling, and all addresses that honest code does not request."""
        said = "\n".join([*self.asked, *self.liar.heard[self.since :]])
        left = [secret for secret in secrets if any(form in said for form in _spellings(secret) if form)]
        return left + [url for url in self.asked if not self._is_expected(url)]

    def _is_expected(self, url: str) -> bool:
        if url.startswith("blob:"):
            return True  # a download created by the page itself
        parts = urlsplit(url)
        is_ours = f"{parts.scheme}://{parts.netloc}" == self.liar.url
        return is_ours and bool(EXPECTED.fullmatch(parts.path) and QUERY.fullmatch(parts.query))
