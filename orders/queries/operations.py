"""How the order desk works, in figures: from shipments, timelines, claims and promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.utils import timezone

from orders.models.claims import OperationsBaseline

# Every order that left for the first time within the span; history left elsewhere.
_LEFT = """
WITH gone AS (
    SELECT o.id, coalesce(o.paid_at, o.placed_at) AS start, min(s.shipped_at) AS at
      FROM orders_shipment s JOIN orders_order o ON o.id = s.order_id
     WHERE s.shipped_at >= %(since)s AND s.shipped_at < %(until)s AND NOT o.is_history
       AND (%(channel)s::bigint IS NULL OR o.channel_id = %(channel)s)
       AND NOT EXISTS (SELECT FROM orders_shipment e
                        WHERE e.order_id = o.id AND e.shipped_at < %(since)s)
     GROUP BY o.id
)
SELECT count(*),
       extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(at - start, '0')))
           ::bigint,
       count(*) FILTER (WHERE NOT EXISTS (
           SELECT FROM backoffice_timelineentry t
            WHERE t.subject = 'orders.order' AND t.subject_id = gone.id
              AND t.actor_kind = 'person' AND t.at <= gone.at))
  FROM gone
"""
_CLAIMED = """
SELECT c.reason, count(*) FROM orders_claim c JOIN orders_order o ON o.id = c.order_id
 WHERE c.opened_at >= %(since)s AND c.opened_at < %(until)s
   AND (%(channel)s::bigint IS NULL OR o.channel_id = %(channel)s)
 GROUP BY c.reason
"""
# What a customer was promised within the span: an answer to a claim, the rest of an order.
_PROMISED = """
SELECT count(*), count(*) FILTER (WHERE missed) FROM (
    SELECT coalesce(c.decided_at, now()) > c.answer_by AS missed
      FROM orders_claim c JOIN orders_order o ON o.id = c.order_id
     WHERE c.answer_by >= %(since)s AND c.answer_by < least(%(until)s, now())
       AND (%(channel)s::bigint IS NULL OR o.channel_id = %(channel)s)
    UNION ALL
    SELECT o.fulfilment IN ('unshipped', 'part_shipped') OR EXISTS (
               SELECT FROM orders_shipment s
                WHERE s.order_id = o.id AND s.shipped_at >= o.promised_on + interval '1 day')
      FROM orders_order o
     WHERE o.promised_on >= %(first)s AND o.promised_on <= %(last)s AND o.promised_on < %(today)s
       AND o.cancelled_at IS NULL
       AND (%(channel)s::bigint IS NULL OR o.channel_id = %(channel)s)
) promise
"""


@dataclass(frozen=True, slots=True)
class Operations:
    """Figures of a span of days, first and last included; `processing` None where nothing left."""

    since: date
    until: date
    shipped: int
    processing: timedelta | None
    touchless: int
    due: int
    missed: int
    wrong_items: int
    wrong_messages: int
    reasons: dict[str, int]

    @property
    def claims(self) -> int:
        return sum(self.reasons.values())


def operations(since: date, until: date, *, channel_id: int | None = None) -> Operations:
    """The figures of these days, of one channel or of all."""
    zone = timezone.get_current_timezone()
    given = {
        "since": datetime.combine(since, time.min, zone),
        "until": datetime.combine(until + timedelta(days=1), time.min, zone),
        "first": since,
        "last": until,
        "today": timezone.localdate(),
        "channel": channel_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LEFT, given)
        ((shipped, seconds, touchless),) = cursor.fetchall()
        cursor.execute(_CLAIMED, given)
        reasons: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(_PROMISED, given)
        ((due, missed),) = cursor.fetchall()
    return Operations(
        since=since,
        until=until,
        shipped=shipped,
        processing=None if seconds is None else timedelta(seconds=seconds),
        touchless=touchless,
        due=due,
        missed=missed,
        wrong_items=reasons.get("wrong_item", 0),
        wrong_messages=reasons.get("wrong_message", 0),
        reasons=reasons,
    )


def baseline_figures(row: OperationsBaseline) -> Operations:
    """A baseline as the figures it was taken from, without its other reasons."""
    seconds = row.processing_seconds
    return Operations(
        since=row.since,
        until=row.until,
        shipped=row.shipped,
        processing=None if seconds is None else timedelta(seconds=seconds),
        touchless=row.touchless,
        due=row.due,
        missed=row.missed,
        wrong_items=row.wrong_items,
        wrong_messages=row.wrong_messages,
        reasons={},
    )
