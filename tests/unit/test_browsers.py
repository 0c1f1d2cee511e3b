"""User agents: shortened to a few words, and nothing else is stored."""

from __future__ import annotations

import re

import pytest

from ezdms.web.user_agent import UNKNOWN, describe

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"

REAL = [
    (f"{WINDOWS} {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on Windows"),
    (f"{MAC} {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on Mac"),
    (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
    (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/140.0.0.0 Safari/537.36", "Chrome on Linux"),
    (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/140.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
    (f"{ANDROID} {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
    (f"{IPHONE} CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Mac"),
    ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
    (f"{IPHONE} FxiOS/140.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
    (f"{MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on Mac"),
    (f"{IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
    (f"{WINDOWS} {WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
    (f"{ANDROID} {WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0.0.0", "Edge on Android"),
    (f"{IPHONE} Version/18.0 EdgiOS/140.0.3485.54 Mobile/15E148 Safari/604.1", "Edge on iPhone"),
    (f"{WINDOWS} {WEBKIT} Chrome/139.0.0.0 Safari/537.36 OPR/124.0.0.0", "Opera on Windows"),
    (f"{ANDROID} {WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"),
    ("curl/8.14.1", "curl"),
    ("Wget/1.25.0", "Wget"),
    ("python-httpx/0.28.1", "python-httpx"),
    ("python-requests/2.32.5", "python-requests"),
    ("Python/3.13 websockets/15.0.1", "Python"),
]


@pytest.mark.parametrize(("agent", "words"), REAL, ids=[words for _, words in REAL])
def test_real_user_agents_get_familiar_names(agent: str, words: str) -> None:
    assert describe(agent) == words


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("", UNKNOWN),
        (" ", UNKNOWN),
        ("/", UNKNOWN),
        ("<script>alert(1)</script>", UNKNOWN),
        ("\x00\x1b[2J", UNKNOWN),
        ("Ωμέγα/1", UNKNOWN),
        ("Mozilla/5.0", "Mozilla"),
        ("Firefox/<script>alert(1)</script> on Windows", "Firefox on Windows"),
        ("Chrome/1 (iPhone\"'><img src=x onerror=alert(1)>)", "Chrome on iPhone"),
        ("bot\r\nSet-Cookie: a=b", "bot"),
        ("x" * 100_000, "x" * 40),
        ("{{7*7}}", UNKNOWN),
        ("a{{7*7}}", "a"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_hostile_user_agent_becomes_harmless_text(agent: str, words: str) -> None:
    assert describe(agent) == words
    assert re.fullmatch(r"[A-Za-z0-9_. -]{1,40}", describe(agent))
