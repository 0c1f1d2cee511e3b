"""The Python client, for bots and programs: encrypts and verifies locally, and runs no code from a server.

    async with await Client.enter("echo", server="https://chat.example.org") as client:
        async for message in client.messages():
            ...

It imports no server modules; it shares only the protocol with them (docs/protocol.md, docs/http.md).
"""

from ezdms.client.client import Client
from ezdms.client.contacts import Contact
from ezdms.client.conversation import Conversation
from ezdms.client.errors import (
    BadAnswer,
    ClientError,
    CodeNeeded,
    NoAccount,
    NoFile,
    OtherServer,
    ServerError,
    SessionEnded,
    Unreachable,
    WrongCode,
    WrongPin,
)
from ezdms.client.loaded import Loaded
from ezdms.client.message import Event, Message, Quote, SharedFile
from ezdms.client.waiting import Waiting

__all__ = [
    "BadAnswer",
    "Client",
    "ClientError",
    "CodeNeeded",
    "Contact",
    "Conversation",
    "Event",
    "Loaded",
    "Message",
    "NoAccount",
    "NoFile",
    "OtherServer",
    "Quote",
    "ServerError",
    "SessionEnded",
    "SharedFile",
    "Unreachable",
    "Waiting",
    "WrongCode",
    "WrongPin",
]
