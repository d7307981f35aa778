"""How long until work goes on by itself, with the product's own times: no lease is shortened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from django.db import connection

from config.local.services import Redis
from tests.bed.fakes import Outside
from tests.chaos import company, faults, feeder, ledger, soak
from tests.chaos.company import Company
from tests.chaos.faults import Fault, Hand
from tests.chaos.feeder import Spec
from tests.chaos.soak import Servers, Verdict
from tests.chaos.world import World

# What may pass until work goes on, in seconds.
LIMITS = {
    "internal_worker_killed": 70.0,
    "external_worker_killed": 70.0,
    "redis_flushed": 10.0,
    "redis_killed": 10.0,
    "postgres_stopped": 30.0,
}
# So long is waited before it counts as never.
PATIENCE_SECONDS = 150.0
CALLING = """SELECT count(*) FROM automations_run r JOIN automations_effect f ON f.run_id = r.id
    WHERE r.state = 'calling' AND f.state = 'intent'"""
SHOWN = """SELECT count(*) FROM automations_failure c JOIN automations_effect f
    ON f.run_id = c.run_id WHERE c.error = 'doubt' AND f.state IN ('in_doubt', 'confirmed')"""
WORKING = "SELECT count(*) FROM automations_runclaim"
OPEN = """SELECT (SELECT count(*) FROM automations_pendingevent)
    + (SELECT count(*) FROM automations_run WHERE state IN ('due', 'waiting') AND lane = '')"""


@dataclass
class Watch:
    """The run whose times are taken."""

    world: World
    company: Company
    hand: Hand
    specs: list[Spec]

    def deliver(self, kind: str, count: int) -> None:
        start = len(self.specs)
        made = [Spec(kind, f"R-{start + number:05}") for number in range(count)]
        self.specs += made
        feeder.deliver(self.company, made)

    def ask(self, query: str) -> int:
        try:
            with psycopg.connect(self.world.bed.url, connect_timeout=2) as db:
                return int(db.execute(query.encode()).fetchall()[0][0])
        except psycopg.OperationalError:
            return -1

    def until(self, done: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
        """Seconds until it is so; infinite when it never is."""
        began = time.monotonic()
        came = self.world.tend_until(done, seconds)
        return time.monotonic() - began if came else float("inf")

    def until_done(self) -> float:
        return self.until(lambda: self.ask(OPEN) == 0)


def measure(
    world: World, outside: Outside, servers: Servers, *, say: Callable[[str], None]
) -> Verdict:
    """Hit each part once and take the time until work goes on."""
    verdict = Verdict(0, {"recovery": LIMITS})
    made = company.found(outside.url)
    watch = Watch(world, made, Hand(world, made, servers.postgres, servers.redis), [])
    world.everything()
    soak.wait_for_workers(world)
    watch.deliver("tag", 5)
    watch.until_done()
    found = verdict.figures
    killed = _kill_external(watch, outside)
    found["internal_worker_killed"] = _kill_internal(watch)
    found["redis_flushed"] = _flush(watch)
    found["redis_killed"] = _kill_redis(watch, servers.redis)
    found["postgres_stopped"] = _stop_postgres(watch)
    watch.until(lambda: watch.ask(SHOWN) >= killed[1])
    found["external_worker_killed"] = time.monotonic() - killed[0]
    soak.quieten(world)
    soak.judge(verdict, world, made, tuple(watch.specs), outside, watch.hand)
    for name, most in LIMITS.items():
        found[name] = round(found[name], 1)
        say(f"{name}: {found[name]} s (at most {most:.0f} s)")
        if found[name] > most:
            verdict.violations.append(f"{name} took {found[name]} s, more than {most:.0f} s.")
    return verdict


def _kill_external(watch: Watch, outside: Outside) -> tuple[float, int]:
    """kill -9 while it calls; when that was, and how many calls it had under way."""
    outside.behave({"do": "act_then_hang", **ledger.POST})
    watch.deliver("blind", 3)
    watch.until(lambda: watch.ask(CALLING) >= 3 and len(outside.calls()) >= 3, 60)
    under_way = watch.ask(CALLING)
    watch.world.kill("external")
    outside.behave()
    return time.monotonic(), under_way


def _kill_internal(watch: Watch) -> float:
    watch.deliver("tag", 30)
    watch.until(lambda: watch.ask(WORKING) > 0, 20)
    watch.world.kill("internal")
    return watch.until_done()


def _flush(watch: Watch) -> float:
    """The messages are gone before anyone took them."""
    watch.world.pause("internal", PATIENCE_SECONDS)
    watch.deliver("tag", 30)
    faults.flush(watch.world.bed.redis_url)
    watch.world.resume()
    return watch.until_done()


def _kill_redis(watch: Watch, redis: Redis) -> float:
    """Counted from its return. What was delivered meanwhile woke nobody."""
    assert redis.popen is not None
    redis.popen.kill()
    redis.popen.wait()
    watch.deliver("tag", 30)
    watch.world.tend_for(1.0)
    redis.restart()
    redis.wait_until_ready()
    faults.flush(watch.world.bed.redis_url)
    return watch.until_done()


def _stop_postgres(watch: Watch) -> float:
    """Counted from its return; work was in hand when it went."""
    watch.deliver("tag", 60)
    watch.until(lambda: watch.ask(WORKING) > 0, 20)
    watch.hand.do(Fault(0, "pg_stop", draw=0.5))
    connection.close()
    return watch.until_done()
