"""Looks at every rule beside its own past, and tells people of those that went quiet or doubled.

All rules in one statement, from what `measure` has counted and along indexes: it costs the same
for a million runs as for a thousand.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from automations.engine import database
from automations.engine.alerts import owner_of
from automations.models.documents import Activation
from automations.models.inventory import RuleStanding
from automations.models.rules import Rule
from automations.queries import reviews
from automations.queries.inventory import FEW_RUNS, HISTORY_DAYS, LEAST_DAYS, STALE_DAYS, UNPRESSED
from backoffice import notices
from backoffice.counting import counted

# Between two looks: 300 times what one takes, so that a small company sees figures of the minute
# and those of a large one cost next to nothing.
SOONEST, LATEST, REST = timedelta(minutes=1), timedelta(minutes=10), 300
# So many usual runs that did not come are no accident: by chance once in 150 times.
MISSED = 5
WAITS = "1 rule waits for its review."

# A version that follows another at once leaves no gap: the rule has been in force since the first.
LOOK = f"""
WITH live AS (
    SELECT a.rule_id, d.text::jsonb -> 'trigger' AS starts,
        automations_live_since(a.rule_id) AS since,
        EXISTS (SELECT FROM automations_stop s WHERE s.lifted_at IS NULL AND s.lane = ''
              AND (s.rule_id = a.rule_id OR s.rule_id IS NULL)) AS stopped
    FROM automations_activation a JOIN automations_document d ON d.id = a.document_id
    WHERE a.mode = 'live' AND a.until_at IS NULL AND a.rule_id IS NOT NULL
), hours AS MATERIALIZED (
    SELECT rule_id, hour, sum(runs) AS runs, coalesce(sum(runs) FILTER (WHERE state = 'done'), 0) AS done
    FROM automations_runhour WHERE hour >= date_trunc('hour', now()) - interval '30 days'
    GROUP BY 1, 2
), counted AS (
    SELECT rule_id, sum(runs) AS month, sum(done) AS done,
        coalesce(sum(runs) FILTER (WHERE hour > now() - interval '1 day'), 0) AS day
    FROM hours GROUP BY 1
), days AS (
    SELECT rule_id, date_trunc('day', hour, 'UTC') AS day, sum(runs) AS runs FROM hours GROUP BY 1, 2
), usual AS (
    SELECT live.rule_id, count(*) AS days,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(days.runs, 0)) AS usual
    FROM live CROSS JOIN LATERAL generate_series(
        greatest(date_trunc('day', live.since, 'UTC') + interval '1 day',
            date_trunc('day', now(), 'UTC') - interval '{HISTORY_DAYS} days'),
        date_trunc('day', now(), 'UTC') - interval '1 day', interval '1 day') AS each (day)
    LEFT JOIN days ON days.rule_id = live.rule_id AND days.day = each.day
    GROUP BY 1 HAVING count(*) >= {LEAST_DAYS}
), standing AS (
    SELECT r.id, live.since, coalesce(live.stopped, false) AS stopped, fired.at AS fired,
        coalesce(fired.at, live.since) AS last, usual.usual, coalesce(counted.day, 0) AS day,
        coalesce(counted.month, 0) AS month, coalesce(counted.done, 0) AS done,
        r.expected_per_day_min AS least, r.expected_per_day_max AS most, live.starts,
        make_interval(days => CASE WHEN live.starts ? 'manual' THEN {UNPRESSED} ELSE {STALE_DAYS} END) AS patience
    FROM automations_rule r
    LEFT JOIN live ON live.rule_id = r.id
    LEFT JOIN usual ON usual.rule_id = r.id
    LEFT JOIN counted ON counted.rule_id = r.id
    LEFT JOIN LATERAL (SELECT created_at AS at FROM automations_run
        WHERE rule_id = r.id AND id > 0 ORDER BY id DESC LIMIT 1) fired ON true
    WHERE r.retired_at IS NULL
), judged AS (
    SELECT s.*, NOT stopped AND since < now() - patience AND last < now() - patience AND (
            starts ? 'manual'
            OR EXISTS (SELECT FROM automations_event e WHERE e.trigger = starts ->> 'on'
                AND e.occurred_at >= now() - patience AND NOT e.history
                AND e.rule_id IS NULL)
            OR EXISTS (SELECT FROM automations_scheduleslot t WHERE t.rule_id = s.id
                AND NOT t.shadow AND t.state = 'done' AND t.fire_at >= now() - patience)) AS stale
    FROM standing s
)
INSERT INTO automations_rulestanding (rule_id, at, live_since, last_fired_at, runs_day, runs_month,
    done_month, usual, is_stale, is_silent, is_noisy)
