"""Metrics for Prometheus, off by default: `/metrics` on a port of its own that only this machine can reach.

Each number is kept where it arises and read when Prometheus asks. No name, id, address or PIN is ever a label.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from quart import Quart, Response, request

from ezdms import __version__
from ezdms.db import Database
from ezdms.edge import runner
from ezdms.hosting import backup
from ezdms.hub import Hub
from ezdms.models.file import count_files
from ezdms.store import data_folder
from ezdms.store.timing import BOUNDS
from ezdms.web import this_machine

ADVICE = "Choose another with --metrics-port."


@dataclass(slots=True, eq=False)
class Measured(Collector):
    """What is measured. `limit_hits`: by the name of the limit's setting. `fault`: why nothing can be stored."""

    database: Database
    hub: Hub[Any]
    limit_hits: Mapping[str, int]
    data_dir: Path
    fault: str = ""
    files: tuple[int, int] = (0, 0)  # how many, and their bytes

    def collect(self) -> Iterator[Metric]:
        """All metrics; docs/monitoring.md describes them."""
        yield InfoMetricFamily("ezdms", "The version that runs.", {"version": __version__})
        yield GaugeMetricFamily("ezdms_sockets", "Open WebSockets.", len(self.hub))
        yield CounterMetricFamily("ezdms_messages", "Messages stored since the start.", self.hub.messages)
        yield GaugeMetricFamily("ezdms_events_waiting", "Events that sockets have not taken yet.", self.hub.waiting)
        yield from self._of_the_database()
        yield GaugeMetricFamily("ezdms_files", "Files and uploads.", self.files[0])
        yield GaugeMetricFamily("ezdms_file_bytes", "Their encrypted bytes, as declared.", self.files[1])
        hits = CounterMetricFamily("ezdms_limit_hits", "Requests and frames over a limit.", labels=["limit"])
        for name, count in self.limit_hits.items():
            hits.add_metric([name], count)
        yield hits
        disk = shutil.disk_usage(self.data_dir)
        yield GaugeMetricFamily("ezdms_disk_free_bytes", "Free on the disk of the data folder.", disk.free)
        yield GaugeMetricFamily("ezdms_disk_bytes", "Size of the disk of the data folder.", disk.total)
        at = backup.last_backup(self.data_dir)
        if at is not None:
            yield GaugeMetricFamily("ezdms_last_backup_timestamp_seconds", "When the last backup was made.", at)

    def _of_the_database(self) -> Iterator[Metric]:
        commits = self.database.commits
        counts = zip([*map(str, BOUNDS), "+Inf"], accumulate(commits.buckets), strict=True)
        yield HistogramMetricFamily(
            "ezdms_commit_seconds", "How long commits took, with their writes.", list(counts), commits.seconds
        )
        yield CounterMetricFamily("ezdms_writes", "Writes since the start; a commit holds several.", commits.writes)
        yield GaugeMetricFamily("ezdms_writes_waiting", "Writes that wait for a commit.", self.database.waiting)
        yield GaugeMetricFamily("ezdms_storage_fault", "1 if nothing can be stored safely now.", bool(self.fault))
        path = self.data_dir / data_folder.DATABASE
        yield GaugeMetricFamily("ezdms_database_bytes", "Size of the database file.", _size(path))
        log = path.with_name(f"{path.name}-wal")
        yield GaugeMetricFamily("ezdms_database_log_bytes", "Size of its write-ahead log.", _size(log))


def _size(path: Path) -> int:
    """Bytes; 0 if there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@asynccontextmanager
async def served(port: int, measured: Measured) -> AsyncIterator[None]:
    """Serve `/metrics` while this is open. Raises AddressError."""
    with runner.listen(this_machine.HOST, port, ADVICE) as listener:
        async with runner.served_beside(create_app(measured, port), runner.config_of(listener)):
            yield


def create_app(measured: Measured, port: int) -> Quart:
    """One address, for this machine alone."""
    app = this_machine.create_app(__name__, port, "Metrics are only for this machine.")
    registry = CollectorRegistry()
    registry.register(measured)
    ProcessCollector(registry=registry)

    @app.get("/metrics")
    async def metrics() -> Response:
        measured.fault = await measured.database.examine()
        measured.files = await measured.database.read(count_files)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    return app
