"""What goes wrong, and when: drawn from a seed, so that a failing run can be run again."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from automations.services import stops
from backoffice.actors import person
from config.local import processes
from config.local.services import Postgres, Redis
from tests.automations import factories as make
from tests.chaos import times
from tests.chaos.company import Company
from tests.chaos.world import World

# Of the kills, what they hit. A child is one process of the pool; all else dies whole.
TARGETS = {
    "internal": 0.3,
    "child": 0.25,
    "external": 0.2,
    "beat": 0.1,
    "web": 0.1,
    "watchdog": 0.05,
}
WORKING = "SELECT worker FROM automations_runclaim LIMIT 1"
CALLING = """SELECT r.id::text FROM automations_run r
    JOIN automations_effect f ON f.run_id = r.id AND f.state = 'intent'
    WHERE r.state = 'calling' LIMIT 1"""
IN_HAND = {"child": WORKING, "internal": WORKING, "external": CALLING}
MOMENT_SECONDS = 2.0
MATCHED_AGAIN = 20
REWOUND = 10


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much goes wrong in a run."""

    kills: int
    flushes: int
    pg_stops: int
    pauses: int = 1
    rematches: int = 2
    rewinds: int = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, so many seconds after the first event. `draw` decides details."""

    at: float
    kind: str
    target: str = ""
    draw: float = 0.0


def schedule(chance: random.Random, amounts: Amounts, seconds: float) -> list[Fault]:
    """Spread the faults over a time, in an order of their own."""
    hit = chance.choices(list(TARGETS), list(TARGETS.values()), k=amounts.kills)
    kinds = [("kill", target) for target in hit]
    kinds += [("flush", "")] * amounts.flushes + [("pg_stop", "")] * amounts.pg_stops
    kinds += [("pause", "external")] * amounts.pauses
    kinds += [("rematch", "")] * amounts.rematches + [("rewind", "")] * amounts.rewinds
    chance.shuffle(kinds)
    # The first ones would find nothing to harm.
    gap = seconds * 0.9 / max(1, len(kinds))
    return [
        Fault(seconds * 0.08 + gap * (place + chance.random()), kind, target, chance.random())
        for place, (kind, target) in enumerate(kinds)
    ]


@dataclass
class Hand:
    """What the faults are done with. `postgres`, `redis`: None where they may not be stopped."""

    world: World
    company: Company
    postgres: Postgres | None = None
    redis: Redis | None = None
    done: list[str] = field(default_factory=list)
    rewound: set[int] = field(default_factory=set)
    # Kills and pauses that found the victim with work in hand.
    in_hand: int = 0

    def do(self, fault: Fault) -> None:
        """Let it happen; returns when it has."""
        acts: dict[str, Callable[[Fault], None]] = {
            "kill": self._kill,
            "flush": self._flush,
            "pg_stop": self._pg_stop,
            "pause": self._pause,
            "rematch": self._rematch,
            "rewind": self._rewind,
            "stop": self._stop,
        }
        acts[fault.kind](fault)
        self.done.append(f"{fault.kind} {fault.target}".strip())

    def _kill(self, fault: Fault) -> None:
        """kill -9, at a moment when the victim has work in hand if one comes soon."""
        in_hand = self._in_hand(fault.target)
        if fault.target != "child":
            self.world.kill(fault.target)
        elif in_hand and int(in_hand.rpartition(":")[2]) in self.world.children("internal"):
            processes.send(int(in_hand.rpartition(":")[2]), signal.SIGKILL)
        elif not self.world.kill_child("internal", int(fault.draw * 100)):
            self.world.kill("internal")

    def _pause(self, fault: Fault) -> None:
        self._in_hand(fault.target)
        self.world.pause(fault.target, times.LEASE_SECONDS + 5)

    def _in_hand(self, target: str) -> str:
        """Wait a moment until a worker has something in hand; who it is, empty when none had."""
        query = IN_HAND.get(target)
        if query is None:
            return ""
        until = time.monotonic() + MOMENT_SECONDS
        with psycopg.connect(self.world.bed.url, autocommit=True) as db:
            while time.monotonic() < until:
                if (found := db.execute(query).fetchone()) is not None:
                    self.in_hand += 1
                    return str(found[0])
                time.sleep(0.002)
        return ""

    def _flush(self, fault: Fault) -> None:
        """Every other time Redis is killed and comes back empty; else it is emptied as it runs."""
        if self.redis is not None and self.redis.popen is not None and fault.draw < 0.5:
            self.redis.popen.kill()
            self.redis.popen.wait()
            self.world.tend_for(1.0)
            self.redis.restart()
            self.redis.wait_until_ready()
        flush(self.world.bed.redis_url)

    def _pg_stop(self, fault: Fault) -> None:
        if self.postgres is not None:
            stop_postgres(self.postgres)
            self.world.tend_for(0.5 + 2 * fault.draw)
            self.postgres.restart()
            self.postgres.wait_until_ready()

    def _rematch(self, fault: Fault) -> None:
        """Hand events to the matching again that it has had."""
        query = """INSERT INTO automations_pendingevent (event_id)
            SELECT event_id FROM automations_run ORDER BY hashint8(event_id + %s) LIMIT %s
            ON CONFLICT DO NOTHING"""
        self._ask(query, int(fault.draw * 1e6), MATCHED_AGAIN)

    def _rewind(self, fault: Fault) -> None:
        """Put finished runs back to their beginning, as when only their effects are remembered."""
        query = """UPDATE automations_run SET state = 'due', cursor = '', leaving = false,
                lane = '', run_after = now(), finished_at = NULL, outcome = ''
            WHERE id IN (SELECT id FROM automations_run WHERE state = 'done'
                ORDER BY hashint8(id + %s) LIMIT %s) RETURNING id"""
        found = self._ask(query, int(fault.draw * 1e6), REWOUND)
        self.rewound.update(row[0] for row in found)

    def _stop(self, fault: Fault) -> None:
        """A person stops a rule, at once and for good."""
        rule_id = self.company.rules[fault.target]
        stops.stop_rule(rule_id, reason="Chaos.", actor=person(make.author()))

    def _ask(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.world.bed.url) as db:
            cursor = db.execute(query.encode(), given)
            return cursor.fetchall() if cursor.description else []


def stop_postgres(server: Postgres) -> None:
    """`pg_ctl stop -m immediate`: every session is cut, nothing is written, what follows is
    recovery."""
    assert server.popen is not None
    server.popen.send_signal(signal.SIGQUIT)
    server.popen.wait(60)


def flush(url: str) -> None:
    """FLUSHDB of the run's own Redis: nothing that waited there is left."""
    with redis.Redis.from_url(url) as server:
        server.flushdb()
