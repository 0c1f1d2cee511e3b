"""A push service on this machine: what a browser subscribes to, and what opens the payloads as a browser does."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import NamedTuple, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC

from ezdms.protocol.encoding import b64u_encode


class Pushed(NamedTuple):
    """A request: its path, headers by lower-case name, and body."""

    path: str
    headers: dict[str, str]
    body: bytes


def _hmac(key: bytes, octets: bytes) -> bytes:
    mac = HMAC(key, hashes.SHA256())
    mac.update(octets)
    return mac.finalize()


class Browser:
    """The keys of one subscription."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self.public = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    def fields(self, endpoint: str) -> dict[str, str]:
        """Those of POST /push."""
        return {"endpoint": endpoint, "p256dh": b64u_encode(self.public), "auth": b64u_encode(self._auth)}

    def open(self, body: bytes) -> bytes:
        """The payload, by the steps of RFC 8291 (3.4) and RFC 8188 (2), written independently of the server's."""
        salt, length = body[:16], body[20]
        theirs, sealed = body[21 : 21 + length], body[21 + length :]
        shared = self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
        secret = _hmac(_hmac(self._auth, shared), b"WebPush: info\0" + self.public + theirs + b"\x01")
        random = _hmac(salt, secret)
        key = _hmac(random, b"Content-Encoding: aes128gcm\0\x01")[:16]
        nonce = _hmac(random, b"Content-Encoding: nonce\0\x01")[:12]
        padded = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert padded.endswith(b"\x02")
        return padded[:-1]


class PushService:
    """Answers 201, or what `answers` says for a path: a status, an event to wait for, or None to hang."""

    def __init__(self) -> None:
        self.pushed: list[Pushed] = []
        self.answers: dict[str, int | asyncio.Event | None] = {}
        self.location = ""  # of redirects
        self._ends = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ends.set()
        self._listener.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1]
            headers = {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*)\r$", head, re.MULTILINE)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.pushed.append(Pushed(path, headers, body))
            status = self.answers.get(path, 201)
            if isinstance(status, asyncio.Event):
                await status.wait()
                status = 201
            if status is None:
                await self._ends.wait()
            else:
                more = f"Location: {self.location}\r\n" if self.location else ""
                writer.write(f"HTTP/1.1 {status} x\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
