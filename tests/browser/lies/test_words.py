"""A document in which a word, a label, a field or a style sheet differs from the release: none of it is shown.

Nothing in it acts by itself, but it could make a person type a secret into the wrong field, or miss an alarm.
"""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.lies.documents import Edit
from tests.browser.lies.liar import Answer
from tests.browser.lies.shell import NOT_SHOWN, Shell
from tests.browser.lies.stage import TAMPERED, Stage, Visitor
from tests.browser.lies.test_documents import DOCUMENT, is_refused
from tests.browser.lies.watching import FORGED, everything_on

ALIAS = '<label for="username">Username</label>'
STYLE = '<link rel="stylesheet" href="'
SHEET = re.compile(f"{STYLE}[^>]*>")


def exchange(*pairs: tuple[str, str]) -> Edit:
    """Replace the first occurrence of each text, which must exist."""

    def edit(html: str) -> str:
        for old, new in pairs:
            assert old in html
            html = html.replace(old, new, 1)
        return html

    return edit


def without(begin: str, end: str) -> Edit:
    """Remove the first text that begins like this, up to its end."""

    def edit(html: str) -> str:
        before, _, rest = html.partition(begin)
        assert rest
        return before + rest.partition(end)[2]

    return edit


ANOTHER_PROMPT = exchange(
    (ALIAS, f'<label for="username">Login PIN {FORGED}</label>'),
    ('maxlength="32"', 'maxlength="18" placeholder="XXXX-XXXX-XXXX-XXXX"'),
    ("<h2>Create an account</h2>", "<h2>Log in</h2>"),
    ("Create account</button>", "Log in</button>"),
    ('<log-in class="card">', '<log-in class="card" hidden>'),
)
FRONT: dict[str, Edit] = {
    "a username that is called Login PIN": ANOTHER_PROMPT,
    "one word": exchange(("Direct messages that", f"Direct {FORGED} that")),
    "one letter": exchange(("XXXX-XXXX-XXXX-XXXX", "XXXX-XXXX-XXXX-XXXY")),
    "an extra space": exchange(("<h2>Create an account</h2>", "<h2>New  here</h2>")),
    "hidden": exchange(('<log-in class="card">', '<log-in class="card" hidden>')),
    "a class": exchange(('<log-in class="card">', '<log-in class="card visually-hidden">')),
    "another length": exchange(('maxlength="32"', 'maxlength="18"')),
    "no maximum length": exchange(('minlength="3" maxlength="32"', 'minlength="3"')),
    "another id": exchange(('id="username"', 'id="login-pin"'), ('for="username"', 'for="login-pin"')),
    "another label's field": exchange(('for="login-pin"', 'for="username"'), (ALIAS, "")),
    "a file input": exchange(('id="username" type="text"', 'id="username" type="file"')),
    "another address": exchange(('href="/protection"', 'href="/logout"')),
    "a missing element": without('<p class="help" id="login-pin-help">', "</p>"),
    "an extra element": exchange((ALIAS, f"{ALIAS}<p>{FORGED}</p>")),
    "another element": exchange(("<h2>Create an account</h2>", "<h3>Create an account</h3>")),
    "two swapped elements": exchange(
        ("<create-account", "<x-keep"), ("<log-in", "<create-account"), ("<x-keep", "<log-in")
    ),
    "a missing template": without('<template id="account">', "</template>"),
    "a template twice": exchange(
        ('<template id="front">', f'<template id="front"><p>{FORGED}</p></template><template id="front">')
    ),
    "two swapped templates": exchange(
        ('<template id="home">', '<template id="x">'),
        ('<template id="nothing">', '<template id="home">'),
        ('<template id="x">', '<template id="nothing">'),
    ),
    "a style sheet less": without(STYLE, ">"),
    "style sheets in another order": lambda html: SHEET.sub("", html).replace(
        "</head>", "".join(reversed(SHEET.findall(html))) + "</head>"
    ),
    "a style sheet twice": lambda html: html.replace("</head>", SHEET.findall(html)[0] + "</head>"),
    "style sheets without integrity": lambda html: html.replace(' integrity="sha256-', ' data-was="'),
}


