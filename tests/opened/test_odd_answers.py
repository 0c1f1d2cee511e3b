"""Responses must be complete, timely and of the expected type; otherwise the page gets an error code."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable

from tests.browser.lies.liar import Answer, Change, Liar
from tests.opened.opening import Visit, newcomer

EVIL = "stolen-by-the-server"


def gzipped(answer: Answer) -> None:
    answer.body = gzip.compress(bytes(50_000_000))
    answer.set("content-encoding", "gzip")


def saying(text: str | bytes, status: int = 200) -> Change:
    """A lie: replace the response."""

    def lie(answer: Answer) -> None:
        answer.status, answer.body = status, text.encode() if isinstance(text, str) else text

    return lie


def redirecting(status: int, to: str) -> Callable[[Answer], None]:
    """A lie: a redirect."""

    def lie(answer: Answer) -> None:
        answer.status = status
        answer.set("location", to)

    return lie


ODD = {
    "gzip": gzipped,
    "huge": saying("9" * (64 * 1024 + 1)),
    "not JSON": saying(f"<h1>{EVIL}</h1>"),
    "NaN": saying('{"x": NaN}'),
    "infinite number": saying('{"x": 1e999}'),
    "deeply nested": saying("[" * 30_000 + "]" * 30_000),
    "not UTF-8": saying(b"\xff\xfe"),
    "no content": saying("", 204),
    "partial content": saying("{}", 206),
    "not modified": saying("", 304),
    "redirect to another host": redirecting(302, f"https://evil.example/{EVIL}"),
    "redirect to another path": redirecting(307, "/deployment"),
    "unknown status": saying("{}", 299),
}


async def test_invalid_responses_are_rejected(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    for name, lie in ODD.items():
        with liar.lying("GET /me", lie):
            since = len(liar.heard)
            answer = await fooled.asks("/me")
            assert (answer.status_code, answer.json()["code"]) == (502, "odd"), name
            assert EVIL not in answer.text + str(answer.headers), name
            assert len(liar.heard) == since + 1, name
        assert (await fooled.asks("/me")).status_code == 200, name


async def test_invalid_fragments_are_rejected(fooled: Visit, liar: Liar) -> None:
    account = await fooled.registers(newcomer(), "alice")
    for text in (b"\xff\xfe<h1>", b"x" * (16 * 1024 * 1024 + 1)):
        with liar.lying("GET /conversations/.*", saying(text)):
            answer = await fooled.asks(f"/conversations/{account['user_id']}")
            assert (answer.status_code, answer.json()["code"]) == (502, "odd"), text[:9]
        assert (await fooled.asks(f"/conversations/{account['user_id']}")).status_code == 200, text[:9]


async def test_only_the_code_and_wait_of_a_refusal_are_forwarded(fooled: Visit, liar: Liar) -> None:
    said = {"error": f"<b>{EVIL}</b>", "code": "too_often", "retry_after": 7, "more": EVIL}
    for changes, left in (
        ({}, {"code": "too_often", "retry_after": 7}),
        ({"code": "<b>", "retry_after": -1}, {}),
        ({"code": "A" * 9, "retry_after": 1e9}, {}),
        ({"code": ["x"], "retry_after": "7"}, {}),
        ({"retry_after": True}, {"code": "too_often"}),
    ):
        for status in (400, 401, 404, 429, 500, 503, 599):
            with liar.lying("GET /me", saying(json.dumps(said | changes), status)):
                answer = await fooled.asks("/me")
                assert (answer.status_code, answer.json()) == (status, {"error": "The server refused."} | left)
    with liar.lying("GET /me", saying(f"<h1>{EVIL}</h1>", 500)):
        assert (await fooled.asks("/me")).json() == {"error": "The server refused."}


async def test_the_challenge_of_two_step_login_is_forwarded_and_nothing_else(fooled: Visit, liar: Liar) -> None:
    proof = {"login_id": "A" * 22, "auth_key": "A" * 43}
    for challenge, is_valid in (("QUFB", True), ("A" * 1025, False), ("a\x1bb", False), (7, False), ([EVIL], False)):
        for code in ("second_step", "wrong_pin"):
            said = {"error": EVIL, "code": code, "challenge": challenge, "token": "A" * 43, "wrapped_sig": EVIL}
            with liar.lying("POST /login", saying(json.dumps(said), 401)):
                answer = await fooled.asks("/login", proof)
            forwarded = {"challenge": challenge} if is_valid and code == "second_step" else {}
            left = {"error": "The server refused.", "code": code, **forwarded}
            assert (answer.status_code, answer.json()) == (401, left)


async def test_a_second_login_starts_a_session_and_its_tokens_stay_here(fooled: Visit, liar: Liar) -> None:
    before, token, trust = fooled.cookie, "B" * 42 + "A", "C" * 43
    with liar.lying("POST /login_second", saying(json.dumps({"token": token, "trust_token": trust, "x": 1}))):
        answer = await fooled.asks("/login_second", {"challenge": "QUFB", "code": "123456"})
    assert (answer.status_code, answer.json()) == (200, {"x": 1})
    assert fooled.cookie != before
    assert token not in str(answer.headers) + answer.text
    since = len(liar.heard)
    await fooled.asks("/me")
    assert f"Bearer {token}" in liar.heard[since]


async def test_a_login_without_a_valid_token_starts_no_session(fooled: Visit, liar: Liar) -> None:
    before = fooled.cookie
    for token in ("", "x", "A" * 42, "A" * 43 + "\r\nX: y", None, 7):
        with liar.lying("POST /login", saying(json.dumps({"token": token}))):
            answer = await fooled.asks("/login", {"login_id": "A" * 22, "auth_key": "A" * 43})
            assert (answer.status_code, answer.json()["code"]) == (502, "odd"), token
    assert fooled.cookie == before


async def test_a_stalled_response_times_out_and_blocks_nothing_else(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")

    def hold(answer: Answer) -> None:
        answer.body, answer.rest = answer.body[:2], answer.body[2:]

    with liar.lying("GET /me", hold):
        began = time.monotonic()
        waiting = asyncio.create_task(fooled.asks("/me"))
        assert (await fooled.asks("/vault")).status_code == 200
        answer = await waiting
        assert (answer.status_code, answer.json()["code"]) == (502, "unreachable")
        assert time.monotonic() - began < 29  # seconds; the page times out after 30


async def test_only_the_part_of_a_file_that_was_asked_for_is_passed_on(fooled: Visit, liar: Liar) -> None:
    await fooled.registers(newcomer(), "alice")
    path, asked = f"/files/{'A' * 22}", "bytes=10-19"
    since = len(liar.heard)
    for wrong in ("", "bytes=10-", "bytes=0-9,20-29", "bytes=-5", f"bytes=0-{'9' * 10}"):
        assert (await fooled.asks(path, Range=wrong)).status_code == 416, wrong
    assert liar.heard[since:] == []
    assert (await fooled.asks(path, Range=asked)).json()["code"] == "no_file"

    def part(body: bytes, place: str, status: int = 206) -> Change:
        def lie(answer: Answer) -> None:
            answer.status, answer.body = status, body
            answer.set("content-range", place)
            answer.set("content-type", "text/html")
            answer.set("content-disposition", "inline")

        return lie

    with liar.lying(f"GET {path}", part(b"0123456789", "bytes 10-19/100")):
        answer = await fooled.asks(path, Range=asked)
        assert (answer.status_code, answer.content) == (206, b"0123456789")
        assert answer.headers["Content-Range"] == "bytes 10-19/100"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
        assert (await fooled.opens(path)).status_code == 404
    lies = {
        "other bytes": part(b"0123456789", "bytes 0-9/100"),
        "fewer": part(b"012345678", "bytes 10-19/100"),
        "more": part(b"0123456789x", "bytes 10-19/100"),
        "no place": part(b"0123456789", ""),
        "a header in the place": part(b"0123456789", "bytes 10-19/100, x"),
        "all of it": part(bytes(100), "bytes 0-99/100", 200),
        "endless": part(bytes(2**20 + 1), "bytes 10-19/100"),
    }
    for name, lie in lies.items():
        with liar.lying(f"GET {path}", lie):
            answer = await fooled.asks(path, Range=asked)
            assert (answer.status_code, answer.json()["code"]) == (502, "odd"), name
