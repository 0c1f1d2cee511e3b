"""What a client's address counts as: one person has many of them in IPv6, and IPv4 ones come in IPv6 clothes."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
HOST, HOSTS = 32, 64  # bits of an IPv4 address, and of what one has who has an IPv6 address (RFC 4291, 2.5.1)
NETWORK, NETWORKS = 24, 64  # bits of what belongs to one who has many


@lru_cache(4096)
def address_of(text: str) -> str:
    """Who counts as one client: an IPv4 address, or the IPv6 network that every home has."""
    return _network_of(text, HOST, HOSTS)


@lru_cache(4096)
def network_of(text: str) -> str:
    """Who counts as one network: what providers hand out in one piece."""
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
    """The IPv4 address that is mapped (::ffff:0:0/96, a socket that takes both), by NAT64, or by 6to4 (2002::/16)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    by_nat64 = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return address.ipv4_mapped or by_nat64 or address.sixtofour or address
