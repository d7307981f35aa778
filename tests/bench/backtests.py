"""Evidence: a backtest's events a second in one process, and how long the builder's preview takes.

The rule has five clauses and stands beside a live version that asks a little more. What stands
beside the backtest is the same five clauses as plain SQL that only counts.
"""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from automations.models.backtests import Backtest
from automations.models.rules import Rule
from automations.services import approvals, backtests, rules
from automations.simulation.backtests import backtest_slice
from automations.simulation.preview import preview
from backoffice.actors import person
from backoffice.models import User
from tests.bed.evidence import gather
from tests.bench import company
from tests.bench.results import Result

TRIGGER = "orders.order_placed"
BASIS = 2_000
AT_ONCE = 50_000
TRIALS = 3

# Facts of real orders, each with an amount and a time of its own.
COPIES = """
WITH basis AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY id) AS place FROM automations_event
    WHERE trigger = %(trigger)s AND id <= %(last)s
)
INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
    payload_version, facts, lists, actor_kind, history, depth)
SELECT e.trigger, e.subject, e.subject_id, e.subject_version,
    now() - make_interval(secs => %(seconds)s::float8 * n / %(count)s), e.payload_version,
    e.facts || jsonb_build_object('order.total.amount', (n %% 90000 / 100.0)::numeric(12, 2)::text),
    e.lists, '', true, 0
FROM generate_series(%(first)s, %(until)s) AS n JOIN basis e ON e.place = 1 + n %% %(basis)s
"""
FLOOR = """
SELECT count(*) FROM automations_event WHERE trigger = %s AND occurred_at > %s
    AND facts ->> 'order.currency' = 'GBP' AND facts ->> 'order.country' <> 'GB'
    AND (facts ->> 'order.total.amount')::numeric >= 500
    AND (facts ->> 'order.units')::int >= 2 AND facts ->> 'order.is_held' = 'false'
"""


def when(least: str) -> dict[str, Any]:
    """Five clauses: dear, abroad, in pounds, of several units, not on hold."""
    amount = {"amount": least, "currency": "GBP"}
    return {
        "all": [
            {"field": "order.total", "op": "gte", "value": amount},
            {"field": "order.country", "op": "is_not", "value": "GB"},
            {"field": "order.currency", "op": "is", "value": "GBP"},
            {"field": "order.units", "op": "gte", "value": 2},
            {"field": "order.is_held", "op": "is", "value": False},
        ]
    }


def body(least: str) -> dict[str, Any]:
    """The rule, from an amount on."""
    return {
        "schema": 1,
        "trigger": {"on": TRIGGER},
        "when": when(least),
        "steps": [{"uid": "a1", "do": "orders.add_tag", "with": {"tag": "dear"}}],
        "limits": {"runs": {"per_hour": 200}},
    }


def store(count: int, days: int) -> None:
    """So many events of orders over the last days."""
    company.make_orders(BASIS)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT max(id) FROM automations_event")
        (last,) = cursor.fetchone()
        for first in range(1, count + 1, AT_ONCE):
            given = {
                "trigger": TRIGGER,
                "last": last,
                "seconds": days * 86_400 - 60,
                "count": count,
                "basis": BASIS,
                "first": first,
                "until": min(count, first + AT_ONCE - 1),
            }
            cursor.execute(COPIES, given)
        cursor.execute("RESET statement_timeout")


def analyse(owner: str) -> None:
    """What autovacuum does to a table that grows: index-only scans need it."""
    with psycopg.connect(owner, autocommit=True) as connected:
        connected.execute("VACUUM ANALYZE automations_event")


def live_rule(staff: dict[str, User]) -> Rule:
    """A rule that is live from £700.00 on."""
    author = person(staff["operations"])
    rule = rules.create_rule(
        name="Dear", domain="orders", body=body("700.00"), actor=author, fallback="-"
    )
    document = rules.submit_rule(rule.pk, revision=1, why="Measures.", actor=author)
    gather(document)
    approvals.approve(document.pk, sha256=document.sha256, actor=person(staff["finance"]))
    return rule


def count_all(rule: Rule, least: str, actor: User) -> Backtest:
    """A backtest of 90 days from end to end in this process."""
    job = backtests.ask_for_draft(rule, body(least), days=90, actor=person(actor))
    while backtest_slice(only=job.pk):
        pass
    job.refresh_from_db()
    if job.state != Backtest.State.DONE:
        raise RuntimeError(f"The backtest is {job.state}: {job.says}")
    return job


def measure_backtest(staff: dict[str, User], events: int, owner: str) -> list[Result]:
    """Events a second against a live version, one process."""
    rule = live_rule(staff)
    store(events, 90)
    analyse(owner)
    figures, job = [], None
    for trial in range(TRIALS):
        started = time.perf_counter()
        job = count_all(rule, f"{500 + trial}.00", staff["operations"])
        figures.append(job.events / (time.perf_counter() - started))
    assert job is not None
    gained = job.sums["gained"]
    note = (
        f"{job.events:,} events, {job.judged:,} judged, {gained:,} gained; floor: SQL that counts"
    )
    return [
        Result(
            "backtest.events_per_s",
            statistics.median(figures),
            "events/s",
            _floor(job.events),
            note,
            must=50_000,
            aim=200_000,
        )
    ]


def _floor(events: int) -> float:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute(FLOOR, [TRIGGER, timezone.now() - timedelta(days=90)])
        cursor.fetchone()
        cursor.execute("RESET max_parallel_workers_per_gather")
    return events / (time.perf_counter() - started)


def measure_preview(events: int, owner: str) -> list[Result]:
    """The builder's preview over 30 days, beside a live version."""
    store(events, 30)
    analyse(owner)
    figures, found = [], None
    for trial in range(TRIALS):
        started = time.perf_counter()
        found = preview(body(f"{500 + trial}.00"), live=body("700.00"))
        figures.append((time.perf_counter() - started) * 1000)
    assert found is not None
    base = events / _floor(events) * 1000
    note = f"{found.events:,} events of 30 days, {found.matched:,} matched; floor: SQL that counts"
    middle = statistics.median(figures)
    return [Result("preview.ms", middle, "ms", base, note, must=1_500, aim=300)]
