"""What networks answer instead of the server: login pages, refusals, redirects, nothing."""

from __future__ import annotations


def _answer(status: str, body: str = "", kind: str = "text/html", **more: str) -> bytes:
    headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close", **more}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "", body]
    return "\r\n".join(lines).encode()


LOGIN_PAGE = "<!doctype html><html><head><title>Wi-Fi</title></head><body>Sign in to go online</body></html>"
PORTALS = {
    "a login page": _answer("200 OK", LOGIN_PAGE),
    "a refusal": _answer("403 Forbidden", LOGIN_PAGE),
    "a refusal as if logged out": _answer("401 Unauthorized", LOGIN_PAGE),
    "not found": _answer("404 Not Found", LOGIN_PAGE),
    "a redirect": _answer("302 Found", Location="http://127.0.0.1:9/login"),
    "nothing": _answer("200 OK"),
    "no content": _answer("204 No Content"),
    "words": _answer("200 OK", "Sign in to go online", "text/plain"),
    "another program": _answer("200 OK", '{"error": "sign in", "seq": 1}', "application/json"),
    "another program's refusal": _answer("401 Unauthorized", '{"code": "no_session"}', "application/json"),
    "a challenge with a policy like ours": _answer(
        "403 Forbidden", LOGIN_PAGE, **{"Content-Security-Policy": "default-src 'none'; script-src 'nonce-x'"}
    ),
    "a refusal with a policy like ours": _answer(
        "401 Unauthorized", LOGIN_PAGE, **{"Content-Security-Policy": "default-src 'none'; script-src 'nonce-x'"}
    ),
    "a proxy's error": _answer("502 Bad Gateway", LOGIN_PAGE),
}
