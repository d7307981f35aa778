"""What promotions offer to rules: that one was used or ended, and that one is stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from automations.actions import Action, Call, Done, Rejected, actions
from automations.triggers import Fact, Trigger, labelled, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import OrderPayload
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.orders import Order
from orders.models.promotions import Promotion, PromotionCount, Redemption
from orders.services.errors import WrongState
from orders.services.promotions import stop_promotion

STOPPED = "stopped"
WHYS = (*PromotionCount.Why.choices, (STOPPED, "Somebody stopped it"))


@dataclass(frozen=True, slots=True)
class PromotionFacts:
    key: str = labelled("Promotion", about="Its key, such as spring-sale.")
    kind: str = labelled("Kind", choices=Promotion.Kind.choices)
    code: str | None = labelled("Code")
    why: str | None = labelled("Over because", choices=WHYS)
    usage_limit: int | None = labelled("Uses in all")
    stock_units: int | None = labelled("Units set aside")
    starts_at: datetime = labelled("Starts")
    ends_at: datetime | None = labelled("Ends")


@dataclass(frozen=True, slots=True)
class PromotionPayload:
    promotion: PromotionFacts = labelled("Promotion")


def promotion_payloads(ids: Iterable[int]) -> dict[int, PromotionPayload]:
    """Promotions as they stand now, by id."""
    rows = Promotion.objects.filter(pk__in=set(ids)).select_related("count")
    return {
        row.pk: PromotionPayload(
            PromotionFacts(
                key=row.key,
                kind=row.kind,
                code=row.code or None,
                why=(STOPPED if row.stopped_at else row.count.ended_why) or None,
                usage_limit=row.usage_limit,
                stock_units=row.stock_units,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
            )
        )
        for row in rows
    }


@triggers.register
class PromotionRedeemed(Trigger):
    key = "orders.promotion_redeemed"
    label = "Promotions used on an order"
    example = "Order 1000123 gets £5.00 off with the code SPRING: 10% of its goods."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.promotions_redeemed
    payload_class = OrderPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        redemptions: Sequence[Redemption],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        got = {row.order_id for row in redemptions}
        given = [order for order in orders if order.pk in got]
        payloads = payloads_of(given)
        return [
            Fact(
                order.pk,
                order.version,
                payloads[order.pk],
                order.placed_at,
                actor.of(order.pk),
                history,
            )
            for order in given
        ]

    def current(self, ids: Iterable[int]) -> dict[int, OrderPayload]:
        return order_payloads(ids)


@triggers.register
class PromotionEnded(Trigger):
    key = "orders.promotion_ended"
    label = "Promotion is over"
    example = "The last of 500 uses of SPRING is gone."
    subject = "orders.promotion"
    signal = signals.promotions_ended
    payload_class = PromotionPayload

    def facts(
        self, *, promotions: Sequence[Promotion], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = promotion_payloads(row.pk for row in promotions)
        now = timezone.now()
        return [
            Fact(row.pk, row.version, payloads[row.pk], now, actor.of(row.pk), history)
            for row in promotions
        ]

    def current(self, ids: Iterable[int]) -> dict[int, PromotionPayload]:
        return promotion_payloads(ids)


class StopForm(forms.Form):
    promotion = forms.CharField(
        label="Key of the promotion",
        max_length=40,
        help_text="The last part of its page’s address, such as spring-sale.",
    )
    reason = forms.CharField(label="Why", max_length=300)


@actions.register
class StopPromotion(Action):
    """Whatever the rule is about: an order with too large a discount, a product that runs low."""

    key = "orders.stop_promotion"
    label = "Stop a promotion"
    subject = ""
    form = StopForm
    permission = "orders.stop_promotion"
    announces = ("orders.promotion_ended",)
    minutes_by_hand = 2
    never_undone = "Starting a promotion takes two people. Ask for it on its page."

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        told = {"promotion.why": STOPPED}
        return {**told, "promotion.key": params["promotion"]} if params.get("promotion") else told

    def execute(self, call: Call) -> Done:
        key = call.params["promotion"]
        row = Promotion.objects.filter(key=key).first()
        if row is None:
            raise Rejected(f"There is no promotion {key}.")
        try:
            stop_promotion(row.pk, reason=call.params["reason"], actor=call.actor)
        except WrongState:
            return Done(f"“{row}” was off already", already=True)
        return Done(f"“{row}” is off")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Stop the promotion {params.get('promotion', '')}"
