"""A service worker of the server, which answers instead of it, and how a page tells whether it has one."""

from __future__ import annotations

from tests.pinned.scripts import page

WORKER = f"""
addEventListener("install", (event) => event.waitUntil(skipWaiting()));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {{
    if (event.request.mode === "navigate") {{
        const headers = {{ "content-type": "text/html" }};
        event.respondWith(new Response({page("worker")!r}, {{ headers }}));
    }}
}});
"""
REGISTER = "<script>navigator.serviceWorker.register('/sw.js')</script>"
# 1 if there is one, 0 if there is none; null at a page that is not the server's.
IS_THERE = """location.protocol === "http:"
    ? navigator.serviceWorker.getRegistrations().then((all) => (all.length && all[0].active ? 1 : 0)) : null"""
IS_HONEST = "document.querySelector('#login-pin') !== null"
