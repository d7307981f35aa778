"""One run: events and faults together, then quiet, then the verdict."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg

from config.local.services import Postgres, Redis
from tests.bed.fakes import Outside
from tests.chaos import checks, company, faults, feeder, ledger
from tests.chaos.checks import Evidence
from tests.chaos.company import Company
from tests.chaos.desk import Desk
from tests.chaos.faults import Amounts, Fault, Hand
from tests.chaos.feeder import Feeder
from tests.chaos.world import START_SECONDS, World

# Without any progress for so long, nothing more will come.
STILL_SECONDS = 45.0
QUIET_SECONDS = 600.0
OPEN = """
SELECT (SELECT count(*) FROM automations_pendingevent),
    (SELECT count(*) FROM automations_run WHERE state IN ('due', 'waiting', 'calling')
        OR (state = 'parked' AND parked_for <> 'stop')),
    (SELECT count(*) FROM automations_runclaim),
    (SELECT count(*) FROM automations_effect WHERE state = 'in_doubt'
        AND (look_up_at IS NOT NULL OR looking_until IS NOT NULL))
"""
COUNTS = {
    "events": "SELECT count(*) FROM automations_event WHERE NOT history",
    "runs": "SELECT count(*) FROM automations_run",
    "effects": "SELECT count(*) FROM automations_effect WHERE state = 'confirmed'",
    "in_doubt": "SELECT count(*) FROM automations_effect WHERE state = 'in_doubt'",
    "late_answers": "SELECT count(*) FROM automations_calllog WHERE late",
    "crashed_runs": "SELECT count(*) FROM automations_run WHERE crash_count IS NOT NULL",
}


@dataclass
class Verdict:
    """What came of a run."""

    seed: int
    asked: dict[str, Any]
    violations: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of a run that may be stopped."""

    postgres: Postgres
    redis: Redis


def soak(
    world: World,
    outside: Outside,
    servers: Servers,
    amounts: Amounts,
    *,
    seed: int,
    events: int,
    seconds: float,
    say: Callable[[str], None],
) -> Verdict:
    """Run it all, as the seed has it."""
    chance = random.Random(seed)
    verdict = Verdict(seed, {"events": events, "seconds": seconds, **asdict(amounts)})
    made = company.found(outside.url)
    plan = feeder.plan(chance, events)
    due = faults.schedule(chance, amounts, seconds)
    due = sorted([*due, Fault(seconds / 2, "stop", "stop")], key=lambda fault: fault.at)
    hand = Hand(world, made, servers.postgres, servers.redis)
    world.everything()
    wait_for_workers(world)
    outside.behave(*ledger.BAD_DAY)
    feed, desk = Feeder(made, plan, seconds), Desk(world.port)
    began = time.monotonic()
    if not _storm(world, hand, due, feed, desk, say):
        verdict.violations.append("The events could not all be delivered.")
    outside.behave()
    world.resume()
    quiet_after = quieten(world)
    judge(verdict, world, made, plan.specs, outside, hand, desk)
    verdict.violations += feed.errors
    verdict.figures |= {
        "took_s": round(time.monotonic() - began, 1),
        "quiet_after_s": quiet_after and round(quiet_after, 1),
        "delivered_again": feed.repeats,
    }
    return verdict


def wait_for_workers(world: World) -> None:
    """Wait until both kinds of worker take messages."""

    def ready() -> bool:
        # The pool of a worker forks when the rest of it is up.
        return bool(world.children("internal")) if "internal" in world.programs else True

    if not world.tend_until(ready, START_SECONDS):
        raise RuntimeError(f"The workers did not start; see {world.bed.folder}.")


def _storm(
    world: World,
    hand: Hand,
    due: list[Fault],
    feed: Feeder,
    desk: Desk,
    say: Callable[[str], None],
) -> bool:
    """Events, replies and faults together; whether all events could be delivered."""
    began = time.monotonic()
    feed.start()
    desk.start()
    try:
        for fault in due:
            world.tend_for(began + fault.at - time.monotonic())
            say(f"{time.monotonic() - began:6.1f} s  {fault.kind} {fault.target}")
            hand.do(fault)
        return world.tend_until(lambda: feed.done, feed.seconds + 300)
    finally:
        feed.stop()
        desk.stop()


def quieten(
    world: World, *, still: float = STILL_SECONDS, most: float = QUIET_SECONDS
) -> float | None:
    """Wait until nothing is open; seconds it took, None when something stayed open."""
    began = changed = time.monotonic()
    last: tuple[int, ...] = ()
    with psycopg.connect(world.bed.url, autocommit=True) as db:
        while time.monotonic() - began < most:
            (now,) = db.execute(OPEN).fetchall()
            if not any(now):
                return time.monotonic() - began
            if now != last:
                last, changed = now, time.monotonic()
            if time.monotonic() - changed > still:
                return None
            world.tend_for(0.2)
    return None


def judge(
    verdict: Verdict,
    world: World,
    made: Company,
    specs: tuple[feeder.Spec, ...],
    outside: Outside,
    hand: Hand | None = None,
    desk: Desk | None = None,
) -> None:
    """End the processes, and read what they left."""
    world.end()
    with psycopg.connect(world.bed.url, autocommit=True) as db:
        rewound = hand.rewound if hand else set()
        replies = desk.replies if desk else {}
        seen = Evidence(made, specs, ledger.acts(outside), rewound, replies, db)
        verdict.violations += checks.violations(seen)
        verdict.figures |= {name: seen.rows(query)[0][0] for name, query in COUNTS.items()}
        by_state = seen.rows("SELECT state, count(*) FROM automations_run GROUP BY 1 ORDER BY 1")
        verdict.figures["run_states"] = dict(by_state)
        cases = "SELECT error || ' ' || state, count(*) FROM automations_failure GROUP BY 1"
        verdict.figures["cases"] = dict(seen.rows(cases))
    verdict.figures["outside"] = dict(ledger.behaviours(outside))
    if hand is not None:
        verdict.faults = dict(Counter(hand.done))
        verdict.figures["in_hand"] = hand.in_hand
        verdict.figures["rewound"] = len(hand.rewound)
    if desk is not None:
        verdict.figures["replies"] = len(desk.replies)
        verdict.figures["replies_repeated"] = desk.repeats
    verdict.figures["starts"] = {p.name: p.starts for p in world.programs.values()}
