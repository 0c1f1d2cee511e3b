"""The browser's fences: headers on every answer, and those under which the scripts of a page run."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ezdms.views import assets

if TYPE_CHECKING:  # `ezdms verify` compares a server with these headers, and loads no server
    from quart import Response

LOOKS = "style-src 'self'; font-src 'self'; img-src 'self'"
NOWHERE = "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; {LOOKS}; {NOWHERE}",  # where nothing is to run
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
FENCE = (*HEADERS.items(), ("Cache-Control", "no-store"))


@cache
def of_a_page() -> dict[str, str]:
    """The headers of a page: the release's own scripts run there, each by its hash, and no other.

    Content Security Policy Level 3 (8.3: a script file with a listed hash as its integrity); Integrity-Policy refuses
    what has no integrity, even if its address is allowed.
    """
    hashes = [assets.integrity(assets.import_map().encode()), *map(assets.integrity_of, assets.scripts())]
    scripts = " ".join(f"'{each}'" for each in hashes)
    policy = (
        f"default-src 'none'; script-src {scripts}; worker-src 'none'; {LOOKS}; "
        f"connect-src 'self'; manifest-src 'self'; {NOWHERE}; require-trusted-types-for 'script'; trusted-types ezdms"
    )
    return {**HEADERS, "Content-Security-Policy": policy, "Integrity-Policy": "blocked-destinations=(script)"}


def add_headers(response: Response) -> Response:
    """Fence every answer; whatever is not a static file is nobody's to keep."""
    present = {name.lower() for name, _ in response.headers}
    for name, value in FENCE:
        if name.lower() not in present:
            response.headers.add(name, value)
    return response
