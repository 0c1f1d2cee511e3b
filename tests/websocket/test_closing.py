"""Keep-alive: an answer that is sent before the body announces that the connection closes."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Server


async def ask(server: Server, head: str, body: bytes) -> bytes:
    """The answer to a request whose body is sent after the answer, or never."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"{head}\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 20\r\n\r\n".encode() + body)
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("path", ["/logout", "/vault"])
async def test_an_answer_before_the_body_closes_the_connection(server: Server, path: str) -> None:
    answer = (await ask(server, f"POST {path} HTTP/1.1", b"")).lower()
    assert answer.startswith((b"http/1.1 401", b"http/1.1 405"))
    assert b"\r\nconnection: close\r\n" in answer


async def test_an_answer_after_the_body_keeps_the_connection_open(server: Server) -> None:
    answer = await ask(server, "POST /messages_decrypted HTTP/1.1\r\nContent-Type: text/plain", bytes(20))
    assert answer.startswith(b"HTTP/1.1 410")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for _ in range(3):
        writer.write(f"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert b"connection: close" not in answer.lower()
        await asyncio.wait_for(reader.readuntil(b"}"), 10)
    writer.close()
    await writer.wait_closed()
