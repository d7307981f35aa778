"""What marketplaces say of their orders, for rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from automations.triggers import Fact, Trigger, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import MarketFacts, MarketPayload, OrderPayload
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.market import MarketOrder
from orders.models.orders import Order


@triggers.register
class MarketChanged(Trigger):
    key = "orders.market_changed"
    label = "Marketplace said something of an order"
    example = "The marketplace cancelled order 1000123."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.market_changed
    payload_class = MarketPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        markets: Mapping[int, MarketOrder],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads, now = payloads_of(orders), timezone.now()
        return [
            Fact(
                order.pk,
                order.version,
                _told(payloads[order.pk], markets[order.pk]),
                now,
                actor.of(order.pk),
                history=history,
            )
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, MarketPayload]:
        payloads = order_payloads(ids)
        rows = {row.order_id: row for row in MarketOrder.objects.filter(order__in=payloads)}
        return {pk: _told(payloads[pk], row) for pk, row in rows.items()}


def _told(payload: OrderPayload, row: MarketOrder) -> MarketPayload:
    return MarketPayload(payload.order, payload.customer, MarketFacts(row.status, row.ship_latest))
