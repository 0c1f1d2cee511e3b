"""The pin: a browser extension that lets one host run the scripts of one release, and no others (docs/verify.md).

It is made of the installed release alone, and asks the server for nothing. One rule sets the Content-Security-Policy of
every document of that host, whatever the server sent (declarativeNetRequest, Manifest V3).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ezdms.release.manifest import Manifest

FOLDER = Path(__file__).parent / "extension"
SOURCES = ("start.js", "background.js", "content.js", "page.js", "page.css", "popup.html", "changed.html")
LOCAL = ("localhost", "127.0.0.1", "::1")
OLDEST = {"chrome": "127", "gecko": "140.0"}  # import maps with integrity
DOCUMENTS = ["main_frame", "sub_frame", "object"]
OTHERS = ["script", "stylesheet", "image", "font", "xmlhttprequest", "media", "websocket", "ping", "other"]
# What could make a browser load or open something before the document's own policy holds, or beside it.
REMOVED = (
    "content-security-policy-report-only", "link", "refresh", "service-worker-allowed", "speculation-rules",
    "supports-loading-mode", "origin-trial", "sourcemap", "x-sourcemap", "content-location",
)  # fmt: skip


class PinError(ValueError):
    """The extension cannot be written; the sentence says why."""


def parse_origin(address: str) -> str:
    """The origin of a server, such as https://chat.example.org. Raises PinError."""
    try:
        parts = urlsplit(address)
        port = parts.port
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_one = False
    if not is_one or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise PinError(f"{address!r} is no server's address. Expected one such as https://chat.example.org.")
    host = str(parts.hostname)
    if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", host):
        raise PinError(f"{host!r} is no host's name as browsers send it. Write it in ASCII (xn--…), without wildcards.")
    if parts.scheme == "http" and host not in LOCAL:
        raise PinError(f"Only https can be pinned: over http anybody on the way is the server. Try https://{host}.")
    shown = f"[{host}]" if ":" in host else host
    is_usual = port in (None, 443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{shown}" + ("" if is_usual else f":{port}")


def write(folder: Path, origin: str, releases: Sequence[Manifest]) -> None:
    """Write the extension for `origin` (of parse_origin) into `folder`; the first release is the one it shows.

    The folder is new, empty, or holds a pin for the same host. Raises PinError, or OSError.
    """
    files = {name: (FOLDER / name).read_text("utf-8") for name in SOURCES} | _made(origin, releases)
    if folder.exists() and not _may_be_replaced(folder, origin, files):
        raise PinError(f"{folder} holds something else. Choose a new folder, or one with a pin for {origin}.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def policy(releases: Sequence[Manifest]) -> str:
    """The Content-Security-Policy of the first release, with the script hashes of all."""
    hashes = dict.fromkeys(one for release in releases for one in _scripts(release).split())
    return releases[0].csp.replace(_scripts(releases[0]), " ".join(hashes)) + "; frame-src 'none'"


def _scripts(release: Manifest) -> str:
    found = re.search(r"script-src ((?:'sha256-[A-Za-z0-9+/]{43}=' ?)+);", release.csp)
    if not found or "unsafe" in release.csp:
        raise PinError(f"The policy of EZ-DMS {release.version} does not list its scripts by their hashes.")
    return found[1]


def _made(origin: str, releases: Sequence[Manifest]) -> dict[str, str]:
    host = urlsplit(origin).hostname or ""
    named = [
        {"version": one.version, "digest": hashlib.sha256(one.canonical() + b"\n").hexdigest()} for one in releases
    ]
    addresses = dict.fromkeys(path for one in releases for path in one.addresses["app"])
    patterns = (re.escape(path).replace("0" * 24, "[0-9A-Z]{24}") for path in addresses)
    pinned = {"origin": origin, "host": host, "releases": named, "app": f"^({'|'.join(patterns)})$"}
    return {
        "manifest.json": _json(_manifest(origin, releases[0].version)),
        "rules.json": _json(_rules(origin, policy(releases))),
        "pinned.js": f"globalThis.PINNED = {_json(pinned)};\n",
    }


def _manifest(origin: str, version: str) -> dict[str, Any]:
    parts = urlsplit(origin)
    pattern = f"{parts.scheme}://{parts.netloc.rpartition(':')[0] if parts.port else parts.netloc}/*"  # never a port
    return {
        "manifest_version": 3,
        "name": f"EZ-DMS pin for {parts.netloc}",
        "version": re.match(r"[0-9.]+", version)[0].strip("."),  # type: ignore[index]
        "version_name": version,
        "description": f"At {origin}, scripts of EZ-DMS {version} run, and no others.",
        "permissions": ["browsingData", "declarativeNetRequestWithHostAccess"],
        "host_permissions": [pattern],
        "background": {"service_worker": "start.js", "scripts": ["pinned.js", "background.js"]},
        "content_scripts": [{"matches": [pattern], "js": ["pinned.js", "content.js"], "run_at": "document_start"}],
        "declarative_net_request": {"rule_resources": [{"id": "pin", "enabled": True, "path": "rules.json"}]},
        "action": {"default_title": f"EZ-DMS {version} is pinned at {parts.netloc}", "default_popup": "popup.html"},
        "content_security_policy": {"extension_pages": "default-src 'none'; script-src 'self'; style-src 'self'"},
        "minimum_chrome_version": OLDEST["chrome"],
        "browser_specific_settings": {"gecko": {"id": _id(origin), "strict_min_version": OLDEST["gecko"]}},
    }


def _rules(origin: str, value: str) -> list[dict[str, Any]]:
    nosniff = {"header": "x-content-type-options", "operation": "set", "value": "nosniff"}
    of_documents = [
        {"header": "content-security-policy", "operation": "set", "value": value},
        {"header": "integrity-policy", "operation": "set", "value": "blocked-destinations=(script)"},
        nosniff,
        *({"header": name, "operation": "remove"} for name in REMOVED),
    ]
    return [
        _rule(1, origin, DOCUMENTS, of_documents),
        _rule(2, origin, OTHERS, [nosniff, *({"header": name, "operation": "remove"} for name in REMOVED)]),
    ]


def _rule(number: int, origin: str, kinds: list[str], headers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": number,
        "priority": 1,
        "action": {"type": "modifyHeaders", "responseHeaders": headers},
        "condition": {"urlFilter": f"|{origin}/", "resourceTypes": kinds},
    }


def _id(origin: str) -> str:
    digest = hashlib.sha256(origin.encode()).hexdigest()[:24]
    return f"pin-{digest}@ezdms.invalid"


def _may_be_replaced(folder: Path, origin: str, files: dict[str, str]) -> bool:
    if not folder.is_dir():
        return False
    there = {path.name for path in folder.iterdir()}
    if not there:
        return True
    try:
        known = json.loads((folder / "manifest.json").read_text("utf-8"))
        return there <= set(files) and bool(known["browser_specific_settings"]["gecko"]["id"] == _id(origin))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True)
