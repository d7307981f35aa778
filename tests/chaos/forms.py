"""The forms a run can take: a soak, the recovery times, or trials with planted bugs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from config.local import processes
from tests.bed.databases import Database, clone, drop
from tests.chaos import ledger, recovery, times
from tests.chaos.faults import Amounts
from tests.chaos.plants import PLANTS
from tests.chaos.soak import Servers, Verdict, soak
from tests.chaos.trials import TRIALS
from tests.chaos.world import ROOT, Bed, compiled, world

# Seconds between two faults, so that what was hit last is up again, or nearly.
GAP_SECONDS = 3.0
# Trials wait more than they work.
AT_ONCE = 4
TRIAL_SECONDS = 180.0


def run(
    bed: Bed, servers: Servers, given: argparse.Namespace, say: Callable[[str], None]
) -> Verdict:
    """A soak, or the recovery times."""
    if given.recovery:
        with ledger.outside(bed.folder) as outside, world(bed) as running:
            return recovery.measure(running, outside, servers, say=say)
    amounts = Amounts(given.kills, given.flushes, given.pg_stops, given.pauses)
    several = amounts.kills + amounts.flushes + amounts.pg_stops + amounts.pauses
    seconds = given.seconds or GAP_SECONDS * (several + 4)
    with (
        ledger.outside(bed.folder) as outside,
        world(bed, **{times.VARIABLE: "short"}) as running,
    ):
        return soak(
            running,
            outside,
            servers,
            amounts,
            seed=given.seed,
            events=given.events,
            seconds=seconds,
            say=say,
        )


def wanted_trials(asked: str) -> list[str]:
    """`all`: every trial as the product is, then every planted bug; else one of them."""
    known = [*TRIALS, *PLANTS]
    if asked == "all":
        return known
    if asked not in known:
        raise SystemExit(f"There is no planted bug {asked}. There are: {', '.join(PLANTS)}.")
    return [asked]


def try_all(
    names: Sequence[str], template: str, folder: Path, redis_url: str, say: Callable[[str], None]
) -> dict[str, Verdict]:
    """Run trials in processes of their own, a few at once, each in a database of its own."""
    waiting, running, verdicts = list(names), dict[str, _Trying](), dict[str, Verdict]()
    free = list(range(1, AT_ONCE + 1))
    while waiting or running:
        while waiting and free:
            name = waiting.pop(0)
            running[name] = _Trying(name, clone(template), folder / name, redis_url, free.pop())
        time.sleep(0.1)
        for name, trying in list(running.items()):
            if trying.over():
                verdicts[name] = trying.verdict()
                free.append(trying.number)
                del running[name]
                say(f"{name}: {'; '.join(verdicts[name].violations) or 'everything held'}")
    return verdicts


class _Trying:
    """One trial in a process of its own."""

    def __init__(
        self, name: str, database: Database, folder: Path, redis_url: str, number: int
    ) -> None:
        self.name, self.database, self.folder, self.number = name, database, folder, number
        self.began = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self.popen: subprocess.Popen[bytes] = processes.start(
            [sys.executable, "-m", "tests.chaos.trial", name, str(folder)],
            env={
                **os.environ,
                **compiled(),
                "DATABASE_URL": database.url,
                "DATABASE_OWNER_URL": database.owner_url,
                "REDIS_URL": urlsplit(redis_url)._replace(path=f"/{number}").geturl(),
            },
            cwd=ROOT,
            log=folder / "trial.log",
            death_signal=signal.SIGTERM,
        )

    def over(self) -> bool:
        if self.popen.poll() is None and time.monotonic() - self.began > TRIAL_SECONDS:
            self.popen.terminate()
            self.popen.wait()
        return self.popen.poll() is not None

    def verdict(self) -> Verdict:
        """What came of it; the database goes."""
        drop(self.database.name)
        found = self.folder / "verdict.json"
        if not found.exists():
            said = (self.folder / "trial.log").read_text(errors="replace")[-2000:]
            return Verdict(0, {"trial": self.name}, [f"The trial itself broke: {said}"])
        return Verdict(**json.loads(found.read_text()))
