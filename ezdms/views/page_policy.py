"""Security headers of pages: only the release's own scripts may run."""

from __future__ import annotations

from functools import cache

from ezdms.edge.headers import HEADERS, LOOKS, NOWHERE
from ezdms.views import assets


@cache
def of_a_page() -> dict[str, str]:
    """The headers of a page. Only the release's own scripts may run, each allowed by its hash.

    Content Security Policy Level 3 (8.3: a script file with a listed hash as its integrity). Integrity-Policy refuses
    scripts without integrity, even if their address is allowed.
    """
    hashes = [assets.integrity(assets.import_map().encode()), *map(assets.integrity_of, assets.scripts())]
    scripts = " ".join(f"'{each}'" for each in hashes)
    policy = (
        f"default-src 'none'; script-src {scripts}; worker-src 'self'; {LOOKS} blob:; media-src blob:; "
        f"connect-src 'self'; manifest-src 'self'; {NOWHERE}; require-trusted-types-for 'script'; trusted-types ezdms"
    )
    return {**HEADERS, "Content-Security-Policy": policy, "Integrity-Policy": "blocked-destinations=(script)"}
