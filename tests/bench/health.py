"""The page of the engine's health and a scrape, with a million runs behind them."""

from __future__ import annotations

import time

from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from automations.engine import measure
from automations.models.runs import Run
from tests.bench.pages import p95_ms

TOKEN = "bench"
# Runs of the last 30 days under the rules there are: 1 in 200 stands still, 1 in 20 was overtaken.
EVENTS = """
INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
    recorded_at, payload_version, facts, actor_kind, depth, history)
SELECT 'orders.order_placed', 'orders.order', 1 + n %% 1000, 1, at, at, 1, '{}',
    (ARRAY['person', 'outside', 'rule'])[1 + n %% 3], 0, false
FROM (SELECT n, now() - (%s - n) * interval '30 days' / %s AS at FROM generate_series(1, %s) n) e
ORDER BY n
"""
RUNS = """
INSERT INTO automations_run (id, event_id, rule_id, document_id, subject, subject_id,
    subject_version, position, depth, state, cursor, run_after, attempts, trace_length, has_case,
    outcome, created_at, finished_at)
SELECT e.id * 1000000 + a.rule_id, e.id, a.rule_id, a.document_id, e.subject, e.subject_id, 1, 1, 0,
    CASE WHEN e.id %% 200 = 0 THEN 'failed' WHEN e.id %% 20 = 1 THEN 'overtaken' ELSE 'done' END,
    'a1', e.recorded_at, 0, 1, e.id %% 200 = 0, 'Tagged.', e.recorded_at,
    CASE WHEN e.id %% 200 <> 0 THEN e.recorded_at + (10 + e.id %% 90) * interval '1 ms' END
FROM automations_event e JOIN (
    SELECT rule_id, document_id, row_number() OVER (ORDER BY rule_id) AS number
    FROM automations_activation WHERE until_at IS NULL) a ON a.number = 1 + e.id %% %s
WHERE e.trigger = 'orders.order_placed' AND NOT e.history AND e.id > %s
"""
STEPS = """
INSERT INTO automations_steprun (run_id, number, cursor, action, attempt, outcome, says, link,
    started_at, finished_at)
SELECT id, 1, 'a1', 'orders.add_tag', 1, 'done', 'Tagged.', '', created_at + interval '5 ms',
    coalesce(finished_at, created_at) FROM automations_run WHERE event_id > %s
"""


def make_runs(count: int, rules: int) -> None:
    """That many runs, ended and measured as the engine would have left them."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SELECT coalesce(max(id), 0) FROM automations_event")
        (last,) = cursor.fetchone() or (0,)
        cursor.execute(EVENTS, [count, count, count])
        cursor.execute(RUNS, [rules, last])
        cursor.execute(STEPS, [last])
        for table in ("event", "run", "steprun"):
            cursor.execute(f"ANALYZE automations_{table}")


def count_per_second() -> float:
    """Ended runs counted a second, all there are."""
    started, total = time.perf_counter(), 0
    while counted := measure.count():
        total += counted
    return total / (time.perf_counter() - started)


def addresses() -> dict[str, str]:
    """What is asked, by name."""
    run = Run.objects.filter(finished_at__isnull=False).order_by("-id")[1000:1001].get()
    assert run.finished_at is not None
    since = run.finished_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "health": reverse("engine_health"),
        "health.week": f"{reverse('engine_health')}?last=week",
        "runs": reverse("run_list"),
        "runs.ended": f"{reverse('run_list')}?finished=gte:{since}&state=done",
        "runs.event": f"{reverse('run_list')}?event={run.event_id}",
        "runs.actor": f"{reverse('run_list')}?actor=person",
        "standstill": reverse("standstill"),
    }


def scrape_ms(client: Client) -> float:
    """The 95th percentile of a scrape, in ms."""
    with override_settings(METRICS_TOKEN=TOKEN):
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
        taken = p95_ms(client, "/metrics")
        del client.defaults["HTTP_AUTHORIZATION"]
    return taken
