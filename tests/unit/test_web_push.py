"""Web Push: the RFCs' own examples, and which addresses are public."""

from __future__ import annotations

import json
import threading
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ezdms.actions import outward, web_push
from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode

# RFC 8291, appendix A.
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_y"
    "l95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
ENDPOINT = "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV"


def test_a_payload_is_sealed_as_in_the_example_of_rfc_8291() -> None:
    subscription = web_push.parse_subscription(ENDPOINT, P256DH, AUTH)
    text = b"When I grow up, I want to be a watermelon"
    sealed = web_push.seal(text, subscription, key=web_push.private_key(SENDER), salt=b64u_decode(SALT))
    assert b64u_encode(sealed) == BODY
    assert web_push.seal(text, subscription) != web_push.seal(text, subscription)  # new keys each time


def test_a_request_is_signed_for_one_service_and_half_a_day_with_a_contact() -> None:
    text = web_push.new_key()
    key = web_push.private_key(text)
    said = web_push.authorization(key, ENDPOINT, contact="https://chat.example.org", moment=1_790_000_000_123)
    scheme, _, parameters = said.partition(" ")
    values = dict(part.split("=", 1) for part in parameters.split(", "))
    assert scheme == "vapid"
    assert values["k"] == b64u_encode(web_push.public_bytes(key))
    signed, _, signature = values["t"].rpartition(".")
    header, claims = (json.loads(b64u_decode(part)) for part in signed.split("."))
    assert header == {"typ": "JWT", "alg": "ES256"}
    service = urlsplit(ENDPOINT)
    assert claims == {
        "aud": f"{service.scheme}://{service.netloc}",
        "exp": 1_790_000_000 + 12 * 3600,
        "sub": "https://chat.example.org",
    }
    octets = b64u_decode(signature, 64)
    r, s = (int.from_bytes(half, "big") for half in (octets[:32], octets[32:]))
    key.public_key().verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("p256dh", "auth"),
    [
        ("", AUTH),
        (P256DH[:-4], AUTH),
        (P256DH, AUTH[:-2]),
        (P256DH + "=", AUTH),
        (b64u_encode(b"\x04" + bytes(64)), AUTH),  # not on the curve
        (b64u_encode(b64u_decode(P256DH)[1:33].rjust(33, b"\x02")), AUTH),  # compressed
        (b64u_encode(b"\x06" + b64u_decode(P256DH)[1:]), AUTH),  # hybrid
    ],
)
def test_keys_that_are_no_point_and_secret_are_refused(p256dh: str, auth: str) -> None:
    with pytest.raises(EnvelopeError):
        web_push.parse_subscription(ENDPOINT, p256dh, auth)


@pytest.mark.parametrize("address", ["142.250.74.202", "2a00:1450:4001:81b::200a", "17.188.143.1"])
def test_public_addresses_are(address: str) -> None:
    assert outward.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),  # noqa: S104
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::1", "2001:0:1::1", "::127.0.0.1"),
        *("", "localhost", "1", "0x7f000001"),
    ],
)
def test_all_others_are_not(address: str) -> None:
    assert not outward.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://push.example.net/x", "ftp://push.example.net/x", "//push.example.net/x", "push.example.net", ""),
        *("https:///x", "https://a:b@8.8.8.8/x", "https://8.8.8.8/x#y", "https://8.8.8.8:99999/", "https://8.8.8.8/ x"),
        *("https://8.8.8.8/\r\nHost: x", "https://8.8.8.8/é", "https://[::1/x", "https://8.8.8.8/" + "x" * 2048),
        *("https://127.0.0.1/x", "https://localhost/x", "https://[::1]/x", "https://[::ffff:10.0.0.1]/x"),
        *("https://2130706433/x", "https://0x7f.1/x", "https://127.1/x", "https://0/x"),
        *("https://nobody.invalid/x", "https://" + "a" * 64 + ".example/x", "https://a..b/x"),
    ],
)
async def test_no_request_is_made_to_these_addresses(url: str) -> None:
    with pytest.raises(outward.Refused):
        await outward.look_up(url, allow_local=False)


async def test_a_look_up_that_cannot_begin_or_is_one_too_many_is_refused_and_takes_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unstartable(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    async def looks_up() -> str:
        return (await outward.look_up("https://localhost/", allow_local=True)).host

    room = threading.BoundedSemaphore(1)
    monkeypatch.setattr(outward, "_threads", room)
    with monkeypatch.context() as none_left:
        none_left.setattr(outward, "Thread", Unstartable)
        with pytest.raises(outward.Refused):
            await looks_up()
    assert await looks_up() == "localhost"
    with room, pytest.raises(outward.Refused):
        await looks_up()
    assert await looks_up() == "localhost"
