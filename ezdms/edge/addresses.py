"""Normalizes client addresses for limits: one person has many in IPv6, and IPv4 addresses may be mapped into IPv6."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

UNKNOWN = "<local>"  # Quart's address of a peer that has none: one on a Unix socket
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
HOST, HOSTS = 32, 64  # bits that identify one client in IPv4 and IPv6 (RFC 4291, 2.5.1)
NETWORK, NETWORKS = 24, 64  # bits that identify a network


@lru_cache(4096)
def address_of(text: str) -> str:
    """The address that counts as one client: an IPv4 address, or the IPv6 network of a home."""
    return _network_of(text, HOST, HOSTS)


@lru_cache(4096)
def network_of(text: str) -> str:
    """The network that counts as one: what providers hand out as a block."""
    return _network_of(text, NETWORK, NETWORKS)


def _network_of(text: str, bits_of_4: int, bits_of_6: int) -> str:
    try:
        address = _undressed(ipaddress.ip_address(text))
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv4Address):
        return str(ipaddress.IPv4Network((address, bits_of_4), strict=False)).removesuffix(f"/{HOST}")
    return str(ipaddress.IPv6Network((int(address), bits_of_6), strict=False))


def _undressed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The embedded IPv4 address, if any: mapped (::ffff:0:0/96, dual-stack sockets), NAT64, or 6to4 (2002::/16)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    by_nat64 = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return address.ipv4_mapped or by_nat64 or address.sixtofour or address
