"""The Python client: bots and programs that encrypt and check for themselves, and run no code that a server sends.

    async with await Client.enter("echo", server="https://chat.example.org") as client:
        async for message in client.messages():
            ...

It knows nothing of the server's modules; what it shares with them is the protocol (docs/protocol.md, docs/http.md).
"""

from ezdms.client.client import Client
from ezdms.client.contacts import Contact
from ezdms.client.errors import (
    BadAnswer,
    ClientError,
    NoAccount,
    OtherServer,
    ServerError,
    SessionEnded,
    Unreachable,
    WrongPin,
)
from ezdms.client.receiving import Message
from ezdms.client.waiting import Waiting

__all__ = [
    "BadAnswer",
    "Client",
    "ClientError",
    "Contact",
    "Message",
    "NoAccount",
    "OtherServer",
    "ServerError",
    "SessionEnded",
    "Unreachable",
    "Waiting",
    "WrongPin",
]
