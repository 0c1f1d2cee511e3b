"""Acts: the vectors of section 23, and every way in which an act can be invalid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ezdms import crypto
from ezdms.protocol import envelope
from ezdms.protocol.encoding import EnvelopeError, b64u_decode, b64u_encode
from tests.support.people import PEOPLE, load_vectors, sign_act

CASES = load_vectors("acts")
ALICE = PEOPLE["alice"]
DEPLOYMENT = b64u_encode(bytes(16))
NOW = 1_790_000_000_000


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case.get('why', case['act'])}" for i, case in enumerate(CASES)])
def test_vector_acts(case: dict[str, Any]) -> None:
    asked = {name: case[name] for name in ("deployment_id", "act", "now", "last_ts")}
    asked |= {"ik": b64u_decode(case["ik"]), "purpose": case["for"]}
    if "change_pin" in case:
        asked["purpose"] = envelope.change_pin_purpose(case["change_pin"])
    if case["valid"]:
        ts = json.loads(b64u_decode(case["jws"].split(".")[1]))["ts"]
        assert envelope.check_act(case["jws"], **asked) == ts
        return
    with pytest.raises(EnvelopeError) as told:
        envelope.check_act(case["jws"], **asked)
    assert isinstance(told.value, envelope.ClockError) == ("minutes" in case["why"])


def check(jws: str, **changed: Any) -> int:
    """Check an act of Alice's that deletes her account."""
    asked: dict[str, Any] = {"ik": ALICE.ik, "deployment_id": DEPLOYMENT, "act": "delete_account", "purpose": ""}
    return envelope.check_act(jws, **asked | {"now": NOW, "last_ts": 0} | changed)


def signed(body: bytes, header: bytes = envelope.ACT_HEADER) -> str:
    """Alice signs exactly these bytes."""
    return crypto._sign(ALICE, header, body)


RIGHT = f'{{"v":1,"d":"{DEPLOYMENT}","act":"delete_account","for":"","ts":{NOW}}}'


def test_the_unmodified_act_is_valid() -> None:
    assert signed(RIGHT.encode()) == sign_act(ALICE, DEPLOYMENT, "delete_account", "", NOW)
    assert check(signed(RIGHT.encode())) == NOW


@pytest.mark.parametrize(
    "body",
    [
        RIGHT.replace('"v":1', '"v":2'),
        RIGHT.replace('"v":1', '"v":true'),
        RIGHT.replace('"v":1', '"v":1.0'),
        RIGHT.replace('"v":1', '"v":"1"'),
        RIGHT.replace('"for":"",', ""),
        RIGHT.replace('"for":""', '"for":null'),
        RIGHT.replace('"for":""', '"for":"","x":1'),
        RIGHT.replace('"for":""', '"for":"","for":""'),
        RIGHT.replace(str(NOW), f"{NOW}.0"),
        RIGHT.replace(str(NOW), f'"{NOW}"'),
        RIGHT.replace(str(NOW), "179e10"),
        RIGHT.replace(str(NOW), "-1"),
        RIGHT.replace(str(NOW), "true"),
        RIGHT.replace(str(NOW), str(10**30)),
        RIGHT.replace("delete", "\\u0064elete"),
        RIGHT.replace(":1,", ": 1,"),
        RIGHT + " ",
        " " + RIGHT,
        "\ufeff" + RIGHT,
        "[" + RIGHT + "]",
        "[" * 100,
        "null",
        "",
    ],
)
def test_an_act_with_another_body_is_refused(body: str) -> None:
    assert body != RIGHT
    with pytest.raises(EnvelopeError) as told:
        check(signed(body.encode()))
    assert not isinstance(told.value, envelope.ClockError)


@pytest.mark.parametrize("jws", ["", "..", "a.b.c", "é.é.é", "x" * 600, "." * 600])
def test_a_malformed_jws_is_refused(jws: str) -> None:
    with pytest.raises(EnvelopeError):
        check(jws)


def test_an_act_with_a_flipped_character_is_refused() -> None:
    jws = signed(RIGHT.encode())
    for at, letter in enumerate(jws):
        with pytest.raises(EnvelopeError):
            check(jws[:at] + ("A" if letter != "A" else "B") + jws[at + 1 :])


@pytest.mark.parametrize(
    ("ts", "last_ts", "refusal"),
    [
        (NOW - 600_000, 0, None),
        (NOW + 600_000, 0, None),
        (NOW - 600_001, 0, envelope.ClockError),
        (NOW + 600_001, 0, envelope.ClockError),
        (NOW, NOW - 1, None),
        (NOW, NOW, EnvelopeError),
        (NOW, NOW + 1, EnvelopeError),
        (NOW - 600_001, NOW - 600_001, EnvelopeError),  # a replay is not a clock error
    ],
)
def test_an_act_must_be_recent_and_newer_than_the_last(ts: int, last_ts: int, refusal: type[Exception] | None) -> None:
    jws = sign_act(ALICE, DEPLOYMENT, "delete_account", "", ts)
    if refusal is None:
        assert check(jws, last_ts=last_ts) == ts
        return
    with pytest.raises(refusal) as told:
        check(jws, last_ts=last_ts)
    assert type(told.value) is refusal


def test_only_a_wrong_time_is_a_clock_error() -> None:
    jws = sign_act(ALICE, DEPLOYMENT, "delete_account", "", NOW - 700_000)
    with pytest.raises(envelope.ClockError):
        check(jws)
    for changed in ({"act": "search_pin"}, {"purpose": "x"}, {"deployment_id": "x"}, {"ik": PEOPLE["eve"].ik}):
        with pytest.raises(EnvelopeError) as told:
            check(jws, **changed)
        assert not isinstance(told.value, envelope.ClockError)
