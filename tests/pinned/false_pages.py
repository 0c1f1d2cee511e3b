"""Pages of a server that show its own text, at any address, or that never finish loading."""

from __future__ import annotations

from tests.browser.lies.liar import Answer, Change
from tests.pinned.scripts import DOCUMENT, alone, there

FALSE = "Enter your Login PIN"
SHOWN = "it was shown"
# Looks in each frame that the browser draws, from the start of each document, whether it shows the false text.
LOOK = f"""(() => {{
    const look = () => {{
        const html = document.documentElement;
        if (html?.checkVisibility() && html.textContent.includes("{FALSE}")) console.log("{SHOWN}");
        else requestAnimationFrame(look);
    }};
    look();
}})()"""
STYLE = "<style>html{display:block!important;transition:display 9s allow-discrete}</style>"
PROTECTION = "How private is this?"
ANOTHER, CHANGED = "The pin does not show this page", "This is not the page you pinned"
HTML = "text/html; charset=utf-8"
PAGE = there(f"<!doctype html><h1>{FALSE}</h1>", HTML)
SVG = f"<svg xmlns='http://www.w3.org/2000/svg'><text y='50'>{FALSE}</text></svg>"
XHTML = f"<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>{FALSE}</h1></body></html>"


def redirect_to(to: str) -> Change:
    """A lie: a redirect."""

    def lie(answer: Answer) -> None:
        answer.status, answer.body = 302, b""
        answer.set("location", to)

    return lie


# What the server does, where the user goes, and the heading that they see in the end.
ELSEWHERE: dict[str, tuple[dict[str, Change], str, str]] = {
    "at another address": ({"GET /sign-in": PAGE}, "/sign-in", ANOTHER),
    "after a redirect": ({DOCUMENT: redirect_to("/sign-in"), "GET /sign-in": PAGE}, "/", ANOTHER),
    "as data": ({"GET /me": there(f'"{FALSE}"', "application/json")}, "/me", ANOTHER),
    "as the protection page": ({"GET /protection": PAGE}, "/protection", PROTECTION),
    "as the page": ({DOCUMENT: alone(f"{STYLE}<h1>{FALSE}</h1>")}, "/", CHANGED),
    "as text": ({DOCUMENT: there(FALSE, "text/plain; charset=utf-8")}, "/", CHANGED),
    "as an image": ({DOCUMENT: there(SVG, "image/svg+xml")}, "/", CHANGED),
    "as XHTML": ({DOCUMENT: there(XHTML, "application/xhtml+xml")}, "/", CHANGED),
}


def unending(change: Change) -> Change:
    """A lie whose last byte never arrives."""

    def lie(answer: Answer) -> None:
        change(answer)
        answer.rest = b" "

    return lie


def says(version: str) -> Change:
    """A lie: the server claims this version."""
    return there(f'{{"version": "{version}"}}', "application/json")


WORDS = "9.9.9 is unsafe, call +1 555 0100"
NEVER, NOTHING = r"GET /never\.png", there("", "image/png")
UNENDING: dict[str, Change] = {
    "/?an-image-that-never-loads": alone(f"<h1>{FALSE}</h1><img src=/never.png>"),
    "/?a-document-that-never-ends": unending(there(f"<!doctype html><h1>{FALSE}</h1>{' ' * 2048}", HTML)),
    "/?a-page-that-reloads-itself": alone(f"<meta http-equiv=refresh content=1><h1>{FALSE}</h1>"),
}
