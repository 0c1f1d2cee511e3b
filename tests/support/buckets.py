"""A bucket for tests: SeaweedFS, a real S3 server, over HTTP."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import obstore
from obstore.store import S3Store

from ezdms.settings import parse_files_key, parse_files_url
from tests.support.daemon import Daemon
from tests.support.served import wait

PROGRAM = Path(sys.prefix) / "bin" / "weed"
ACCESS_KEY, SECRET_KEY = "AKIDTESTS0000001", "correct-horse-battery-staple"
BUCKET = "files"
IDENTITIES = (
    '{"identities":[{"name":"tests","actions":["Admin","Read","Write","List"],'
    f'"credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}]}}]}}'
)
WITHIN = 60.0  # seconds, on a busy machine
PORTS = [f"{part}{kind}" for part in ("master", "volume", "filer", "s3") for kind in (".port", ".port.grpc")]


class S3(Daemon):
    """A running server with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as free:
            found = [free.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
            ports = [one.getsockname()[1] for one in found]
        self._ports = dict(zip(PORTS, ports, strict=True))
        self.port = self._ports["s3.port"]

    def start(self) -> None:
        """Start it; returns once it stores something."""
        (self.folder / "identities.json").write_text(IDENTITIES)
        options = [f"-{name}={port}" for name, port in self._ports.items()]
        options += ["-s3", f"-s3.config={self.folder / 'identities.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        options += ["-ip=127.0.0.1", "-s3.autoCreateBucket=false", "-master.telemetry=false"]
        options += ["-master.volumeSizeLimitMB=64", "-volume.max=8", "-volume.preStopSeconds=0"]
        options += [f"-filer.localSocket={self.folder / 'filer.sock'}"]
        with (self.folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "server", f"-dir={self.folder}", *options], stdout=log, stderr=log, cwd=self.folder
            )
        wait(self._stores, within=WITHIN)

    def _stores(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "weed.log").read_text()
        try:
            filer = f"http://127.0.0.1:{self._ports['filer.port']}"
            httpx.post(f"{filer}/buckets/{BUCKET}/", trust_env=False, timeout=5).raise_for_status()
            obstore.put(self.client(""), "ready", b"ready")
        except (httpx.HTTPError, obstore.exceptions.BaseError, OSError):
            return False
        return True

    def stop(self) -> None:
        """Stop it at once."""
        super().stop()
        for port in self._ports.values():
            for socket_of_it in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where it puts them
                socket_of_it.unlink()

    def settings(self, prefix: str, *, port: int = 0) -> dict[str, Any]:
        """Settings of a server with its files here. `port`: of a relay."""
        key = parse_files_key(f"{ACCESS_KEY}:{SECRET_KEY}")
        return {"files_url": parse_files_url(self.url(prefix, port=port)), "files_key": key}

    def url(self, prefix: str, *, bucket: str = BUCKET, port: int = 0) -> str:
        """The address of a bucket."""
        return f"s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{port or self.port}&region=us-east-1"

    def client(self, prefix: str) -> S3Store:
        """Another client of it."""
        return S3Store(
            BUCKET,
            prefix=prefix or None,
            endpoint=f"http://127.0.0.1:{self.port}",
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            client_options={"allow_http": True},
        )

    def objects(self, prefix: str) -> dict[str, bytes]:
        """What is in it, by name. What is deleted meanwhile is not."""
        client, found = self.client(prefix), {}
        for name in sorted(one["path"] for page in obstore.list(client) for one in page):
            with suppress(FileNotFoundError):
                found[name] = bytes(obstore.get(client, name).bytes())
        return found

    def change(self, prefix: str, name: str, content: bytes | None) -> None:
        """Put an object, or delete it."""
        if content is None:
            obstore.delete(self.client(prefix), name)
        else:
            obstore.put(self.client(prefix), name, content)


def new_prefix() -> str:
    """One that nobody has used."""
    return secrets.token_hex(8)


@contextmanager
def started(folder: Path) -> Iterator[S3]:
    """A running server with nothing in it."""
    server = S3(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
