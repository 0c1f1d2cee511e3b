"""Describes a browser in words its owner recognizes in a list. Only these words are stored."""

from __future__ import annotations

import re

UNKNOWN = "Unknown browser"

# In this order: most browsers also claim to be those below.
BROWSERS = (
    ("Edg", "Edge"),
    ("EdgiOS", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def describe(user_agent: str) -> str:
    """ "Firefox on Linux" for a browser's User-Agent header; for a program its own name, at most 40 characters."""
    browser = next((name for mark, name in BROWSERS if f"{mark}/" in user_agent or f"{mark}A/" in user_agent), None)
    system = next((name for mark, name in SYSTEMS if mark in user_agent), None)
    if browser is not None:
        return f"{browser} on {system}" if system else browser
    program = re.match(r"[A-Za-z0-9_.-]{1,40}", user_agent)
    return program[0] if program else UNKNOWN
