"""`bin/bench`: runs the benchmarks and prints the results. Exits with 1 if a target was missed."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import click
import uvloop

from bench import (
    capacity,
    earlier,
    files,
    leaving,
    opening,
    peers,
    processes,
    returning,
    searching,
    several,
    soak,
    speed,
)
from bench.report import Report

PARTS = {
    "speed": speed.measure,
    "earlier": earlier.measure,
    "sockets": capacity.measure_sockets,
    "login": capacity.measure_login,
    "history": capacity.measure_history,
    "storm": capacity.measure_storm,
    "return": returning.measure,
    "leaving": leaving.measure,
    "files": files.measure,
    "browser": opening.measure,
    "search": searching.measure,
    "several": several.measure,
}


@click.command()
@click.option("--quick", is_flag=True, help="Under two minutes: smaller data, shorter runs. Writes no files.")
@click.option("--only", type=click.Choice(list(PARTS)), multiple=True, help="Run only this part; writes no files.")
@click.option("--peers", "with_peers", is_flag=True, help="Also measure ejabberd and Prosody, if they are installed.")
@click.option("--kills", type=float, help="Minutes in which `several` kills processes: by default 10, quickly 1.")
@click.option("--soak", "minutes", type=float, default=0.0, help="Then run this many minutes at half of full speed.")
def main(quick: bool, only: tuple[str, ...], with_peers: bool, kills: float | None, minutes: float) -> None:
    """Compare EZ-DMS with baselines: one process on one core, with every check on and every message durable."""
    report = Report()

    if kills is not None:
        PARTS["several"] = partial(several.measure, kills=kills)
    parts = [PARTS[name] for name in only or [name for name in PARTS if name != "several"]] + [
        peers.measure
    ] * with_peers

    async def measure() -> None:
        for part in parts:
            os.sched_setaffinity(0, [processes.LOAD_CORE])
            with tempfile.TemporaryDirectory(prefix="ezdms-bench-") as folder:
                await part(report, Path(folder), quick=quick)
        if minutes:
            with tempfile.TemporaryDirectory(prefix="ezdms-bench-") as folder:
                await soak.measure(report, Path(folder), minutes)

    uvloop.run(measure())
    if not (quick or only):
        report.write()
    missed = [row.what for row in report.rows if row.is_met is False]
    print(f"Targets missed: {len(missed)}." if missed else "All targets met.")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
