"""Asks a server once what the page must know about it, before anything is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ezdms import PROTOCOL
from ezdms.client.answers import read_deployment
from ezdms.client.errors import BadAnswer, ServerError
from ezdms.client.transport import Transport
from ezdms.crypto import LARGEST_FILE
from ezdms.release import VERSION

REGISTRATION = ("open", "invite", "closed")
MOST_DAYS = 99_999
NOT_EZDMS = "{server} does not answer like an EZ-DMS server. Check the address."


@dataclass(frozen=True, slots=True)
class Said:
    """The used members of GET /deployment. `version` is only the server's claim."""

    deployment_id: str
    version: str
    registration: str
    retention: int  # days after which it says that it removes messages, 0 for never
    max_file: int  # bytes of the largest file that it says it takes


async def ask(server: str) -> Said:
    """Ask the server. Raises Unreachable, or BadAnswer with a message that says what to do."""
    transport = Transport(server, patience=0)
    try:
        return _read(server, await transport.get("/deployment"))
    except ServerError as error:
        raise BadAnswer(NOT_EZDMS.format(server=server)) from error
    except BadAnswer as error:
        raise BadAnswer(f"{NOT_EZDMS.format(server=server)} {error}") from error
    finally:
        await transport.close()


def _read(server: str, answer: Any) -> Said:
    deployment_id = read_deployment(answer).deployment_id
    protocol, version, registration = (answer.get(name) for name in ("protocol", "version", "registration"))
    if protocol != PROTOCOL or not isinstance(version, str) or not VERSION.fullmatch(version):
        raise BadAnswer(f"Expected the protocol {PROTOCOL} and a version.")
    retention = answer.get("retention")
    days = retention if isinstance(retention, int) and 0 <= retention <= MOST_DAYS else 0
    most = answer.get("max_file")
    max_file = most if type(most) is int and 0 <= most <= LARGEST_FILE else LARGEST_FILE  # what it refuses, it refuses
    return Said(deployment_id, version, registration if registration in REGISTRATION else "open", int(days), max_file)