SELECT id, now(), since, fired, day, month, done, usual, coalesce(stale, false),
    coalesce(NOT stale AND NOT stopped AND (
        usual >= 1 AND last < now() - greatest(interval '1 day', interval '1 day' * {MISSED} / usual)
        OR least > 0 AND last < now() - greatest(interval '1 day', interval '1 day' / least)), false),
    coalesce(since IS NOT NULL AND CASE WHEN most IS NOT NULL THEN day > most
        ELSE day > 2 * usual AND day >= {FEW_RUNS} END, false)
FROM judged ORDER BY id
ON CONFLICT (rule_id) DO UPDATE SET at = excluded.at, live_since = excluded.live_since,
    last_fired_at = excluded.last_fired_at, runs_day = excluded.runs_day,
    runs_month = excluded.runs_month, done_month = excluded.done_month, usual = excluded.usual,
    is_stale = excluded.is_stale, is_silent = excluded.is_silent, is_noisy = excluded.is_noisy
"""  # noqa: S608, E501 - numbers of this house
FORGET = """
DELETE FROM automations_rulestanding s USING automations_rule r
WHERE r.id = s.rule_id AND r.retired_at IS NOT NULL
"""


def look() -> int:
    """Look at all rules every few minutes, and at once where one is new; answers how many notices
    are new.
    """
    newest = RuleStanding.objects.order_by("-at").values_list("at", flat=True).first()
    if newest is not None and newest > timezone.now() - _pause.long and not _is_behind(newest):
        return 0
    began = time.monotonic()
    count()
    _pause.after(time.monotonic() - began)
    return tell()


@dataclass(slots=True)
class _Pause:
    """How long this process leaves between two looks."""

    long: timedelta = SOONEST

    def after(self, seconds: float) -> None:
        self.long = min(LATEST, max(SOONEST, timedelta(seconds=REST * seconds)))


_pause = _Pause()


def _is_behind(newest: datetime) -> bool:
    """Whether a rule was made, put in force or ended since it was last looked at all of them."""
    moved = Q(from_at__gt=newest) | Q(until_at__gt=newest)
    periods = Activation.objects.filter(moved, mode=Activation.Mode.LIVE, rule__retired_at=None)
    return (
        Rule.objects.filter(retired_at=None, standing=None).exists()
        or periods.exclude(rule=None).exists()
    )


@transaction.atomic
def count() -> None:
    """Work out the standing of every rule as of now."""
    database.write(LOOK)
    database.write(FORGET)


# --- telling people -----------------------------------------------------------------------------


def tell() -> int:
    """Tell owners of their rules in trouble, and whoever reviews wait for; answers how many."""
    trouble = RuleStanding.objects.exclude(is_stale=False, is_silent=False, is_noisy=False)
    told = 0
    for standing in trouble.select_related("rule__owner"):
        for key, text in _said(standing.rule, standing):
            link = reverse("rule_detail", args=[standing.rule.slug])
            told += len(notices.notify(owner_of(standing.rule), text, link, key=key))
    return told + _tell_reviews()


def _said(rule: Rule, standing: RuleStanding) -> Iterable[tuple[str, str]]:
    """What is to be said of a rule, once each: of one silence, of one noisy day."""
    name, last = rule.name, _moment(standing.last_fired_at)
    spell = f"{rule.pk}:{last}"
    if standing.is_stale:
        came = f"has not run since {last}" if standing.last_fired_at else "has no run on record"
        yield f"stale:{spell}", f"“{name}” {came}. Change it, or retire it."
    if standing.is_silent:
        since = f"since {last}" if standing.last_fired_at else "yet"
        yield f"quiet:{spell}", f"“{name}” went quiet: {_usual(rule, standing)}, and none {since}."
    if standing.is_noisy:
        key = f"noisy:{rule.pk}:{standing.at:%Y-%m-%d}"
        runs = f"{counted(standing.runs_day, 'run')} in 24 hours"
        yield key, f"“{name}” runs far more than it should: {runs}, {_usual(rule, standing)}."


def _usual(rule: Rule, standing: RuleStanding) -> str:
    """What was to be expected, in words."""
    if standing.is_noisy and rule.expected_per_day_max is not None:
        return f"where {rule.expected_per_day_max:,} are expected at most"
    if standing.usual is None or (standing.is_silent and standing.usual < 1):
        least = counted(rule.expected_per_day_min or 0, "run")
        return f"expected at least {least} a day"
    return f"{standing.usual:,.0f} on a usual day"


def _moment(at: datetime | None) -> str:
    return f"{at:%d %b %Y, %H:%M} UTC" if at is not None else "never"


def _tell_reviews() -> int:
    """Once a week: owners of rules whose review is due, and whoever could say that they stay."""
    week = timezone.localdate().strftime("%G-%V")
    told = 0
    for user, number in reviews.waiting_for_everyone():
        text = f"{number:,} rules wait for their review." if number > 1 else WAITS
        told += len(notices.notify([user], text, reverse("rule_review"), key=f"reviews:{week}"))
    return told
