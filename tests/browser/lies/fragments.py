"""Lies in fragments: honest fragments (templates/fragments) with a single fault."""

from __future__ import annotations

from collections.abc import Iterator

from tests.browser.lies.watching import FORGED, STOLEN

HEADER, BLOCK = "A" * 10, "A" * 342
JWS = f"{'A' * 40}.{'A' * 300}.{'A' * 86}"
SEALED = f"{HEADER}.{BLOCK}.{'A' * 16}.{'A' * 600}.{'A' * 22}"
SIGNAL = f"{'A' * 126}.{BLOCK}.{'A' * 16}.{'A' * 1103}.{'A' * 22}"
OTHER = "ABCDEFGHJKMNPQRSTVWXYZ01"  # a conversation that does not exist
FETCH = "async (address) => (await fetch(address, { headers: { Accept: 'text/html' } })).text()"  # an honest fragment

# Elements with well-formed attributes, none of them true.
HONEST: dict[str, dict[str, str]] = {
    "message-row": {
        "data-seq": "1000000",
        "data-n": "1000000",
        "data-hash": "B" * 43,
        "data-suite": "1",
        "data-message-id": "C" * 22,
        "data-at": "1790000000000",
        "data-sealed": SEALED,
    },
    "thread-facts": {
        "data-conversation-id": OTHER,
        "data-last-seq": "1",
        "data-unread": "0",
        "data-own-n": "0",
        "data-own-hash": "",
        "data-statement": JWS,
    },
    "older-messages": {"data-before": "2"},
    "conversation-item": {
        "data-conversation-id": OTHER,
        "data-last-seq": "1",
        "data-last-at": "1790000000000",
        "data-unread": "0",
        "data-statement": JWS,
    },
    "message-preview": {
        "data-conversation-id": OTHER,
        "data-seq": "1000000",
        "data-n": "1000000",
        "data-hash": "B" * 43,
        "data-suite": "1",
        "data-message-id": "C" * 22,
        "data-at": "1790000000000",
        "data-sealed": SEALED,
    },
    "signal-arrived": {"data-conversation-id": OTHER, "data-slot": "read", "data-sealed": SIGNAL},
    "vault-stored": {"data-version": "7"},
    "device-item": {
        "data-session-id": "D" * 22,
        "data-browser": "Firefox on Linux",
        "data-address": "127.0.0.1",
        "data-created-at": "1790000000000",
        "data-used-at": "1790000000000",
    },
}
CHANGES = {
    "data-expires-in": "3600",
    "data-replaces": "E" * 22,
    "data-gone": "replaced",
    "data-mark": JWS,
    "data-file": "F" * 22,
}
HONEST["message-row"] |= CHANGES
HONEST["message-preview"] |= CHANGES
OPTIONAL = {"data-sealed", "data-statement", *CHANGES}
PLACES = {
    "message-row": (".rows", "beforeend"),
    "thread-facts": (".rows", "beforeend"),
    "older-messages": (".rows", "beforeend"),
    "conversation-item": ("#conversations", "afterbegin"),
    "message-preview": ("#conversations", "afterbegin"),
    "signal-arrived": ("#conversations", "afterbegin"),
    "vault-stored": ("#conversations", "afterbegin"),
    "device-item": ("#devices", "innerHTML"),
}