# Those that change something beside the templates, and the most dangerous one: seen in the real page, too.
SEEN = ("a username that is called Login PIN", "a style sheet less", "style sheets without integrity")


async def test_a_front_page_with_changed_text_is_not_shown(visitor: Visitor, shell: Shell) -> None:
    assert await shell.judges(FRONT) == dict.fromkeys(FRONT, NOT_SHOWN)
    for name in SEEN:
        await is_refused(visitor, FRONT[name])


async def test_no_single_change_of_any_part_is_shown(shell: Shell) -> None:
    """Thousands of documents: whatever a change adds is removed, and what differs from the release is not shown."""
    counts, wrong = await shell.judges_every_change()
    assert wrong[:20] == []
    assert len(counts) == 13
    assert min(counts.values()) > 300


SHEETS = {
    "without integrity": f'{STYLE}/static/000000000000/css/x.css">',
    "with its own": f'{STYLE}/static/000000000000/css/x.css" integrity="sha256-{"A" * 43}=">',
    "before all others": "",
}


@pytest.mark.parametrize("name", SHEETS)
async def test_a_style_sheet_outside_the_release_is_removed(visitor: Visitor, name: str) -> None:
    """It could change what text looks like, and what fields are called."""
    sheet = SHEETS[name] or SHEETS["without integrity"]

    def there(answer: Answer) -> None:
        answer.status, answer.text = 200, f"main::before {{ content: '{FORGED}' }} .alert {{ display: none }}"
        answer.set("content-type", "text/css")

    def change(answer: Answer) -> None:
        place = "</head>" if SHEETS[name] else STYLE
        answer.text = answer.text.replace(place, sheet + place, 1)

    with visitor.liar.lying("GET /static/000000000000/css/x.css", there), visitor.liar.lying(DOCUMENT, change):
        await visitor.opens()
        await expect(visitor.warning).to_contain_text(TAMPERED)
        await expect(visitor.warning).to_be_visible()
        await visitor.shows_nothing_of_it()
        await visitor.types_and_nothing_leaves()


IN_USE: dict[str, Edit] = {
    "a message field that is called Login PIN": exchange(
        ('<label class="visually-hidden" for="message">Message</label>', '<label for="message">Login PIN</label>'),
        ('placeholder="Message"', 'placeholder="XXXX-XXXX-XXXX-XXXX"'),
        ("disabled>Send</button>", "disabled>Log in</button>"),
    ),
    "Close and They match swapped": exchange(
        ('data-do="close">Close', 'data-do="same">Close'),
        ('data-do="same">They match', 'data-do="close">They match'),
    ),
    "a hidden alarm": exchange(('<div class="alarm">', '<div class="alarm" hidden>')),
    "an alarm that is not announced": exchange(('role="alert" data-alarm', 'role="note" data-alarm')),
    "a message that nobody wrote": exchange(
        ('<div class="rows"></div>', f'<div class="rows"></div><sealed-text>{FORGED}</sealed-text>')
    ),
    "a button that says Verified": exchange(
        ('data-trust="unknown"', 'hidden data-trust="unknown"'),
        ("disabled>…</button>", 'disabled>…</button><button data-trust="safety-number">Verified</button>'),
    ),
    "a note that is not shown": exchange(('<p class="note" hidden>', '<p class="visually-hidden" hidden>')),
    "another label for queued messages": exchange(("Sending…", f"Sent {FORGED}")),
}


async def shows_nothing(page: Page) -> None:
    """Only the one sentence is shown."""
    await expect(page.locator("#page-alert")).to_contain_text("So it is not shown")
    await expect(page.locator("body > *")).to_have_count(1)
    assert FORGED not in await everything_on(page)


async def test_a_conversation_page_with_changed_text_is_not_shown(stage: Stage, shell: Shell) -> None:
    assert await shell.judges(IN_USE) == dict.fromkeys(IN_USE, NOT_SHOWN)

    def change(answer: Answer) -> None:
        answer.text = IN_USE["a message field that is called Login PIN"](answer.text)

    with stage.liar.lying(DOCUMENT, change):
        await stage.page.goto(stage.address)
        await shows_nothing(stage.page)
    assert stage.watch.leaked(stage.alice.login_pin) == []
    await stage.opens()  # control: no lie
    await stage.carries_on()
