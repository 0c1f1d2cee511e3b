"""Pages of the server that open at browser startup or are prerendered."""

from __future__ import annotations

from tests.browser.lies.liar import Answer, Change, Liar
from tests.pinned.scripts import alone, page, steal, svg, there, xhtml
from tests.support.someone import until

AFTERWARDS = 1.0  # seconds in which a script could still run
RULES = '{"prerender": [{"urls": ["/next.html"], "eagerness": "immediate"}]}'
NEXT = f"<!doctype html><script>if (document.prerendering) {steal('prerendered')}</script>"


def prerendering(answer: Answer) -> None:
    """A lie: a page that requests prerendering in a header and in the document."""
    alone(f"<script type=speculationrules>{RULES}</script><p>Please wait.</p>")(answer)
    answer.set("speculation-rules", '"/rules.json"')


AT_STARTUP: dict[str, Change] = {
    "/?page": there(page("page"), "text/html"),
    "/?image": there(svg("image"), "image/svg+xml"),
    "/?xhtml": there(xhtml("xhtml"), "application/xhtml+xml"),
}
PRERENDERED: dict[str, Change] = {
    "GET /": prerendering,
    r"GET /next\.html": there(NEXT, "text/html"),
    r"GET /rules\.json": there(RULES, "application/speculationrules+json"),
}


async def judged(liar: Liar, since: int, count: int) -> None:
    """Wait until the extension has found that many pages not to be pinned, and asked for the server's release."""
    await until(lambda: sum(one.startswith("GET /deployment ") for one in liar.heard[since:]) >= count)
