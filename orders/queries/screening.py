"""How fraud screening does: how often each signal fires, and how often it was wrong."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import F, Func, IntegerField, QuerySet

from orders.models.trust import RiskSignal

# How far back verdicts count, and firings.
JUDGED_DAYS = 180
FIRED_DAYS = 7


@dataclass(frozen=True, slots=True)
class SignalFigures:
    """One signal: firings lately, and of those that people judged, how many were which."""

    fired: int = 0
    cleared: int = 0
    confirmed: int = 0

    @property
    def judged(self) -> int:
        return self.cleared + self.confirmed

    @property
    def false_rate(self) -> int | None:
        """Of the orders it fired on and people judged, how many were no fraud, in per cent.

        None before anybody has judged one.
        """
        return round(100 * self.cleared / self.judged) if self.judged else None


_FIRED = """
SELECT f ->> 'key', count(*), 0, 0 FROM orders_riskassessment a, jsonb_array_elements(a.findings) f
WHERE a.assessed_at >= now() - make_interval(days => %s) AND (f ->> 'fired')::bool GROUP BY 1
UNION ALL
SELECT f ->> 'key', 0, count(*) FILTER (WHERE a.verdict = 'cleared'),
       count(*) FILTER (WHERE a.verdict = 'confirmed')
FROM orders_riskassessment a, jsonb_array_elements(a.findings) f
WHERE a.verdict <> '' AND a.assessed_at >= now() - make_interval(days => %s)
  AND (f ->> 'fired')::bool GROUP BY 1
"""


def signal_figures() -> dict[str, SignalFigures]:
    """The figures of each signal that fired, by its key."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRED, [FIRED_DAYS, JUDGED_DAYS])
        rows = cursor.fetchall()
    found: dict[str, SignalFigures] = {}
    for key, fired, cleared, confirmed in rows:
        so_far = found.get(key, SignalFigures())
        found[key] = SignalFigures(
            so_far.fired + fired, so_far.cleared + cleared, so_far.confirmed + confirmed
        )
    return found


_JUDGED = """(SELECT count(*) FROM orders_riskassessment a
WHERE a.verdict = '[verdict]' AND a.assessed_at >= now() - interval '[days] days'
  AND a.findings @> jsonb_build_array(jsonb_build_object('key', %(expressions)s, 'fired', true)))"""


def with_verdicts(rows: QuerySet[RiskSignal]) -> QuerySet[RiskSignal]:
    """Signals with `cleared` and `confirmed`: verdicts on the orders each fired on."""
    days = _JUDGED.replace("[days]", str(JUDGED_DAYS))
    return rows.annotate(
        **{
            verdict: Func(
                F("key"),
                template=days.replace("[verdict]", verdict),
                output_field=IntegerField(),
            )
            for verdict in ("cleared", "confirmed")
        }
    )
