"""What a measure reports, and how the results are shown and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside its floor, both from the same run.

    `floor` is what the bare machine reaches (plain SQL, COPY, an empty page); None where no floor
    makes sense. `ratio` is value ÷ floor.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.value / self.floor


def show(results: Iterable[Result]) -> str:
    """A table of the results in plain text."""
    rows = [("name", "value", "unit", "floor", "ratio", "note")]
    rows += [
        (
            result.name,
            _figure(result.value),
            result.unit,
            _figure(result.floor),
            "–" if result.ratio is None else f"{result.ratio:.2f}",
            result.note,
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 1 <= column <= 4 and column != 2 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def keep(results: Iterable[Result], path: Path) -> None:
    """Write the results as JSON, so that two runs can be compared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(result) | {"ratio": result.ratio} for result in results]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
