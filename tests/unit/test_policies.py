"""Of two headers every value is told apart: what does no harm, what leads away, and what nobody can read."""

from __future__ import annotations

import pytest

from ezdms.verify.place import parse_address
from ezdms.verify.policies import fault_of_alternatives, fault_of_hsts

PLACE = parse_address("https://chat.example")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("clear", ""),
        ('h3=":443"', ""),
        ('h3=":443"; ma=86400, h2=":443"; persist=1', ""),
        ('h3="chat.example:443"', ""),
        ('h3="CHAT.example:443" ; ma="1"', ""),
        (r'h3="\:4\43"', ""),
        ('w%3Dx="chat.example:443"', ""),
        ('h3=":4433"', "leads to another port"),
        ('h3=":443", h3=":8443"', "leads to another port"),
        ('h3="evil.example:443"', "leads to another host"),
        (r'h3="ev\il.example:443"', "leads to another host"),
        ('h3=":443", h2="evil.example:443"', "leads to another host"),
        ('h3="chat.example.evil:443"', "leads to another host"),
        ("", "is malformed"),
        ("CLEAR", "is malformed"),
        ("clear, h3=evil", "is malformed"),
        ("h3=:443", "is malformed"),
        ("h3=evil.example:443", "is malformed"),
        ('h3=":443', "is malformed"),
        ('h3="443"', "is malformed"),
        ('h3=""', "is malformed"),
        ('h3=":443";', "is malformed"),
        ('h3=":443" ma=1', "is malformed"),
        ('h3=":443",', "is malformed"),
        ('h3=":443" h2=":443"', "is malformed"),
        ("h3=':443'", "is malformed"),
    ],
)
def test_an_alternative_service_may_only_be_this_host_and_port(value: str, fault: str) -> None:
    assert fault_of_alternatives(value, PLACE) == fault


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("max-age=31536000", ""),
        ("max-age=31536000; includeSubDomains; preload", ""),
        ('MAX-AGE="1" ;includesubdomains', ""),
        ("max-age=1; else=x;", ""),
        ("max-age=0", "tells browsers to forget that there is TLS"),
        ('max-age="000"; includeSubDomains', "tells browsers to forget that there is TLS"),
        ("max-age=1; max-age=2", "says something twice"),
        ("includeSubDomains", "has no max-age that is a number"),
        ("max-age", "has no max-age that is a number"),
        ("max-age=-1", "has no max-age that is a number"),
        ("max-age=1e9", "has no max-age that is a number"),
        ("max-age=1, max-age=0", "is malformed"),
        ("max-age=1 includeSubDomains", "is malformed"),
        ('max-age="1', "is malformed"),
        ("", "has no max-age that is a number"),
    ],
)
def test_hsts_must_be_well_formed_and_last(value: str, fault: str) -> None:
    assert fault_of_hsts(value) == fault
