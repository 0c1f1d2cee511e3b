"""Invalid certificates and addresses without EZ-DMS: `ezdms verify` says so clearly and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ezdms.verify import FAILED, OK, WARNING, AddressError, place, verify, visit, wire
from tests.conftest import Server
from tests.support.misbehaving import EVIL
from tests.support.nginx import make_certificate
from tests.support.reports import names, said


@pytest.mark.parametrize(
    ("host", "days", "status", "words"),
    [
        ("127.0.0.1", 14, OK, "14 days from now."),
        ("127.0.0.1", 13, WARNING, "13 days from now. Make sure it is renewed automatically."),
        ("127.0.0.1", -1, FAILED, "certificate has expired"),
        ("chat.example", 90, FAILED, "not valid for '127.0.0.1'"),
    ],
)
async def test_a_certificate_must_match_the_host_and_not_expire_soon(
    tmp_path: Path, host: str, days: int, status: str, words: str
) -> None:
    certificate = make_certificate(tmp_path, host, days=days)
    with Server(tmp_path, certfile=str(certificate.certfile), keyfile=str(certificate.keyfile)) as server:
        report = await verify(server.url, cafile=certificate.certfile)
    name = "answer" if status == FAILED else "certificate"
    assert name in names(report, status)
    assert words in said(report, name)
    assert report.verdict == ("failed" if status == FAILED else "passed")


@asynccontextmanager
async def answering(octets: bytes | None) -> AsyncIterator[int]:
    """A server that answers every connection with these bytes, or never if None."""
    released = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if octets is None:
            await released.wait()
        else:
            await reader.read(1)
            writer.write(octets)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        released.set()
        listener.close()
        await listener.wait_closed()


def http(status: str, body: str = "", *headers: str) -> bytes:
    """A complete HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (http("404 Not Found"), "This is not EZ-DMS: /deployment answered 404"),
        (http("200 OK", "<html>"), "This is not EZ-DMS: /deployment answered 200"),
        (http("200 OK", "[" * 100_000), "This is not EZ-DMS"),
        (
            http("200 OK", '{"protocol":"ezdms/9","version":"1"}'),
            "Expected the protocol ezdms/1 and a version, got ezdms/9",
        ),
        (http("302 Found", "", f"Location: {EVIL}"), f"got a redirect to {EVIL}. If the server is there"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no valid HTTP response"),
        (b"", "no valid HTTP response"),
        (http("200 OK", "{}", "Content-Encoding: br"), "expected gzip or no compression, got br"),
        (None, "GET /deployment: no answer within"),
    ],
)
async def test_a_server_that_is_not_ez_dms_gives_a_clear_message(
    monkeypatch: pytest.MonkeyPatch, octets: bytes | None, words: str
) -> None:
    monkeypatch.setattr(wire, "ANSWER_WITHIN", 20.0 if octets is not None else 0.2)
    async with answering(octets) as port:
        report = await verify(f"http://127.0.0.1:{port}")
    assert report.verdict == "failed"
    assert words in said(report, "answer")


async def test_a_connection_or_tls_failure_gives_a_clear_message(shared_server: Server) -> None:
    async with answering(b"") as port:
        pass
    assert "cannot be reached" in said(await verify(f"http://127.0.0.1:{port}"), "answer")
    assert "there is no host named nowhere.invalid" in said(await verify("https://nowhere.invalid"), "answer").lower()
    spoken = await verify(shared_server.url.replace("http:", "https:"))
    assert "does not support usable TLS" in said(spoken, "answer")


async def test_a_check_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "ALL_WITHIN", 0.2)
    async with answering(None) as port:
        report = await verify(f"http://127.0.0.1:{port}")
    assert (report.verdict, names(report, FAILED)) == ("failed", {"time"})


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (http("308 Moved", "", "Location: https://127.0.0.1/"), OK),
        (http("301 Moved", "", "Location: https://127.0.0.1:8443/x"), OK),
        (http("301 Moved", "", f"Location: {EVIL}"), WARNING),
        (http("301 Moved", "", "Location: http://127.0.0.1/"), WARNING),
        (http("200 OK", "hello"), WARNING),
        (b"", OK),
    ],
)
async def test_plain_http_must_redirect_to_https_or_be_closed(octets: bytes, status: str) -> None:
    async with answering(octets) as port:
        assert (await place.check_plain_http("127.0.0.1", port)).status == status
    assert (await place.check_plain_http("127.0.0.1", port)).status == OK


@pytest.mark.parametrize(
    "address",
    ["", "chat.example", "ftp://chat.example", "http://chat.example", "http://10.0.0.1", "https://", "https://a:b",
     "https://chat.example/c/x", "https://me@chat.example", "https://chat.example?x", "http://[", "https://a:99999"],
)  # fmt: skip
async def test_an_address_that_cannot_be_checked_is_refused(address: str) -> None:
    with pytest.raises(AddressError, match=r"\.$"):
        await verify(address)