NUMBERS = [
    "",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "01",
    "0x1",
    "1n",
    " 1",
    "1 ",
    "1\n",
    "1,0",
    "\u0663",
    "\uff11",
    "NaN",
    "Infinity",
]
TOO_LARGE = ["9007199254740992", "9" * 16, "9" * 40]
LATE = ["253402300800000", "-62135596800000"]
IDS = ["", "C" * 21, "C" * 23, "C" * 21 + "=", "C" * 21 + "+", "C" * 21 + "/", "C" * 21 + "\u00e9", FORGED]
HASHES = ["", "B" * 42, "B" * 44, "B" * 42 + "=", f"{FORGED} {'B' * 33}"]
CONVERSATIONS = ["", OTHER[:-1], OTHER + "0", OTHER.lower(), "I" + OTHER[1:], "U" + OTHER[1:], "../" + OTHER[3:]]
JWSES = ["", "a.b", f"{JWS}.x", JWS[:-1], JWS + "A", JWS.replace("A", "=", 1), f"{FORGED} {JWS}"]
JWES = [
    "",
    SIGNAL[:-1],
    SIGNAL.replace(".AAA", ".AAAA", 1),
    SEALED[:-1],
    SEALED + ".x",
    SEALED.replace("A", " ", 1),
    SEALED.replace("A", "=", 1),
    FORGED,
]
ODD = {
    "data-seq": ["0", *NUMBERS, *TOO_LARGE],
    "data-n": ["0", "1.0", "1e3", *TOO_LARGE],
    "data-suite": ["0", "-1", "99.5", "x"],
    "data-before": ["0", "-1", "1e3", FORGED],
    "data-last-seq": ["-1", "1e3", "01", *TOO_LARGE],
    "data-unread": ["-1", "1.5", FORGED, *TOO_LARGE],
    "data-own-n": ["-1", "x", *TOO_LARGE],
    "data-own-hash": HASHES[1:],
    "data-at": ["-1", "soon", *LATE],
    "data-last-at": ["-1", FORGED, *LATE],
    "data-created-at": ["-1", *LATE],
    "data-used-at": ["x", *LATE],
    "data-hash": HASHES,
    "data-message-id": IDS,
    "data-session-id": [*IDS[:3], "../../../logout".ljust(22, "."), f"{'D' * 20}/x"],
    "data-conversation-id": CONVERSATIONS,
    "data-statement": JWSES,
    "data-expires-in": ["", "0", "-1", "1.5", "1e3", FORGED, *TOO_LARGE],
    "data-replaces": IDS,
    "data-gone": ["", "deleted", "Replaced", "replaced ", FORGED],
    "data-mark": JWSES,
    "data-file": IDS,
    "data-sealed": JWES,
    "data-version": ["0", "", "1.0", FORGED, *TOO_LARGE],
    "data-slot": ["typing", "Read", "read ", "seen", FORGED],
    "data-browser": ["", FORGED + " x", "Firefox on Nothing", "A" * 41, "Edge\n", "<b>", "Ｅｄｇｅ"],
    "data-address": ["localhost", FORGED, "1" * 46, "127.0.0.1 (you)"],
}
EXTRA = {
    "class": "alarm",
    "style": "position:fixed;inset:0",
    "id": "message",
    "role": "alert",
    "aria-label": FORGED,
    "title": FORGED,
    "hidden": "",
    "tabindex": "0",
    "contenteditable": "true",
    "onclick": f"fetch('/{STOLEN}')",
    "hx-get": f"/{STOLEN}",
    "hx-on:load": f"fetch('/{STOLEN}')",
    "hx-preserve": "",
    "data-hx-get": f"/{STOLEN}",
    "data-day": FORGED,
    "data-failed": "",
    "data-left": FORGED,
    "data-own": FORGED,
    "data-current": FORGED,
    "slot": "x",
    "is": "who-is-this",
    "name": "pin",
    "place": ".rows",
    "?data-own": "",
    "constructor": FORGED,
    "valueof": FORGED,
    "__proto__": FORGED,
}
INSIDE = {
    "words": FORGED,
    "a zero-width space": f"\u200b{FORGED}",
    "an entity": "&#122;yxforged",
    "a comment": f"<!-- {FORGED} -->",
    "an element": f"<p>{FORGED}</p>",
    "an element of ours": f"<sealed-text>{FORGED}</sealed-text>",
    "its like": "<message-row></message-row>",
    "a field": "<input aria-label='Login PIN'>",
    "a cdata section": f"<![CDATA[{FORGED}]]>",
    "an instruction": f"<?xml {FORGED}?>",
    "an end tag": f"</p>{FORGED}",
}


def element(name: str, attributes: dict[str, str], inner: str = "") -> str:
    """Return an element as HTML."""
    written = "".join(f' {key}="{value.replace(chr(34), "&quot;")}"' for key, value in attributes.items())
    return f"<{name}{written}>{inner}</{name}>"


def partial(content: str, target: str, swap: str, **more: str) -> str:
    """Return a frame that swaps content into a target."""
    return element("hx-partial", {"hx-target": target, "hx-swap": swap} | more, content)


def wrong_in(name: str) -> Iterator[tuple[str, str]]:
    """Yield each fault that an element of this name can have, and the faulty element."""
    honest = HONEST[name]
    for key, value in honest.items():
        if key not in OPTIONAL or name == "signal-arrived":
            yield f"{name} without {key}", element(name, {each: honest[each] for each in honest if each != key})
        for odd in ODD[key]:
            shown = odd[:24].encode("unicode_escape").decode()
            yield f"{name} {key}={shown} ({len(odd)})", element(name, honest | {key: odd})
        if key == "data-seq":
            twice = element(name, honest).replace(f' {key}="{value}"', f' {key}="x" {key}="{value}"')
            yield f"{name} {key} twice", twice
    for key, value in EXTRA.items():
        if not (name in ("message-row", "message-preview") and key == "data-own" and not value):
            yield f"{name} with {key}", element(name, honest | {key: value})
    for what, inner in INSIDE.items():
        yield f"{name} around {what}", element(name, honest, inner)
