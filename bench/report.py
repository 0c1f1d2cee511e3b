"""Results and targets: a table, a JSON file and plots."""

from __future__ import annotations

import json
import platform
import sqlite3
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib import pyplot

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `is_met` is None if there is no target."""

    what: str
    measured: str
    target: str = ""
    is_met: bool | None = None


@dataclass(slots=True)
class Report:
    """Rows in the order they were added, and series for the plots: title → [(x, y)]."""

    rows: list[Row] = field(default_factory=list)
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, what: str, measured: str, target: str = "", is_met: bool | None = None) -> None:
        """Add a row and print it."""
        row = Row(what, measured, target, is_met)
        self.rows.append(row)
        mark = {True: "met", False: "MISSED", None: ""}[is_met]
        print(f"{what:<58} {measured:<44} {target:<26} {mark}", flush=True)

    def ratio(self, what: str, measured: str, ratio: float, low: float) -> None:
        """Add a row whose target is a ratio of at least `low` to its baseline."""
        self.add(what, f"{measured}, ratio {ratio:.2f}", f"at least {low:.2f}", ratio >= low)

    def none(self, what: str, found: list[str]) -> None:
        """Add a row whose target is that nothing was found."""
        self.add(what, ", ".join(found) or "none", "none", not found)

    def at_most(self, what: str, value: float, high: float, unit: str) -> None:
        """Add a row whose target is a value of at most `high`."""
        self.add(what, f"{value:.4g} {unit}".strip(), f"at most {high:g} {unit}".strip(), value <= high)

    def write(self) -> None:
        """Write docs/pictures/performance.json and .svg."""
        machine = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "machine": platform.machine()}
        content = {"machine": machine, "rows": [asdict(row) for row in self.rows], "series": self.series}
        (PICTURES / "performance.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        self._plot(PICTURES / "performance.svg")

    def _plot(self, path: Path) -> None:
        pyplot.rcParams.update({"svg.hashsalt": "ezdms", "svg.fonttype": "none", "font.size": 9})
        figure, places = pyplot.subplots(1, max(len(self.series), 1), figsize=(3.2 * max(len(self.series), 1), 2.8))
        for place, (title, points) in zip(figure.axes, self.series.items(), strict=False):
            place.plot(*zip(*points, strict=True), marker="o", color="#3b5bdb")
            place.set_title(title)
            place.set_xscale("log")
            place.set_ylim(0, 1.15 * max(y for _, y in points))
            place.set_xticks([x for x, _ in points], [f"{x:,.0f}" for x, _ in points])
            place.minorticks_off()
            place.spines[["top", "right"]].set_visible(False)
        del places
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
