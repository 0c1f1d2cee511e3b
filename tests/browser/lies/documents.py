"""Lies in documents: tables of gadgets, each of which shows forged text or leads to another address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from tests.browser.lies.watching import FORGED, STOLEN

Edit = Callable[[str], str]
Put = Callable[[str, str], str]
NAME = re.compile(r"([^\s=\"']+)=")

AWAY = f"http://127.0.0.1:9/{STOLEN}"  # nothing listens there
HERE = f"/{STOLEN}"
PROMPT = f"<h2>{FORGED}: your session has expired</h2><label>Login PIN <input name=pin></label><button>Unlock</button>"

# Attributes that act by themselves, or that send a field's content with a form.
ATTRIBUTES = {
    "hx-get": f'hx-get="{HERE}" hx-trigger="input, load"',
    "hx-post": f'hx-post="{HERE}" hx-trigger="every 50ms"',
    "hx-put": f'hx-put="{HERE}" hx-trigger="load"',
    "hx-action": f'hx-action="{HERE}" hx-method="post" hx-trigger="load"',
    "hx-include": f'hx-get="{HERE}" hx-trigger="every 50ms" hx-include="#login-pin, #message"',
    "hx-vals": f'hx-get="{HERE}" hx-trigger="load" hx-vals="js:{{pin: document.cookie}}"',
    "hx-headers": f'hx-get="{HERE}" hx-trigger="load" hx-headers=\'{{"pin": "x"}}\'',
    "hx-on": f"hx-on:load=\"fetch('{HERE}')\" hx-on::load=\"fetch('{HERE}')\"",
    "hx-boost": 'hx-boost="true"',
    "hx-boost:inherited": f'hx-boost:inherited="true" hx-push-url:inherited="{HERE}"',
    "hx-ws": f'hx-ext="ws" ws-connect="{HERE}" hx-ws="connect:{HERE}"',
    "hx-preserve": 'hx-preserve="true"',
    "hx-confirm": f'hx-confirm="{FORGED}" hx-get="{HERE}" hx-trigger="load"',
    "data-hx-get": f'data-hx-get="{HERE}" data-hx-trigger="input, load"',
    "data-hx-post": f'data-hx-post="{HERE}" data-hx-trigger="every 50ms"',
    "data-htmx-powered": 'data-htmx-powered="true"',
    "name": 'name="pin"',
    "form": 'form="other"',
    "formaction": f'formaction="{HERE}" formmethod="post"',
    "list": 'list="words"',
    "onfocus": f"onfocus=\"fetch('{HERE}')\" autofocus",
    "oninput": f"oninput=\"fetch('{HERE}')\"",
    "onbeforematch": f"onbeforematch=\"fetch('{HERE}')\"",
    "autofocus": "autofocus",
    "style": f"style=\"background: url('{HERE}')\"",
    "value": f'value="{FORGED}"',
    "title": f'title="{FORGED}"',
    "aria-description": f'aria-description="{FORGED}"',
    "contenteditable": 'contenteditable="true"',
    "is": 'is="who-is-this"',
    "popovertarget": 'popovertarget="username"',
    "popover": 'popover="manual"',
    "command": 'command="show-modal" commandfor="username"',
    "accesskey": 'accesskey="x"',
    "inert": 'inert=""',
    "part and slot": 'part="x" slot="x"',
    "itemprop": f'itemscope itemprop="{FORGED}"',
    "nonce": 'nonce="x"',
    "data of ours": f'data-day="{FORGED}" data-sealed="x"',
    "an odd name": 'x:onclick="x" @click="x" [onclick]="x"',
    "names of objects": f'constructor="{FORGED}" __proto__="{FORGED}" tostring="{FORGED}"',
    "type file": 'type="file"',
    "type image": f'type="image" src="{HERE}"',
}

# Elements, for any place.
ELEMENTS = {
    "words": f"<p>{FORGED}: send me your Login PIN</p>",
    "a false prompt": PROMPT,
    "a form that sends itself": f'<form action="{HERE}" method=post target=x>{PROMPT}</form>',
    "iframe": f'<iframe src="{HERE}"></iframe>',
    "iframe srcdoc": f'<iframe srcdoc="{FORGED}"></iframe>',
    "object": f'<object data="{HERE}" type="text/html">{FORGED}</object>',
    "embed": f'<embed src="{HERE}" type="text/html">',
    "svg": f'<svg><text>{FORGED}</text><a href="{HERE}"><text>x</text></a></svg>',
    "svg foreignObject": f"<svg><foreignObject>{PROMPT}</foreignObject></svg>",
    "svg animate": f'<svg><a><animate attributeName="href" to="{HERE}"/><text>{FORGED}</text></a></svg>',
    "math": f'<math><mtext>{FORGED}</mtext><maction actiontype="statusline">x</maction></math>',
    "script inline": "<script>fetch('/" + STOLEN + "')</script>",
    "script in svg": f"<svg><script>fetch('{HERE}')</script></svg>",
    "style": f"<style>body::after {{ content: '{FORGED}'; background: url('{HERE}') }}</style>",
    "link": f'<link rel="stylesheet" href="data:text/css,body::after{{content:%22{FORGED}%22}}">',
    "link prefetch": f'<link rel="prefetch" href="{HERE}">',
    "picture": f'<img src="{HERE}" alt="{FORGED}"><img srcset="{HERE} 2x">',
    "dialog": f"<dialog open>{PROMPT}</dialog>",
    "details": f"<details open><summary>{FORGED}</summary></details>",
    "marquee": f"<marquee>{FORGED}</marquee>",
    "a part without a name": f"<template><p>{FORGED}</p></template>",
    "a shadow root": f"<div><template shadowrootmode=open>{PROMPT}</template></div>",
    "a closed shadow root": f"<div><template shadowrootmode=closed>{PROMPT}</template></div>",
    "a shadow root in a shadow root": "<section><template shadowrootmode=closed><div><template shadowrootmode=open>"
    f"{PROMPT}</template></div></template></section>",
    "a shadow root of one of our elements": f"<log-in><template shadowrootmode=open>{PROMPT}</template></log-in>",
    "an element of ours": f"<sealed-text>{FORGED}</sealed-text><message-row data-seq=1></message-row>",
    "a script's link": f"<a href=\"javascript:fetch('{HERE}')\">{FORGED}</a>",
    "a ping": f'<a href="/" ping="{HERE}">{FORGED}</a>',
    "refresh": f'<meta http-equiv="refresh" content="1;url={HERE}">',
    "base": f'<base href="{AWAY}/" target="_blank">',
    "portal": f"<portal src='{HERE}'></portal><fencedframe></fencedframe>",
    "an unknown element": f"<x-lie>{FORGED}</x-lie>",
    "a select with words": f"<select><option>{FORGED}</option></select>",
    "a video": f'<video controls poster="{HERE}"><track default src="{HERE}"></video>',
}

# The parser itself requests these before any code runs; the server learns nothing from that.
PASSIVE = {"link prefetch", "picture", "a video"}
# Something of these remains in a template that may have such elements, so the template differs from the release's.
MORE = {
    "words", "a false prompt", "dialog", "a form that sends itself", "a script's link", "a ping", "an element of ours",
    "picture", "a video", "a select with words",
    "a shadow root", "a closed shadow root", "a shadow root in a shadow root",
    "a shadow root of one of our elements",
}  # fmt: skip
WITHOUT_SECURITY_HEADERS = {
    "iframe",
    "iframe srcdoc",
    "object",
    "embed",
    "style",
    "link",
    "base",
    "a form that sends itself",
}

# Names by which elements shadow properties of the document or of a form (DOM clobbering).
CLOBBERED = (
    "body", "documentElement", "head", "querySelector", "querySelectorAll", "createElement", "getElementById", "title",
    "importNode", "createDocumentFragment", "cookie", "readyState", "childNodes", "addEventListener", "contentType",
    "defaultView", "activeElement", "forms", "implementation", "parentNode", "removeChild", "firstElementChild",
)  # fmt: skip
OF_A_FORM = ("attributes", "children", "localName", "querySelector", "addEventListener", "closest", "append")


def after_body(html: str, more: str) -> str:
    """Add it first in the body."""
    return re.sub(r"(<body[^>]*>)", lambda match: match[1] + more, html, count=1)


def before_end(html: str, more: str) -> str:
    """Add it last in the body."""
    return html.replace("</body>", more + "</body>")


def in_head(html: str, more: str) -> str:
    """Add it last in the head."""
    return html.replace("</head>", more + "</head>")


def in_template(name: str, html: str, more: str) -> str:
    """Add it first inside the first element of a template."""
    return re.sub(rf'(<template id="{name}">\s*<[^>]*>)', lambda match: match[1] + more, html, count=1)


def on(tag: str, html: str, attributes: str) -> str:
    """Add attributes to the first tag that begins like this."""
    assert tag in html
    return html.replace(tag, f"{tag} {attributes}", 1)


def adding(add: Put, more: str) -> Edit:
    """An edit: add this in a place."""
    return lambda html: add(html, more)


def put(tag: str, attributes: str) -> Edit:
    """An edit: add attributes to the first tag that begins like this."""
    return lambda html: on(tag, html, attributes)


def apart(attributes: Iterable[str]) -> list[str]:
    """Join attributes into as few tags as possible: of two with the same name, a tag has only the first."""
    joined: list[str] = []
    for each in attributes:
        names = NAME.findall(each)
        free = (i for i, others in enumerate(joined) if not set(names) & set(NAME.findall(others)))
        place = next(free, None)
        if place is None:
            joined.append(each)
        else:
            joined[place] += f" {each}"
    return joined
