"""Tracks which builds of the page a server sent to the user's devices (docs/protocol.md, Vault). Twin of remembered.js.

A build is {"version", "digest", "first", "last"}: the version the page claims, the digest of the scripts it lists, and
when it was first and last seen (ms).
"""

from __future__ import annotations

import re
from typing import Any

from ezdms import release
from ezdms.client.answers import LATEST
from ezdms.client.errors import BadAnswer
from ezdms.protocol.encoding import is_integer

HOUR = 60 * 60 * 1000  # ms between two checks of one client, and the tolerance for device clocks
DAY = 24 * HOUR  # a known build is recorded again only after this time
RECENT = 30 * DAY  # older builds are not compared
MOST = 8  # builds kept
MEMBERS = ("version", "digest", "first", "last")
DIGEST = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
SAID = re.compile(r'<body [^>]*data-version="([^">]*)"')

Build = dict[str, Any]


def build_of(page: bytes, now: int) -> Build:
    """The build of a page: its claimed version, and the digest of its scripts. Raises BadAnswer."""
    text = page.decode("utf-8", errors="replace")
    said, maps = SAID.findall(text), IMPORT_MAP.findall(text)
    if len(said) != 1 or not release.VERSION.fullmatch(said[0]) or not maps:
        raise BadAnswer("The server's page is not an EZ-DMS page.")
    return {"version": said[0], "digest": release.digest_of("\n".join(maps)), "first": now, "last": now}


def merge(mine: Any, theirs: Any) -> list[Build]:
    """Merge the builds two clients know, latest first. Malformed ones are left out."""
    builds: dict[tuple[str, str], Build] = {}
    for one in [*_read(mine), *_read(theirs)]:
        known = builds.setdefault(_key(one), one)
        span = {"first": min(known["first"], one["first"]), "last": max(known["last"], one["last"])}
        builds[_key(one)] = known | span
    return sorted(builds.values(), key=lambda one: (-one["last"], *_key(one)))[:MOST]


def is_news(known: Any, build: Build) -> bool:
    """True if the build is worth storing: unknown, or last recorded a day ago."""
    return _is_build(build) and all(
        build["last"] - one["last"] >= DAY for one in _read(known) if _key(one) == _key(build)
    )


def doubts(builds: Any, now: int) -> list[tuple[str, Build, Build]]:
    """Signs that devices were not served the same page, as (kind, one, other).

    "differ": two builds of one version. "turns": one build was served more than an hour after another had replaced it;
    records from a clock that is ahead are ignored.
    """
    recent = [one for one in _read(builds) if now - one["last"] <= RECENT]
    recent.sort(key=lambda one: (one["first"], *_key(one)))
    found = []
    for i, one in enumerate(recent):
        for other in recent[i + 1 :]:
            if one["version"] == other["version"]:
                found.append(("differ", one, other))
            elif one["last"] - other["first"] > HOUR and one["last"] <= now + HOUR:
                found.append(("turns", one, other))
    return found


def _key(build: Build) -> tuple[str, str]:
    return build["version"], build["digest"]


def _read(value: Any) -> list[Build]:
    builds = value if isinstance(value, list) else []
    return [{name: one[name] for name in MEMBERS} for one in builds if _is_build(one)]


def _is_build(one: Any) -> bool:
    if not isinstance(one, dict):
        return False
    version, digest = one.get("version"), one.get("digest")
    first: Any = one.get("first")
    return (
        isinstance(version, str)
        and release.VERSION.fullmatch(version) is not None
        and isinstance(digest, str)
        and DIGEST.fullmatch(digest) is not None
        and is_integer(first, 1, LATEST)
        and is_integer(one.get("last"), first, LATEST)
    )
