"""The fake outside system as a fixture: started with a test, judged by its ledger."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

START_SECONDS = 30.0
StartOutside = Callable[..., "Outside"]


@dataclass(slots=True)
class Outside:
    """A running fake. `port` stays the same when it is stopped and started again."""

    ledger: Path
    options: tuple[str, ...] = ()
    port: int = 0
    popen: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> Outside:
        command = [sys.executable, "-m", "tests.bed.outside", "--ledger", str(self.ledger)]
        command += ["--port", str(self.port), *self.options]
        self.popen = subprocess.Popen(
            command, cwd=settings.ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.popen.stdout is not None
        said = self.popen.stdout.readline()
        if "listening" not in said:
            pytest.fail(f"The fake did not start: {said}")
        self.port = int(said.rpartition(":")[2])
        return self

    def stop(self) -> None:
        """Refuse connections from now on, as a system that is down does."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
            if self.popen.stdout is not None:
                self.popen.stdout.close()
            self.popen = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def behave(self, *behaviours: dict[str, Any]) -> None:
        """Misbehave like this from now on; with none, behave."""
        self._control("behave", list(behaviours))

    def quota(self, calls: int, seconds: float) -> None:
        self._control("quota", {"calls": calls, "seconds": seconds})

    def _control(self, what: str, given: Any) -> None:
        request = urllib.request.Request(
            f"{self.url}/_/{what}", json.dumps(given).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def read(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.ledger) as db:
            found = db.execute(query, given).fetchall()
        db.close()
        return found

    def acts(self) -> Counter[str]:
        """How often it acted, by our reference."""
        return Counter(row[0] for row in self.read("SELECT key FROM act"))

    def calls(self) -> list[tuple[str, str, str]]:
        """Every request it received: method, path, what it did."""
        return self.read("SELECT method, path, did FROM call ORDER BY id")

    def wait_for_calls(self, count: int, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while len(self.calls()) < count:
            assert time.monotonic() < until, f"Only {len(self.calls())} of {count} calls came."
            time.sleep(0.02)


@pytest.fixture
def start_outside(tmp_path: Path) -> Iterator[StartOutside]:
    """Start fakes: `start_outside("--dedupe")`; they end with the test."""
    started: list[Outside] = []

    def begin(*options: str) -> Outside:
        made = Outside(tmp_path / f"ledger{len(started)}.sqlite", options).start()
        started.append(made)
        return made

    yield begin
    for each in started:
        each.stop()


@pytest.fixture
def outside(start_outside: StartOutside) -> Outside:
    """One fake that behaves until it is told otherwise."""
    return start_outside()
