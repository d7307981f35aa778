"""Tells the owner of a rule that it fails a lot, begins late, is slow, or can't get through.

A person is told once an hour of the same thing of one rule, with a link to where it can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from automations.actions import actions
from automations.engine import database
from automations.models.figures import Overrun
from automations.models.rules import Rule
from automations.models.runs import run_number, step_anchor
from automations.queries.figures import BROKEN
from backoffice import notices
from backoffice.models import User

# So many failures in about an hour, and this share of what was worked on.
FAILURES = 5
SHARE = 0.2

# From the last full hour on: the hours that ended runs are counted by.
FAILING = """
WITH failed AS (
    SELECT rule_id, count(*) AS failures FROM automations_failure
    WHERE kind = 'run' AND error = ANY(%s)
        AND opened_at >= date_trunc('hour', now()) - interval '1 hour'
    GROUP BY rule_id HAVING count(*) >= %s
)
SELECT f.rule_id, f.failures, coalesce(sum(h.runs), 0)::bigint,
    date_trunc('hour', now()) - interval '1 hour', now()
FROM failed f LEFT JOIN automations_runhour h ON h.rule_id = f.rule_id
    AND h.hour >= date_trunc('hour', now()) - interval '1 hour'
GROUP BY f.rule_id, f.failures
"""
# What was noticed in this hour, by rule and kind, with the run that is worst.
OVERRUNS = """
SELECT rule_id, kind, count(*), (array_agg(run_id ORDER BY seconds DESC))[1],
    (array_agg(cursor ORDER BY seconds DESC))[1], (array_agg(action ORDER BY seconds DESC))[1],
    min(latency), max(seconds), date_trunc('hour', now())
FROM automations_overrun WHERE noticed_at >= date_trunc('hour', now())
GROUP BY rule_id, kind
"""


@dataclass(frozen=True, slots=True)
class Overrunning:
    """What one rule's runs took too long at in this hour."""

    rule_id: int
    kind: str
    runs: int
    worst_run_id: int
    cursor: str
    action: str
    latency: str
    seconds: float
    hour: datetime


def send() -> int:
    """Tell owners what was found; answers how many notices are new."""
    failing = database.fetch(FAILING, [str(error) for error in BROKEN], FAILURES)
    late = [Overrunning(*row) for row in database.fetch(OVERRUNS)]
    ids = {row[0] for row in failing} | {each.rule_id for each in late}
    rules = Rule.objects.select_related("owner").in_bulk(ids)
    told = 0
    for rule_id, failures, ended, since, now in failing:
        if failures > SHARE * (failures + ended):
            told += _tell_failing(rules[rule_id], failures, failures + ended, since, now)
    for each in late:
        told += _tell_overrun(rules[each.rule_id], each)
    return told


def owner_of(rule: Rule) -> list[User]:
    """The owner; those who tend the engine where a rule has none, or one who left."""
    if rule.owner is not None and rule.owner.is_active:
        return [rule.owner]
    return notices.holders("automations.tend_engine")


def _tell_failing(rule: Rule, failures: int, of: int, since: datetime, now: datetime) -> int:
    text = f"“{rule.name}” fails: {failures} of {of:,} runs since {since:%H:%M} UTC."
    asked = {
        "view": "every",
        "rule": rule.slug,
        "kind": "run",
        "error": [str(error) for error in BROKEN],
        "failed": f"gte:{since:%Y-%m-%dT%H:%M}Z",
    }
    link = f"{reverse('failure_list')}?{urlencode(asked, doseq=True)}"
    key = f"failing:{rule.pk}:{now:%Y-%m-%dT%H}"
    return len(notices.notify(owner_of(rule), text, link, key=key))


def _tell_overrun(rule: Rule, each: Overrunning) -> int:
    if each.kind == Overrun.Kind.START:
        within = "an hour" if each.latency == "batch" else "a minute"
        runs = "run began" if each.runs == 1 else "runs began"
        text = f"“{rule.name}” is late: {each.runs:,} {runs} more than {within} after its event."
        asked = {"rule": rule.slug, "overran": "start"}
        link = f"{reverse('run_list')}?{urlencode(asked)}"
    else:
        text = f"“{rule.name}”: {_step_words(each)}"
        link = step_url(each.worst_run_id, each.cursor)
    key = f"overrun:{rule.pk}:{each.kind}:{each.hour:%Y-%m-%dT%H}"
    return len(notices.notify(owner_of(rule), text, link, key=key))


def _step_words(each: Overrunning) -> str:
    action = actions.get(each.action)
    step = f"“{action.label if action is not None else each.action}”"
    more = f" So do {each.runs - 1:,} more." if each.runs > 1 else ""
    number = run_number(each.worst_run_id)
    if each.kind == Overrun.Kind.TRYING:
        return f"{step} does not get through. Run {number} keeps trying.{more}"
    return f"{step} took {each.seconds:.0f} s in run {number}.{more.replace('do', 'did')}"


def step_url(run_id: int, cursor: str) -> str:
    """The step of a run, on the run's page."""
    return f"{reverse('run_detail', args=[run_id])}#{step_anchor(cursor)}"
