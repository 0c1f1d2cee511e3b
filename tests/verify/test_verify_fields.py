"""Strict parsing of Alt-Svc and Strict-Transport-Security (RFC 7838, RFC 6797)."""

from __future__ import annotations

import pytest

from ezdms.verify.fields import fault_of_alt_svc, fault_of_hsts
from ezdms.verify.place import parse_address

PLACE = parse_address("https://chat.example:8443")

STAYS = [
    ['h2=":8443"'],
    ['h3=":8443"; ma=86400'],
    ['h3=":8443"; ma=86400; persist=1'],
    ['h3=":8443";ma="86400";persist="1"'],
    ['h3=":8443"; ma=86400, h3-29=":8443"; ma=86400'],
    ['h3=":8443"\t,\th2="chat.example:8443"'],
    ['h3="CHAT.example:8443"'],
    ['h3=":8443"', 'h2=":8443"'],
    ['h3=":8443"; v="46,43"; new=word'],
    [r'h3="\:84\43"'],
    ['w%3Dx%3Ay#z=":8443"'],  # the example of RFC 7838, 3
    ['x%25y=":8443"'],
    ["clear"],
]
ELSEWHERE = [
    ['h2="evil.example:8443"'],
    ['h2="evil.example:443"; ma=1'],
    ['h3=":8443", h2="evil.example:8443"'],
    ['h3=":8443"', 'h2="evil.example:8443"'],
    [r'h2="\evil.example:8443"'],
    ['h2="chat.example.:8443"'],
    ['h2="chat.example.evil.example:8443"'],
    ['h2="chat.example@evil.example:8443"'],
    ['h2="[::1]:8443"'],
    ['h3=":8443"; v="1,h2=", h2="evil.example:8443"'],
    ['h3=":8443"; v="a\\"", h2="evil.example:8443"'],
]
ANOTHER_PORT = [
    ['h2=":443"'],
    ['h2=":18443"'],
    [r'h2=":8\4\4"'],
    ['h3=":8443", h2=":443"'],
    ['h2="chat.example:443"'],
    ['h2=":0"'],
]
MALFORMED = [
    [""],
    ["h2"],
    ["h2="],
    ["h2=:8443"],
    ['h2=":8443'],
    ["h2=':8443'"],
    ['=":8443"'],
    ['h2 =":8443"'],
    ['h2= ":8443"'],
    ['h2=":8443" ma=1'],
    ['h2=":8443"; ma'],
    ['h2=":8443"; ma='],
    ['h2=":8443"; ma=-1'],
    ['h2=":8443"; ma=1.5'],
    ['h2=":8443"; ma="'],
    ['h2=":8443"; ma=1; ma=2'],
    ['h2=":8443"; MA=1; ma=2'],
    ['h2=":8443"; persist=2'],
    ['h2=":8443";'],
    ['h2=":8443",'],
    [',h2=":8443"'],
    ['h2=":8443",,h3=":8443"'],
    ['h2=":8443"', ""],
    ['h2="8443"'],
    ['h2=""'],
    ['h2=":"'],
    ['h2=":https"'],
    ['h2=":+8443"'],
    ['h2=":٨٤٤٣"'],
    ['h2=":8443/"'],
    ["CLEAR"],
    ["clear "],
    ['clear, h2=":8443"'],
    ['h2=":8443"', "clear"],
    ["clear; ma=1"],
    ['%682=":8443"'],  # h may not be encoded
    ['w%3dx=":8443"'],  # lower case
    ['w%3=":8443"'],
    ['w%=":8443"'],
    ['h2=":8443"\x00'],
    ['h2="\x7f:8443"'],
]


@pytest.mark.parametrize("values", STAYS)
def test_an_alt_svc_to_the_same_host_is_accepted(values: list[str]) -> None:
    assert fault_of_alt_svc(values, PLACE) is None


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        *((values, "it points to another host") for values in ELSEWHERE),
        *((values, "it points to another port") for values in ANOTHER_PORT),
    ],
)
def test_an_alt_svc_to_another_host_is_found(values: list[str], fault: str) -> None:
    assert fault_of_alt_svc(values, PLACE) == fault


@pytest.mark.parametrize("values", MALFORMED)
def test_an_ambiguous_alt_svc_is_found(values: list[str]) -> None:
    assert fault_of_alt_svc(values, PLACE) is not None


def test_the_default_port_and_an_ipv6_address_are_recognized_as_the_same_host() -> None:
    usual, bracketed = parse_address("https://chat.example"), parse_address("https://[2001:db8::1]")
    assert fault_of_alt_svc(['h3=":443"; ma=2592000'], usual) is None
    assert fault_of_alt_svc(['h3=":8443"'], usual) == "it points to another port"
    assert fault_of_alt_svc(['h3="[2001:DB8::1]:443"'], bracketed) is None
    assert fault_of_alt_svc(['h3="[2001:db8::2]:443"'], bracketed) == "it points to another host"


@pytest.mark.parametrize(
    "value",
    [
        "max-age=31536000",
        "MAX-AGE=1",
        "max-age=31536000; includeSubDomains",
        "max-age=31536000;includeSubDomains;preload",
        " includeSubDomains ; max-age=31536000 ; ",
        'max-age=31536000; new=word; newer="words; max-age=0"',
        ";;max-age=1",
    ],
)
def test_a_valid_hsts_header_is_accepted(value: str) -> None:
    assert fault_of_hsts([value]) is None


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (["max-age=0"], "max-age=0 makes browsers forget it"),
        (["max-age=000; includeSubDomains"], "max-age=0 makes browsers forget it"),
        ([""], "max-age is missing"),
        (["includeSubDomains"], "max-age is missing"),
        (['x="max-age=1"'], "max-age is missing"),
        (["max-age"], "max-age is not a plain number"),
        (['max-age="31536000"'], "max-age is not a plain number"),
        (["max-age=-1"], "max-age is not a plain number"),
        (["max-age=1e9"], "max-age is not a plain number"),
        (["max-age=1.5"], "max-age is not a plain number"),
        (["max-age=" + "9" * 5000], "max-age is not a plain number"),
        (["max-age="], "it is malformed"),
        (["max-age=٣"], "it is malformed"),
        (["max-age=1, max-age=2"], "it is malformed"),
        (["max-age=1 includeSubDomains"], "it is malformed"),
        (["max-age = 1"], "it is malformed"),
        (['max-age=1; x="'], "it is malformed"),
        (["max-age=1; max-age=1"], "max-age is given twice"),
        (["max-age=1; Max-Age=0"], "max-age is given twice"),
        (["max-age=1; includeSubDomains; includesubdomains"], "includesubdomains is given twice"),
        (["max-age=1; includeSubDomains=0"], "a directive that takes no value has one"),
        (["max-age=1; preload=no"], "a directive that takes no value has one"),
        (["max-age=1", "max-age=1"], "it is sent more than once"),
    ],
)
def test_an_ineffective_hsts_header_is_found(values: list[str], fault: str) -> None:
    assert fault_of_hsts(values) == fault
