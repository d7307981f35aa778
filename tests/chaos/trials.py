"""Small runs, each aimed at one weakness: they hold for the product, and fail for a planted bug."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from celery import current_app
from psycopg import sql

from tests.bed.fakes import Outside
from tests.chaos import company, feeder, ledger, soak, times
from tests.chaos.company import Company
from tests.chaos.faults import Fault, Hand
from tests.chaos.feeder import Spec
from tests.chaos.plants import PLANTS, VARIABLE
from tests.chaos.soak import Verdict
from tests.chaos.world import START_SECONDS, Bed, World, world

# Longer than a lease and the sweep after it: without any change for so long, nothing will come.
STILL_SECONDS = times.LEASE_SECONDS + 5.0
ALL_LANES = "internal,bulk,sweep,external"


@dataclass
class Stage:
    """One trial under way."""

    world: World
    company: Company
    outside: Outside
    hand: Hand
    moment: str = ""
    specs: list[Spec] = field(default_factory=list)

    def happen(self, kind: str, count: int) -> tuple[Spec, ...]:
        """So many more things of a kind, not delivered yet."""
        start = len(self.specs)
        made = tuple(Spec(kind, f"T-{start + number:05}") for number in range(count))
        self.specs += made
        return made

    def deliver(self, kind: str, count: int) -> None:
        feeder.deliver(self.company, self.happen(kind, count))

    def do(self, kind: str, target: str = "") -> None:
        self.hand.do(Fault(0, kind, target))

    def sees(self, query: str, seconds: float) -> bool:
        """Wait until a query finds something."""
        with psycopg.connect(self.world.bed.url, autocommit=True) as db:
            found = lambda: db.execute(query.encode()).fetchone() is not None  # noqa: E731
            return self.world.tend_until(found, seconds)

    def kill(self) -> None:
        """kill -9 of the worker, and wait until the next one takes messages."""
        self.world.kill("worker")
        wait_for_answers(self.world)

    def quieten(self) -> None:
        soak.quieten(self.world, still=STILL_SECONDS, most=60)


@dataclass(frozen=True, slots=True)
class Trial:
    """What happens, under which rules; `apart`: calls have a worker of their own, which is to be
    paused alone; `slow`: where processes dawdle (times.PLACES)."""

    act: Callable[[Stage], None]
    rules: tuple[str, ...]
    apart: bool = False
    slow: str = ""


CALLING = """SELECT 1 FROM automations_run r JOIN automations_effect f ON f.run_id = r.id
    WHERE r.state = 'calling' AND f.state = 'intent'"""
LOST = "SELECT 1 FROM automations_steprun WHERE outcome = 'in_doubt'"


def _killed(stage: Stage) -> None:
    """The worker dies in the middle of a set, and another goes on."""
    stage.deliver("tag", 30)
    stage.sees("SELECT 1 FROM automations_runclaim", 1.0)
    if stage.moment:
        stage.sees(stage.moment, 10)
    else:
        stage.world.tend_for(0.05)
    stage.kill()


def _overlapping(stage: Stage) -> None:
    """What began first commits last."""
    first, second = stage.happen("tag", 10), stage.happen("tag", 10)
    slow = threading.Thread(target=feeder.deliver, args=(stage.company, first), kwargs={"slow": 2})
    slow.start()
    stage.world.tend_for(0.5)
    feeder.deliver(stage.company, second)
    stage.sees("SELECT 1 FROM automations_run", 10)
    slow.join()


def _again(stage: Stage) -> None:
    """Events are matched a second time, and runs that were done begin anew."""
    stage.deliver("stop", 10)
    stage.quieten()
    stage.do("rematch")
    stage.quieten()
    stage.do("rewind")


def _waiting(stage: Stage) -> None:
    stage.deliver("wait", 5)


def _stopped(stage: Stage) -> None:
    """A rule is stopped while events go on arriving."""
    stage.deliver("stop", 5)
    stage.sees("SELECT 1 FROM automations_effect", 10)
    stage.do("stop", "stop")
    for _ in range(7):
        stage.world.tend_for(0.5)
        stage.deliver("stop", 2)


def _doubtful(stage: Stage) -> None:
    """The other side acts and says that it broke; other calls are fine."""
    stage.outside.behave({"do": "act_then_500", "times": 3, **ledger.POST})
    stage.deliver("blind", 8)


def _late_answer(stage: Stage) -> None:
    """A worker sleeps between an answer and writing it down, longer than its lease."""
    stage.deliver("blind", 2)
    stage.world.tend_until(lambda: bool(ledger.acts(stage.outside)), 20)
    stage.world.pause("external", times.LEASE_SECONDS + 3)
    stage.sees(LOST, 30)
    stage.world.tend_for(4 + times.SLOW_SECONDS)


def _late_start(stage: Stage) -> None:
    """A worker sleeps before the first byte, longer than its lease."""
    stage.deliver("blind", 2)
    stage.sees(CALLING, 20)
    stage.world.pause("external", times.LEASE_SECONDS + 3)
    stage.sees(LOST, 30)
    stage.world.tend_for(4 + times.SLOW_SECONDS)


def _lost_call(stage: Stage) -> None:
    """A worker dies while it calls."""
    stage.outside.behave({"do": "delay", "seconds": 1.5, **ledger.POST})
    stage.deliver("blind", 4)
    stage.world.tend_until(lambda: bool(stage.outside.calls()), 20)
    stage.kill()


TRIALS: dict[str, Trial] = {
    "killed": Trial(_killed, ("tag",)),
    "overlapping": Trial(_overlapping, ("tag",)),
    "again": Trial(_again, ("stop",)),
    "waiting": Trial(_waiting, ("wait",)),
    "stopped": Trial(_stopped, ("stop",)),
    "doubtful": Trial(_doubtful, ("blind",)),
    "late_answer": Trial(_late_answer, ("blind",), apart=True, slow="before settling"),
    "late_start": Trial(_late_start, ("blind",), apart=True, slow="before sending"),
    "lost_call": Trial(_lost_call, ("blind",)),
}


def try_it(bed: Bed, name: str) -> Verdict:
    """Run a trial by its name, or a planted bug by its own."""
    plant = PLANTS.get(name)
    trial = TRIALS[plant.trial if plant else name]
    env = {times.VARIABLE: "short", times.SLOW: trial.slow, VARIABLE: name if plant else ""}
    for table in plant.drops if plant else ():
        _drop_key(bed, table)
    verdict = Verdict(0, {"trial": name})
    began = time.monotonic()
    with ledger.outside(bed.folder) as outside, world(bed, **env) as processes:
        made = company.found(outside.url, names=trial.rules, wait="PT1S")
        moment = plant.moment if plant else ""
        stage = Stage(processes, made, outside, Hand(processes, made), moment)
        _begin(processes, apart=trial.apart)
        trial.act(stage)
        stage.quieten()
        soak.judge(verdict, processes, made, tuple(stage.specs), outside, stage.hand)
    verdict.figures["took_s"] = round(time.monotonic() - began, 1)
    return verdict


def _begin(processes: World, *, apart: bool) -> None:
    """Workers that wake often: threads start faster than a pool of processes."""
    if apart:
        processes.worker("worker", "internal,bulk,sweep", "-P", "threads", "-c", "4")
        processes.worker("external", "external", "-P", "threads", "-c", "4")
    else:
        processes.worker("worker", ALL_LANES, "-P", "threads", "-c", "6")
    processes.ticking = lambda: current_app.send_task("automations.tasks.sweep")
    wait_for_answers(processes)


def wait_for_answers(world: World) -> None:
    """Wait until every worker takes messages."""

    def answers() -> bool:
        alive = [program for program in world.programs.values() if program.alive]
        if len(alive) < len(world.programs):
            return False
        return len(current_app.control.ping(timeout=0.3) or ()) == len(alive)

    if not world.tend_until(answers, START_SECONDS):
        raise RuntimeError(f"The workers did not start; see {world.bed.folder}.")


def _drop_key(bed: Bed, table: str) -> None:
    """Drop a table's primary key, as its owner."""
    with psycopg.connect(bed.owner_url, autocommit=True) as db:
        (name,) = db.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'p' AND conrelid = %s::regclass",
            [table],
        ).fetchall()[0]
        query = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        db.execute(query.format(sql.Identifier(table), sql.Identifier(name)))
