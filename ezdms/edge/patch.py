"""Makes hypercorn use our classes. The only module that patches it (docs/decisions/sockets.md)."""

from __future__ import annotations

import logging

import hypercorn.asyncio.run
import hypercorn.asyncio.tcp_server
import hypercorn.protocol
from hypercorn.protocol import h11

from ezdms.edge.connection import Connection, Tasks
from ezdms.edge.http1 import Http1
from ezdms.edge.http2 import Http2
from ezdms.edge.lifespan import PatientLifespan
from ezdms.edge.websocket import SocketStream


def _is_news(record: logging.LogRecord) -> bool:
    """Filter out uvloop's warnings about writes to a peer that has closed TLS."""
    return record.msg != "SSL connection is closed"


def use() -> None:
    """Make hypercorn use our classes."""
    logging.getLogger("asyncio").addFilter(_is_news)
    hypercorn.asyncio.tcp_server.TaskGroup = Tasks  # type: ignore[attr-defined]
    hypercorn.asyncio.run.TCPServer = Connection  # type: ignore[assignment,attr-defined]
    hypercorn.asyncio.run.Lifespan = PatientLifespan  # type: ignore[attr-defined]
    hypercorn.protocol.H11Protocol = Http1  # type: ignore[attr-defined]
    hypercorn.protocol.H2Protocol = Http2  # type: ignore[assignment,attr-defined]
    h11.WSStream = SocketStream  # type: ignore[attr-defined]
