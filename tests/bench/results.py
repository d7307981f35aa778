"""What a measure reports, and how the results are shown and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

LESS_IS_BETTER = frozenset({"ms", "MB", "kB", "s", "times"})


@dataclass(frozen=True, slots=True)
class Result:
    """One figure beside its floor, both from the same run.

    `floor` is what the bare machine reaches (plain SQL, COPY, an empty page) and `anchor` what the
    usual way does (Celery with one task per event); None where there is none. `ratio` is
    value ÷ floor; `must` and `aim` are the budget, where less is better for ms, MB, kB and s.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    note: str = ""
    anchor: float | None = None
    must: float | None = None
    aim: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.value / self.floor

    @property
    def verdict(self) -> str:
        """How it stands to its budget: aim, must or missed; empty without one."""
        if self.must is None:
            return ""
        less = self.unit in LESS_IS_BETTER

        def within(limit: float) -> bool:
            return self.value <= limit if less else self.value >= limit

        if self.aim is not None and within(self.aim):
            return "aim"
        return "must" if within(self.must) else "missed"


def show(results: Iterable[Result]) -> str:
    """A table of the results in plain text."""
    rows = [("name", "value", "unit", "must", "budget", "floor", "ratio", "anchor", "note")]
    rows += [
        (
            result.name,
            _figure(result.value),
            result.unit,
            _figure(result.must),
            result.verdict or "–",
            _figure(result.floor),
            "–" if result.ratio is None else f"{result.ratio:.2f}",
            _figure(result.anchor),
            result.note,
        )
        for result in results
    ]
    columns = range(len(rows[0]))
    widths = [max(len(row[column]) for row in rows) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 3, 5, 6, 7) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def keep(results: Iterable[Result], path: Path) -> None:
    """Write the results as JSON, so that two runs can be compared."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        asdict(result) | {"ratio": result.ratio, "verdict": result.verdict} for result in results
    ]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
