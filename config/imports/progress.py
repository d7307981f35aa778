"""A line on the terminal that says how far a long job is, how fast, and how long it will take."""

from __future__ import annotations

import time
from typing import TextIO


class Progress:
    """Rewrites one line on a terminal four times a second; elsewhere adds a line each ten."""

    def __init__(self, out: TextIO, what: str, unit: str, total: int) -> None:
        self._out = out
        self._what = what
        self._unit = unit
        self._total = total
        self._live = out.isatty()
        self._began = self._said = time.monotonic()
        self._from = 0

    def start_at(self, done: int) -> None:
        """What an earlier run did counts as done, not as speed."""
        self._from = done

    def at(self, done: int) -> None:
        """So many are done; says so when it is time to."""
        now = time.monotonic()
        if now - self._said >= (0.25 if self._live else 10):
            self._said = now
            self._say(done, now, end="\r" if self._live else "\n")

    def finish(self, done: int) -> None:
        """Say the last word, on a line of its own."""
        self._say(done, time.monotonic(), end="\n")

    def _say(self, done: int, now: float, end: str) -> None:
        took = max(now - self._began, 0.001)
        rate = (done - self._from) / took
        share = 100 * done / self._total if self._total else 100
        left = (self._total - done) / rate if rate else 0
        ahead = f", {_clock(left)} left" if done < self._total else f" in {_clock(took)}"
        text = f"{self._what}: {done:,} of {self._total:,} {self._unit} ({share:.0f} %)"
        self._out.write(f"{text}, {rate:,.0f}/s{ahead}".ljust(78) + end)
        self._out.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
