"""Remembers which server is at which address, so that credentials from a Login PIN are used only at known servers.

Login keys are derived for one deployment_id (docs/protocol.md, Logging in), which is public. A server that claims
another server's id could use the credentials it gets to log in there as the user.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from ezdms.client import files
from ezdms.client.errors import OtherServer

FILE = "known_servers"
TRUST = "EZDMS_TRUST_SERVER"  # address that programs trust
PORTS = {"http": 80, "https": 443}
GO_ON = "To continue anyway, use --trust-server; programs set {trust}={address}."
REPLACED = (
    "A different server than before answers at {address}. Unless its database was replaced on purpose, do not log in "
    "there. "
) + GO_ON
ELSEWHERE = (
    "The server at {address} claims to be the one you know as {known}. If that is a lie, it could use what you send to "
    "log in there as you. "
) + GO_ON


def address_of(server: str) -> str:
    """The canonical form of an address: lower case, without the scheme's default port."""
    parts = urlsplit(server)
    port = "" if parts.port in (None, PORTS.get(parts.scheme)) else f":{parts.port}"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path.rstrip('/')}"


class Servers:
    """The file of known servers in one home folder: a line for each address, with its deployment_id."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    def admit(self, server: str, deployment_id: str, *, trust: bool = False) -> None:
        """Remember which server is at this address. Raises OtherServer, before a PIN is used, if that changed, unless
        `trust` or EZDMS_TRUST_SERVER allows it."""
        address = address_of(server)
        trust = trust or address == address_of(os.environ.get(TRUST, ""))
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with files.locked(self._path):
            known = self._read()
            if known.get(address) == deployment_id:
                return
            if not trust:
                if address in known:
                    raise OtherServer(REPLACED.format(address=address, trust=TRUST))
                for other, its_id in known.items():
                    if its_id == deployment_id:
                        raise OtherServer(ELSEWHERE.format(address=address, known=other, trust=TRUST))
            known[address] = deployment_id
            files.replace(self._path, "".join(f"{one} {its_id}\n" for one, its_id in known.items()))

    def _read(self) -> dict[str, str]:
        try:
            lines = self._path.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return {}
        return {words[0]: words[1] for words in map(str.split, lines) if len(words) == 2}
