"""The pin: a browser extension that lets one host run only the scripts of one release (docs/verify.md).

It is made only from the installed release, without asking the server. One rule sets the Content-Security-Policy of
every document of that host, whatever the server sent (declarativeNetRequest, Manifest V3).
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ezdms.protocol.origin import not_an_address, parse_origin
from ezdms.release import VERSION, ReleaseError
from ezdms.release.manifest import Manifest
from ezdms.release.signing import write_new
from ezdms.views.rendering import render
from ezdms.views.shells import ADDRESSES, APP, PROTECTION

FOLDER = Path(__file__).parent / "extension"
SOURCES = ("start.js", "background.js", "content.js", "page.js", "page.css", "popup.html", "changed.html", "icon.png")
OLDEST = {"chrome": "127", "gecko": "140.0"}  # import maps with integrity
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"  # of the extension's own pages
EARLY = {"run_at": "document_start", "all_frames": True}
PROTECTION_PAGE = re.compile(r"<main.*</main>", re.DOTALL)  # part of the release itself; runs no script
DOCUMENTS = ["main_frame", "sub_frame", "object"]
OTHERS = ["script", "stylesheet", "image", "font", "xmlhttprequest", "media", "websocket", "ping", "other"]
# Headers that could make a browser load or open something before the document's policy applies, or outside it.
REMOVED = (
    "content-security-policy-report-only", "link", "refresh", "service-worker-allowed", "speculation-rules",
    "supports-loading-mode", "origin-trial", "sourcemap", "x-sourcemap", "content-location", "content-disposition",
)  # fmt: skip


class PinError(ReleaseError):
    """The extension could not be written; the message says why."""


def origin_of(address: str) -> str:
    """The origin of a server, such as https://chat.example.org. Raises PinError."""
    origin = parse_origin(address.removesuffix("/"))
    if origin is None:
        raise PinError(not_an_address(address))
    if not _is_as_browsers_send_it(origin.host) or origin.port == 0:
        raise PinError(
            f"{address!r} is not written as browsers send it. Copy it from the address bar: names in ASCII (xn--…), "
            "IP addresses in their shortest form, no wildcards."
        )
    if origin.scheme == "http" and not origin.is_here:
        secure = origin._replace(scheme="https", port=443 if origin.port == 80 else origin.port)
        raise PinError(f"Only https can be pinned: over http anyone in between can pose as the server. Try {secure}.")
    return str(origin)


def _is_as_browsers_send_it(host: str) -> bool:
    """True for a host in its one serialized form (WHATWG URL, host serializing). The rule matches only that."""
    *_, last = host.split(".")
    try:
        if ":" in host:
            return str(ipaddress.IPv6Address(host)) == host
        if last.isdigit() or last.startswith("0x"):
            return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False
    return re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", host, re.ASCII) is not None


def write(folder: Path, origin: str, releases: Sequence[Manifest]) -> None:
    """Write the extension for `origin` (from origin_of) to `folder`. It shows the first of the releases.

    The folder must be new, empty, or hold a pin for the same host. Raises PinError or OSError.
    """
    files = {name: (FOLDER / name).read_bytes() for name in SOURCES}
    files |= {name: text.encode() for name, text in _made(origin, releases).items()}
    if folder.exists() and not _may_be_replaced(folder, origin, files):
        raise PinError(f"{folder} contains something else. Choose a new folder, or one with a pin for {origin}.")
    folder.mkdir(0o755, parents=True, exist_ok=True)
    for name, octets in files.items():
        (folder / name).unlink(missing_ok=True)  # do not follow a link
        write_new(folder / name, octets, 0o644)


def policy(releases: Sequence[Manifest]) -> str:
    """The Content-Security-Policy of the first release, with the script hashes of all."""
    hashes = dict.fromkeys(one for release in releases for one in _scripts(release).split())
    named = releases[0].csp.replace(_scripts(releases[0]), " ".join(hashes))
    return named.replace("worker-src 'self'", "worker-src 'none'") + "; frame-src 'none'"  # a worker has no hash


def _scripts(release: Manifest) -> str:
    found = re.search(r"script-src ((?:'sha256-[A-Za-z0-9+/]{43}=' ?)+);", release.csp)
    if not found or "unsafe" in release.csp:
        raise PinError(f"The policy of EZ-DMS {release.version} does not list its scripts by hash.")
    return found[1]


def _made(origin: str, releases: Sequence[Manifest]) -> dict[str, str]:
    host = urlsplit(origin).hostname or ""
    named = [{"version": one.version, "build": one.build} for one in releases]
    addresses = dict.fromkeys(path for one in releases for path in one.addresses[APP])
    patterns = (re.escape(path).replace("0" * 24, "[0-9A-Z]{24}") for path in addresses)
    app, version = f"^(?:{'|'.join(patterns)})$", f"^(?:{VERSION.pattern})$"
    mark = secrets.token_urlsafe(24)  # the server never learns it, so only the rule below can set it
    (protection,) = ADDRESSES[PROTECTION]
    pinned = {
        "origin": origin,
        "host": host,
        "releases": named,
        "app": app,
        "version": version,
        "mark": mark,
        "protection": protection,
    }
    return {
        "protection.html": _protection(origin),
        "manifest.json": _json(_manifest(origin, releases[0].version)),
        "rules.json": _json(_rules(origin, policy(releases), mark)),
        "pinned.js": f"globalThis.PINNED = {_json(pinned)};\n",
    }


def _protection(origin: str) -> str:
    """The release's own protection page, served by the extension because the server's could say anything."""
    words = "".join(PROTECTION_PAGE.findall(render("shells/protection.html", host={})))
    words = words.replace('href="/"', f'href="{origin}/"')
    page = (FOLDER / "changed.html").read_text("utf-8").replace("Not the pinned page", "How private is this?")
    return PROTECTION_PAGE.sub(lambda _: words, page)


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
        "content_scripts": [{"matches": [pattern], "js": ["pinned.js", "content.js"], **EARLY}],
        "declarative_net_request": {"rule_resources": [{"id": "pin", "enabled": True, "path": "rules.json"}]},
        "icons": {"128": "icon.png"},
        "action": {
            "default_icon": "icon.png",
            "default_title": f"EZ-DMS {version} is pinned at {parts.netloc}",
            "default_popup": "popup.html",
        },
        "content_security_policy": {"extension_pages": f"{POLICY}; connect-src {origin}"},
        "minimum_chrome_version": OLDEST["chrome"],
        "browser_specific_settings": {"gecko": {"id": _id(origin), "strict_min_version": OLDEST["gecko"]}},
    }


def _rules(origin: str, value: str, mark: str) -> list[dict[str, Any]]:
    nosniff = {"header": "x-content-type-options", "operation": "set", "value": "nosniff"}
    of_documents = [
        {"header": "content-security-policy", "operation": "set", "value": value},
        {"header": "content-type", "operation": "set", "value": "text/html; charset=utf-8"},  # no picture, PDF or SVG
        {"header": "integrity-policy", "operation": "set", "value": "blocked-destinations=(script)"},
        {"header": "server-timing", "operation": "set", "value": f'ezdms-pin;desc="{mark}"'},
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


def _may_be_replaced(folder: Path, origin: str, files: dict[str, bytes]) -> bool:
    if not folder.is_dir():
        return False
    there = {path.name for path in folder.iterdir()} - {"_metadata"}  # Chromium adds it to a loaded extension
    if not there:
        return True
    try:
        known = json.loads((folder / "manifest.json").read_text("utf-8"))
        return there <= set(files) and bool(known["browser_specific_settings"]["gecko"]["id"] == _id(origin))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True)
