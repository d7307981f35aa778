"""What came of a run, for people: one page of Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.chaos import checks
from tests.chaos.soak import Verdict


def written(verdict: Verdict) -> str:
    """The report of a soak."""
    return "\n".join(_lines(verdict)) + "\n"


def _lines(verdict: Verdict) -> Iterator[str]:
    asked = verdict.asked
    yield "# Chaos: what was harmed, and what was left"
    yield ""
    yield (
        "Made by `make chaos`: real processes are killed while events arrive; then PostgreSQL and "
        "the outside system’s own ledger are read and judged."
    )
    yield ""
    cores, python = os.cpu_count(), platform.python_version()
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f"Seed {verdict.seed}, {made}, {cores} cores, Python {python}."
    yield ""
    yield f"**{_verdict(verdict)}**"
    yield ""
    yield from (f"- {said}" for said in verdict.violations)
    yield from _table("Asked for", "amount", asked)
    yield from _table("What was harmed", "times", verdict.faults)
    flat = {
        name: _told(value) for name, value in verdict.figures.items() if value not in (None, {})
    }
    yield from _table("What was left", "figure", flat)
    yield ""
    yield "## What was checked"
    yield ""
    yield from (f"- {check.__name__.replace('_', ' ')}" for check in checks.CHECKS)


def _verdict(verdict: Verdict) -> str:
    if not verdict.violations:
        return "Everything held: nothing lost, nothing doubled, every doubt shown in a case."
    return f"{len(verdict.violations)} things did not hold:"


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {each:,}" for name, each in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _table(title: str, column: str, rows: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield f"| | {column} |"
    yield "|---|---|"
    yield from (f"| {name.replace('_', ' ')} | {_told(value)} |" for name, value in rows.items())
