"""The system outside, started beside a run: what it did is in its own file, which is the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bed.fakes import Outside

POST = {"method": "POST"}
# What a real one does on a bad day, by share of the calls.
BAD_DAY: tuple[dict[str, Any], ...] = (
    {"do": "act_then_hang", "share": 0.01, **POST},
    {"do": "act_then_500", "share": 0.02, **POST},
    {"do": "act_then_drop", "share": 0.02, **POST},
    {"do": "drop", "share": 0.01, **POST},
    {"do": "status", "status": 503, "share": 0.01, **POST},
    {"do": "delay", "seconds": 0.7, "share": 0.03, **POST},
    # Slow enough that a kill or a pause finds calls on their way.
    {"do": "delay", "seconds": 0.25, "share": 0.5, **POST},
    {"do": "throttle", "retry_after": 1, "share": 0.01, **POST},
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something it did: under which key, and when (seconds since 1970)."""

    key: str
    at: float


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """A system that behaves until it is told otherwise; it knows no idempotency."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("ledger.sqlite*"):
        old.unlink()
    made = Outside(folder / "ledger.sqlite").start()
    try:
        yield made
    finally:
        made.stop()


def acts(of: Outside) -> list[Act]:
    return [Act(key, at) for key, at in of.read("SELECT key, at FROM act ORDER BY id")]


def behaviours(of: Outside) -> Counter[str]:
    """How often it did what."""
    return Counter(row[0] for row in of.read("SELECT did FROM call WHERE method <> 'GET'"))
