"""Stored events → matched against 100 active rules → runs → a tag on an order → done.

Two real Celery worker processes work; the clock starts when they are woken and stops when the last
run is done. What stands beside it is `floor.py`, measured in the same run.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import connection

from automations.engine import wake
from automations.models.runs import Effect, Run
from automations.services import approvals, rules
from backoffice.actors import person
from backoffice.models import User

RULES = 100
TRIGGER = "orders.order_placed"


def make_rules(staff: dict[str, User]) -> None:
    """Rules of which each event matches exactly one: by the units of the order, 1 to 100."""
    for number in range(1, RULES + 1):
        body = {
            "schema": 1,
            "trigger": {"on": TRIGGER},
            "when": {
                "all": [
                    {"field": "order.units", "op": "is", "value": number},
                    {"field": "order.total", "op": "gte", "value": _pounds("0.00")},
                    {"field": "order.currency", "op": "is", "value": "GBP"},
                ]
            },
            "steps": [{"uid": "a1", "do": "orders.add_tag", "with": {"tag": f"bench-{number}"}}],
        }
        rule = rules.create_rule(
            name=f"Bench {number}",
            domain="orders",
            body=body,
            purpose="Measures.",
            fallback="Nothing.",
            actor=person(staff["operations"]),
        )
        document = rules.submit_rule(
            rule.pk, revision=1, why="Measures.", actor=person(staff["operations"])
        )
        approvals.approve(
            document.pk, sha256=document.sha256, actor=person(staff["finance"]), comment=""
        )


def _pounds(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "GBP"}


# Live copies of the history's events, their units spread so that each rule gets its share.
COPY = """
WITH copied AS (
    INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
        recorded_at, payload_version, facts, lists, actor_kind, depth, history)
    SELECT e.trigger, e.subject, e.subject_id, o.version, e.occurred_at, clock_timestamp(),
        e.payload_version,
        jsonb_set(e.facts, '{order.units}', to_jsonb(1 + (row_number() OVER ())::int %% %s)),
        e.lists, '', 0, false
    FROM automations_event e JOIN orders_order o ON o.id = e.subject_id
    WHERE e.trigger = %s AND e.history ORDER BY e.id LIMIT %s
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


def events_per_second(count: int, *, limit: float = 300) -> float:
    """Wake the workers and wait for every run; raises RuntimeError when one is missing."""
    before = Run.objects.count()
    started = time.perf_counter()
    wake.send("match")
    while time.perf_counter() - started < limit:
        done = Run.objects.filter(state="done").count() - before
        if done >= count:
            break
        time.sleep(0.05)
    took = time.perf_counter() - started
    _prove(count)
    return count / took


def _prove(count: int) -> None:
    runs, effects = Run.objects.filter(state="done").count(), Effect.objects.count()
    if runs != effects or runs < count:
        states: dict[str, Any] = {
            state: Run.objects.filter(state=state).count()
            for state in set(Run.objects.values_list("state", flat=True))
        }
        raise RuntimeError(f"{count} events, {runs} runs done, {effects} effects: {states}")
