"""Lies in socket frames: a fragment with a single fault, a wrong target, or something else."""

from __future__ import annotations

from tests.browser.lies.fragments import HONEST, OTHER, PLACES, element, partial, wrong_in
from tests.browser.lies.watching import FORGED, STOLEN

WRONG = {what: partial(text, *PLACES[name]) for name in HONEST for what, text in wrong_in(name)}
ROW = element("message-row", HONEST["message-row"])
LINE = element("conversation-item", HONEST["conversation-item"])
FIELD = "<textarea aria-label='Message' name='m'></textarea>"

WAYS = {
    f"{swap} on {target}": partial(content, target, swap)
    for target, content in (
        (".rows", FIELD), ("body", FIELD), ("message-composer", FIELD), ("#message", FIELD), ("h1", ROW),
        (".alarm", ROW),
        ("who-is-this", ROW), ("closest body", ROW), ("document", ROW), ("window", ROW), ("#main", ROW), ("html", ROW),
    )
    for swap in ("innerHTML", "outerHTML", "beforeend", "delete", "outerMorph")
}  # fmt: skip
WAYS |= {
    f"nothing, {swap} on {target}": partial("", target, swap)
    for target in ("body", ".rows", ".alarm", "#message")
    for swap in ("innerHTML", "outerHTML", "delete", "innerMorph")
}
MODIFIED = {
    f"swap {swap}": partial(ROW, ".rows", swap)
    for swap in (
        "innerHTML", "outerHTML", "delete", "none", "textContent", "innerMorph", "outerMorph", "outerSync",
        "beforebegin", "afterbegin", "afterend", "prepend", "append swap:1s", "beforeend swap:9s",
        "beforeend transition:true", "beforeend scroll:top", "beforeend show:#message:top", "beforeend target:body",
        "beforeend strip:true", "beforeend ignoreTitle:true", '{"style":"innerHTML"}', '{"style":["beforeend"]}',
        "nothing", "constructor", "",
    )
}  # fmt: skip
TOPS = {
    "bare words": FORGED,
    "words in rows": partial(FORGED, ".rows", "beforeend"),
    "bare element": f"<p>{FORGED}</p>",
    "a row without a place": ROW,
    "a line in the rows": partial(LINE, ".rows", "beforeend"),
    "a row in the list": partial(ROW, "#conversations", "afterbegin"),
    "a device in the rows": partial(element("device-item", HONEST["device-item"]), ".rows", "beforeend"),
    "one good and one bad": partial(ROW + "<p></p>", ".rows", "beforeend"),
    "a good and a bad part": partial(ROW, ".rows", "beforeend") + partial(FIELD, "body", "beforeend"),
    "a part in a part": partial(partial(ROW, ".rows", "beforeend"), ".rows", "beforeend"),
    "hx-get": f"<hx-get hx-target='.rows'>{FORGED}</hx-get>",
    "hx-ws": "<hx-ws type=x>x</hx-ws>",
    "hx-partial/": "<hx-partial/ hx-target='body' hx-swap='innerHTML'>x</hx-partial>",
    "title": f"<title>{FORGED}</title>",
    "title in svg": f"<svg><title>{FORGED}</title></svg>",
    "head": f"<head><title>{FORGED}</title></head>",
    "head before a row": f"<head>{FORGED}</head>" + partial(ROW, ".rows", "beforeend"),
    "html": f"<html><head><title>{FORGED}</title></head><body>{FORGED}</body></html>",
    "body": f"<body onload=\"fetch('/{STOLEN}')\">{ROW}</body>",
    "template": f"<template>{FORGED}</template>",
    "a template before a row": f"<template hx type=x>{FORGED}</template>" + partial(ROW, ".rows", "beforeend"),
    "TEMPLATE": f"<TeMpLaTe shadowrootmode=open>{FORGED}</TEMPLATE>",
    "a shadow root": partial(f"<div><template shadowrootmode=open>{FORGED}</template></div>", ".rows", "beforeend"),
    "a shadow root of a row": partial(ROW.replace("></", f"><template shadowrootmode=closed>{FORGED}</template></"),
                                      ".rows", "beforeend"),
    "a shadow root of a row, as a part": partial(
        ROW.replace("></", f"><hx-partial shadowrootmode=open>{FORGED}</hx-partial></"), ".rows", "beforeend"
    ),
    "script": f"<script>fetch('/{STOLEN}')</script>",
    "script in rows": partial(f"<script src='/{STOLEN}'></script>", ".rows", "beforeend"),
    "style": f"<style>body::after{{content:'{FORGED}'}}</style>",
    "svg": partial(f"<svg><text>{FORGED}</text></svg>", ".rows", "beforeend"),
    "svg row": partial("<svg>" + ROW + "</svg>", ".rows", "beforeend"),
    "math": partial(f"<math><mtext>{FORGED}</mtext></math>", ".rows", "beforeend"),
    "oob true": f"<textarea id=message hx-swap-oob=true>{FORGED}</textarea>",
    "oob outerHTML": f"<p hx-swap-oob='outerHTML:#message'>{FORGED}</p>",
    "oob delete": "<p hx-swap-oob='delete:.alarm'></p>",
    "oob a good row": ROW.replace(" data-seq", " hx-swap-oob='beforeend:.rows' data-seq"),
    "oob in rows": partial(ROW.replace(" data-seq", " hx-swap-oob='beforeend:.rows' data-seq"), ".rows", "beforeend"),
    "preserved": partial("<div id=message hx-preserve></div>", ".rows", "beforeend"),
    "a selector that is none": partial(ROW, "..[", "beforeend"),
    "json": '{"target": "body", "swap": "innerHTML", "content": "x", "headers": {"HX-Trigger": "click"}}',
    "json of the other face": f'{{"event":"new_message","conversation_id":"{OTHER}","text":"{FORGED}"}}',
    "huge": f"<p>{FORGED * 200_000}</p>",
    "deep": "<b>" * 5_000 + FORGED,
    "null bytes": f"\0<p>\0{FORGED}</p>",
    "a comment alone": partial(f"<!--{FORGED}-->", ".rows", "beforeend"),
}  # fmt: skip
# These have no target, so nothing happens and nothing is reported.
SILENT = {
    "empty": "",
    "blank": " \n\t\u00a0",
    "an end": f"</template>{FORGED}",
    "an end and more": f"</hx-partial></template><p>{FORGED}</p>",
    "a conversation that is not here": partial(ROW, f"#rows-{OTHER}", "beforeend"),
    "devices on another page": partial(element("device-item", HONEST["device-item"]), "#devices", "innerHTML"),
    "a target that does not exist": partial("", "#nowhere", "beforeend"),
    "empty content": partial("", ".rows", "beforeend"),
}
ALL = WRONG | WAYS | MODIFIED | TOPS
