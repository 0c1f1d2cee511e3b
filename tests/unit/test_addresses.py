"""What limits count an address as: any form of an IPv4 address as itself, IPv6 as its network."""

from __future__ import annotations

import pytest

from ezdms.edge.addresses import address_of, network_of


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7",
        "::ffff:203.0.113.7",
        "::FFFF:cb00:7107",
        "64:ff9b::203.0.113.7",
        "2002:cb00:7107::1",
        "2002:cb00:7107:ffff::",
    ],
)
def test_every_form_of_an_ipv4_address_counts_as_that_address(text: str) -> None:
    assert address_of(text) == "203.0.113.7"
    assert network_of(text) == "203.0.113.0/24"


@pytest.mark.parametrize(
    "text", ["2001:db8:1:2::", "2001:db8:1:2:3:4:5:6", "2001:DB8:1:2::ffff", "2001:db8:1:2::1%eth0"]
)
def test_all_ipv6_addresses_of_one_network_count_as_one(text: str) -> None:
    assert address_of(text) == network_of(text) == "2001:db8:1:2::/64"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", "203.0.113.8"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("64:ff9b:1::203.0.113.7", "203.0.113.7"),  # another prefix than NAT64's own
        ("::203.0.113.7", "203.0.113.7"),
        ("2001:0:cb00:7107::", "203.0.113.7"),
    ],
)
def test_different_addresses_count_separately(one: str, other: str) -> None:
    assert address_of(one) != address_of(other)


@pytest.mark.parametrize("text", ["", "unix", "203.0.113", "203.0.113.7:80", "x" * 1000])
def test_anything_but_an_ip_address_counts_unchanged(text: str) -> None:
    assert address_of(text) == network_of(text) == text
