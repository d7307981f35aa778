"""Promotions as lists and pages show them: their state, uses and what they gave."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from django.db.models import F, Func, IntegerField, JSONField, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from backoffice.counting import counted
from backoffice.money import Money
from orders.models.promotions import Promotion, PromotionCount


class State(StrEnum):
    """Where a promotion stands now."""

    DRAFT = "draft"
    PLANNED = "planned"
    LIVE = "live"
    ENDED = "ended"
    OFF = "off"


STATES = (
    (State.LIVE, "Live"),
    (State.PLANNED, "Planned"),
    (State.ENDED, "Ended"),
    (State.OFF, "Off"),
    (State.DRAFT, "Draft"),
)
_ENDED = Q(is_on=True) & (Q(count__ended_at__isnull=False) | Q(ends_at__lte=Now()))
IN_STATE = {
    State.DRAFT: Q(change__isnull=True),
    State.OFF: Q(change__isnull=False, is_on=False),
    State.ENDED: _ENDED,
    State.PLANNED: Q(is_on=True, starts_at__gt=Now()) & ~_ENDED,
    State.LIVE: Q(is_on=True, starts_at__lte=Now()) & ~_ENDED,
}


def state_of(promotion: Promotion) -> State:
    """The state of a promotion, read with its count."""
    now = timezone.now()
    if not promotion.is_on:
        return State.DRAFT if promotion.change_id is None else State.OFF
    if promotion.count.ended_at or (promotion.ends_at and promotion.ends_at <= now):
        return State.ENDED
    return State.PLANNED if promotion.starts_at > now else State.LIVE


def why_over(promotion: Promotion) -> str:
    """Why it gives nothing any more, in words; empty while it does."""
    state = state_of(promotion)
    if state == State.OFF:
        return f"Stopped by {promotion.stopped_by}: {promotion.stop_reason}"
    if state != State.ENDED:
        return ""
    why = promotion.count.ended_why or PromotionCount.Why.DATE
    if why == PromotionCount.Why.LIMIT:
        return f"All gone: {counted(promotion.usage_limit or 0, 'use')}"
    if why == PromotionCount.Why.STOCK:
        return f"All gone: {counted(promotion.stock_units or 0, 'unit')} of {promotion.stock_sku}"
    return PromotionCount.Why.DATE.label


_STANDING = """(SELECT [what] FROM (
    SELECT r.currency, count(*) AS uses, sum(r.amount)::text AS amount FROM orders_redemption r
    WHERE r.promotion_id = %(expressions)s
    AND NOT EXISTS (SELECT FROM orders_redemptionrelease b WHERE b.redemption_id = r.id)
    GROUP BY r.currency) g)"""
_USES = _STANDING.replace("[what]", "coalesce(sum(g.uses), 0)")
_GIVEN = _STANDING.replace("[what]", "coalesce(jsonb_object_agg(g.currency, g.amount), '{}')")


def with_uses(rows: QuerySet[Promotion]) -> QuerySet[Promotion]:
    """Promotions with their count, `uses` and `given`, amounts by currency as text."""
    key = F("id")
    return rows.select_related("count").annotate(
        uses=Func(key, template=_USES, output_field=IntegerField()),
        given=Func(key, template=_GIVEN, output_field=JSONField()),
    )


def money_given(promotion: Promotion) -> tuple[Money, ...]:
    """What a promotion that was read with its uses has given, by currency."""
    given: dict[str, str] = vars(promotion)["given"]
    return tuple(Money(Decimal(amount), currency) for currency, amount in sorted(given.items()))
