"""Asks a server which release it says it runs: no more than a hint, for a sentence that helps."""

from __future__ import annotations

import json
import re

import httpx

from ezdms.release.manifest import VERSION

WITHIN = 10.0  # seconds
LARGEST = 10_000  # bytes


def ask_version(origin: str) -> str | None:
    """What its /deployment says, or None if there is no answer of that form."""
    try:
        with httpx.stream(
            "GET", f"{origin}/deployment", headers={"Accept": "application/json"}, timeout=WITHIN, trust_env=False
        ) as answer:
            octets = b""
            for chunk in answer.iter_bytes():
                octets += chunk
                if len(octets) > LARGEST:
                    return None
        version = json.loads(octets)["version"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, str) and re.fullmatch(VERSION, version) else None
