"""Stored events → matched against 100 active rules → runs → a tag on an order → done.

Two real Celery worker processes work; the clock starts when they are woken and stops when the last
run is done. What stands beside it is `floor.py` and `one_task_each.py`, measured in the same run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from automations.engine import database, wake
from automations.models.rules import Rule
from automations.models.runs import Effect, Run
from automations.services import approvals, rules
from backoffice.actors import person
from backoffice.models import User
from orders.models.orders import Order
from tests.bed.evidence import gather

RULES = 100
TRIGGER = "orders.order_placed"


def when(number: int) -> dict[str, Any]:
    """Of the rules each event matches exactly one: by the units of the order, 1 to 100."""
    return {
        "all": [
            {"field": "order.units", "op": "is", "value": number},
            {
                "field": "order.total",
                "op": "gte",
                "value": {"amount": "0.00", "currency": "GBP"},
            },
            {"field": "order.currency", "op": "is", "value": "GBP"},
        ]
    }


def tagging(number: int, steps: int) -> list[dict[str, Any]]:
    """So many steps that each put a tag of their own on the order."""
    return [
        {"uid": f"a{step}", "do": "orders.add_tag", "with": {"tag": f"bench-{number}-{step}"}}
        for step in range(1, steps + 1)
    ]


def make_rules(staff: dict[str, User], *, steps: int = 1) -> None:
    """The 100 rules, approved and live; those of an earlier measurement are retired."""
    _retire(staff)
    for number in range(1, RULES + 1):
        rule = rules.create_rule(
            name=f"Bench {number}",
            domain="orders",
            body={
                "schema": 1,
                "trigger": {"on": TRIGGER},
                "when": when(number),
                "steps": tagging(number, steps),
            },
            purpose="Measures.",
            fallback="Nothing.",
            actor=person(staff["operations"]),
        )
        document = rules.submit_rule(
            rule.pk, revision=1, why="Measures.", actor=person(staff["operations"])
        )
        gather(document)
        approvals.approve(
            document.pk, sha256=document.sha256, actor=person(staff["finance"]), comment=""
        )


def _retire(staff: dict[str, User]) -> None:
    for rule in Rule.objects.filter(retired_at=None):
        rules.retire_rule(
            rule.pk, version=rule.version, why="Measured.", actor=person(staff["operations"])
        )


@contextmanager
def workers(url: str, *, count: int = 2, lanes: str = "internal,sweep") -> Iterator[None]:
    """Real worker processes on a database, ended afterwards."""
    worker = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "-A", "config", "worker"),
            *("-c", str(count), "-Q", lanes, "--without-gossip", "--without-mingle"),
        ],
        # Their log would bury the table, and is no part of what is measured.
        env={**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "WARNING"},
        start_new_session=True,
    )
    time.sleep(8)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(30)


# Live copies of the history's events, their units spread so that each rule gets its share.
COPY = """
WITH copied AS (
    INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
        recorded_at, payload_version, facts, lists, actor_kind, depth, history)
    SELECT e.trigger, e.subject, e.subject_id, o.version, e.occurred_at, clock_timestamp(),
        e.payload_version,
        jsonb_set(e.facts, '{order.units}', to_jsonb(1 + (row_number() OVER ())::int %% %s)),
        e.lists, '', 0, false
    FROM (SELECT * FROM automations_event WHERE trigger = %s AND history
        ORDER BY id LIMIT %s) e JOIN orders_order o ON o.id = e.subject_id
    RETURNING id
)
INSERT INTO automations_pendingevent (event_id) SELECT id FROM copied
"""


def store_events(count: int) -> None:
    """Store live events that nobody has matched yet."""
    with connection.cursor() as cursor:
        cursor.execute(COPY, [RULES, TRIGGER, count])
        if cursor.rowcount != count:
            raise RuntimeError(f"Only {cursor.rowcount} of {count} events could be stored.")
        cursor.execute("ANALYZE automations_event")


# Both are answered by an index of what is open: asked often, they take nothing of the machine.
ALL_DONE = """
SELECT NOT EXISTS (SELECT FROM automations_pendingevent)
    AND NOT EXISTS (SELECT FROM automations_run WHERE lane = '' AND state IN ('due', 'waiting'))
"""
LAST = "SELECT extract(epoch FROM max(finished_at) - %s::timestamptz) FROM automations_run"


def runs_per_second(count: int, *, steps: int = 1, limit: float = 300) -> float:
    """Store events, wake the workers and wait for every run.

    The clock, PostgreSQL's own, starts when the workers are woken and stops when the last run's
    end is written, a moment before its commit. Raises RuntimeError when a run is missing.
    """
    runs, effects = Run.objects.count(), Effect.objects.count()
    store_events(count)
    started, until = database.fetch("SELECT clock_timestamp()")[0][0], time.monotonic() + limit
    wake.send("match")
    while time.monotonic() < until and not database.fetch(ALL_DONE)[0][0]:
        time.sleep(0.1)
    _prove(count, Run.objects.count() - runs, Effect.objects.count() - effects, steps)
    return count / float(database.fetch(LAST, started)[0][0])


def _prove(count: int, runs: int, effects: int, steps: int) -> None:
    open_ones = Run.objects.exclude(state="done").count()
    if open_ones or runs != count or effects != count * steps:
        raise RuntimeError(f"{count} events: {runs} runs, {effects} effects, {open_ones} not done.")


def untag() -> None:
    """Take the tags off, so that the next measurement writes as much as this one."""
    Order.objects.exclude(tags=[]).update(tags=[])
