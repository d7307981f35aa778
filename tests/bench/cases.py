"""The failures queue with many open cases: how fast its pages are, and how fast a job retries."""

from __future__ import annotations

import time

from django.db import connection
from django.urls import reverse

from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import approvals, rules
from backoffice.actors import person
from backoffice.models import BulkJob, User
from backoffice.workbench import bulk, jobs
from tests.bed.evidence import gather
from tests.bench.engine import TRIGGER

CAUSES = 40

# Live copies of the history's events, a run of the rule for each, and its case: one in five is
# late, one in three has money at stake.
EVENTS = """
INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
    recorded_at, payload_version, facts, lists, actor_kind, depth, history)
SELECT e.trigger, e.subject, e.subject_id, o.version, e.occurred_at, clock_timestamp(),
    e.payload_version, e.facts, e.lists, '', 0, false
FROM automations_event e JOIN orders_order o ON o.id = e.subject_id
WHERE e.trigger = %s AND e.history ORDER BY e.id LIMIT %s RETURNING id
"""
RUNS = """
INSERT INTO automations_run (id, event_id, rule_id, document_id, subject, subject_id,
    subject_version, position, depth, state, cursor, attempts, trace_length, has_case, outcome)
SELECT e.id * 1000000 + %s, e.id, %s, %s, e.subject, e.subject_id, e.subject_version, 100, 0,
    'failed', 'a1', 0, 0, true, 'Refused.'
FROM automations_event e WHERE e.id >= %s
"""
CASES = """
INSERT INTO automations_failure (kind, key, error, cause, cause_words, says, rule_id, document_id,
    run_id, cursor, action, subject, subject_id, subject_version, done, not_done, detail, at_stake,
    at_stake_currency, fallback, priority, state, opened_at, due_at, times, resolution, version)
SELECT 'run', r.id::text, 'rejected', md5((r.event_id %% %s)::text), 'Cause ' || r.event_id %% %s,
    'The order ' || r.subject_id || ' was refused.', r.rule_id, r.document_id, r.id, 'a1',
    'orders.add_tag', r.subject, r.subject_id, r.subject_version, '[]', '["Tag it"]', '{}',
    CASE WHEN r.event_id %% 3 = 0 THEN r.event_id %% 900 END,
    CASE WHEN r.event_id %% 3 = 0 THEN 'GBP' ELSE '' END, 'By hand.', 3, 'open', now(),
    now() + (r.event_id %% 500 - 100) * interval '1 minute', 1, '', 1
FROM automations_run r WHERE r.rule_id = %s
"""


def make_cases(count: int, staff: dict[str, User]) -> None:
    """Open cases of one live rule that tags orders, on as many orders."""
    body = {
        "schema": 1,
        "trigger": {"on": TRIGGER},
        "when": {"all": [{"field": "order.currency", "op": "is", "value": "GBP"}]},
        "steps": [{"uid": "a1", "do": "orders.add_tag", "with": {"tag": "retried"}}],
    }
    rule = rules.create_rule(
        name="Bench cases",
        domain="orders",
        body=body,
        purpose="Measures.",
        fallback="Nothing.",
        actor=person(staff["operations"]),
    )
    document = rules.submit_rule(
        rule.pk, revision=1, why="Measures.", actor=person(staff["operations"])
    )
    gather(document)
    approvals.approve(document.pk, sha256=document.sha256, actor=person(staff["finance"]))
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [TRIGGER, count])
        first = min(row[0] for row in cursor.fetchall())
        cursor.execute(RUNS, [rule.pk, rule.pk, document.pk, first])
        cursor.execute(CASES, [CAUSES, CAUSES, rule.pk])
        cursor.execute("ANALYZE automations_event, automations_run, automations_failure")


def addresses() -> dict[str, str]:
    """The pages of the queue, by name."""
    case = Failure.objects.order_by("pk")[50:51].get()
    run = Run.objects.filter(state="failed").order_by("pk")[50:51].get()
    cases, runs = reverse("failure_list"), reverse("run_list")
    return {
        "cases": cases,
        "cases.page_1000": f"{cases}?page=1000",
        "cases.late": f"{cases}?view=late",
        "cases.needs_me": f"{cases}?view=needs-me",
        "cases.money": f"{cases}?view=money&sort=-stake",
        "cases.cause": f"{cases}?cause={case.cause}",
        "cases.counts": f"{cases}_/counts/",
        "case": reverse("failure_detail", args=[case.pk]),
        "case.part": reverse("failure_part", args=[case.pk]),
        "runs": runs,
        "run": reverse("run_detail", args=[run.pk]),
        "stop": reverse("stop_page"),
    }


def retried_per_second(count: int, staff: dict[str, User]) -> float:
    """Retry so many cases by one job, all chunks in this process; raises when one is refused."""
    ids = list(Failure.objects.filter(state="open").order_by("pk").values_list("pk", flat=True))
    job = jobs.draft_job(
        bulk.get("failures.retry"),
        ids[:count],
        screen="automations.failures",
        params={},
        back="",
        user=staff["operations"],
    )
    jobs.start_job(job, wake=lambda job_id: None, user=staff["support"])
    started = time.perf_counter()
    while jobs.run_chunk(job.pk):
        pass
    took = time.perf_counter() - started
    done = BulkJob.objects.get(pk=job.pk)
    if done.succeeded != count or Failure.objects.filter(state="retrying").count() != count:
        raise RuntimeError(f"{done.succeeded} of {count} cases were retried.")
    return count / took
