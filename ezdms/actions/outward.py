"""Requests that this server makes to addresses named by users. Only to public ones: not to this machine, its network,
or a cloud's own services."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from contextlib import suppress
from functools import cache
from threading import BoundedSemaphore, Thread
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx

SECONDS = 10.0  # for a whole request
LONGEST = 2048  # characters of an address
NOT_PUBLIC = "Its host cannot be found on the public internet."  # for private names, too: they are nobody's business
DEFAULT_PORTS = {"https": 443, "http": 80}
PORTS = (443, 8443)  # where web services are, and no others
_threads = BoundedSemaphore(256)  # look-ups under way, with those that were given up


class Refused(Exception):
    """An address to which no request is made."""


class Place(NamedTuple):
    """Where a URL leads: its host and port, and the IP address that the host had when it was looked up."""

    host: str
    port: int
    address: str


async def look_up(url: str, *, allow_local: bool) -> Place:
    """Look the host up, once: the request then goes to that very address. Raises Refused unless the URL is https and
    every address of its host is public. `allow_local`: http and any address will do.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        host.encode("ascii")
    except ValueError as error:
        raise Refused("It is no valid address.") from error
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST
    if not is_plain or not host or "@" in parts.netloc or parts.fragment:
        raise Refused("It is no valid address.")
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        raise Refused("It must begin with https.")
    if port not in PORTS and not allow_local:
        raise Refused("Its port must be 443 or 8443.")
    try:
        async with asyncio.timeout(SECONDS):
            addresses = await _resolve(host, port)
    except TimeoutError as error:
        raise Refused(NOT_PUBLIC) from error
    if not addresses or not (allow_local or all(map(is_public, addresses))):
        raise Refused(NOT_PUBLIC)
    return Place(host, port, addresses[0])


async def _resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host; none if it is not found. In a thread of its own: whose name server never answers
    holds up neither others nor the loop's few threads, which read and write files, nor the end of the server."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str]) -> None:
        if not found.done():  # given up meanwhile
            found.set_result(addresses)

    def ask() -> None:
        try:
            addresses = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError):
            addresses = []
        finally:
            _threads.release()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, addresses)

    if not _threads.acquire(blocking=False):
        return []
    try:
        Thread(target=ask, name="look-up", daemon=True).start()
    except RuntimeError:  # the machine has no thread left
        _threads.release()
        return []
    return await found


def is_public(text: str) -> bool:
    """Whether an IP address is on the public internet. One that contains an IPv4 address (mapped, 6to4, NAT64, Teredo)
    is not: it could lead anywhere."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped or address.sixtofour or address.teredo or address in NAT64 or address.is_site_local
    ):
        return False
    if address in RELAYS:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
RELAYS = ipaddress.ip_network("192.88.99.0/24")  # of 6to4, no longer in use (RFC 7526)


async def post(url: str, place: Place, *, headers: dict[str, str], body: bytes) -> int:
    """POST to the looked-up address. Follows no redirect, uses no proxy, and reads no body. Returns the status.

    Raises OSError if nothing answers in time.
    """
    parts = urlsplit(url)
    host = f"[{place.address}]" if ":" in place.address else place.address
    target = parts._replace(netloc=f"{host}:{place.port}").geturl()
    try:
        async with (
            asyncio.timeout(SECONDS),
            httpx.AsyncClient(verify=_trusted(), trust_env=False, timeout=SECONDS) as client,
        ):
            request = client.build_request(
                "POST",
                target,
                headers={**headers, "Host": parts.netloc},
                content=body,
                extensions={"sni_hostname": place.host},
            )
            response = await client.send(request, stream=True)
            await response.aclose()
            return response.status_code
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise OSError(f"No answer ({type(error).__name__}).") from error


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates of the public internet. A client for each request: a pool would reuse a connection for another
    host at the same address."""
    return httpx.create_ssl_context(trust_env=False)
