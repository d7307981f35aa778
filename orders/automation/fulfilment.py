"""Facts of the warehouse that rules can start on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.triggers import Fact, Trigger, labelled, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import CustomerFacts, OrderFacts, OrderPayload
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.orders import Order
from orders.models.shipments import Shipment


@dataclass(frozen=True, slots=True)
class ShipmentFacts:
    carrier: str | None = labelled("Carrier")
    tracking: str | None = labelled("Tracking number")
    shipped_at: datetime = labelled("Left")
    late: bool = labelled("After its cut-off")
    complete: bool = labelled("Nothing is left to ship")


@dataclass(frozen=True, slots=True)
class OrderShippedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    shipment: ShipmentFacts | None = labelled("Shipment")


class _OnOrders(Trigger):
    """A fact about orders that says no more than the order does."""

    subject = "orders.order"
    customer = "customer.number"
    payload_class = OrderPayload

    def facts(
        self, *, orders: Sequence[Order], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads, now = payloads_of(orders), timezone.now()
        return [
            Fact(order.pk, order.version, payloads[order.pk], now, actor.of(order.pk), history)
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, Any]:
        return dict(order_payloads(ids))


@triggers.register
class OrderPicking(_OnOrders):
    key = "orders.order_picking"
    label = "Order put on the pick list"
    example = "The warehouse begins to pick order 1000123."
    signal = signals.orders_picking


@triggers.register
class OrderRouted(_OnOrders):
    key = "orders.order_routed"
    label = "Order ships from another place"
    example = "What is left of order 1000123 ships from the shop in Leeds."
    signal = signals.orders_routed


@triggers.register
class OrderBackordered(_OnOrders):
    key = "orders.order_backordered"
    label = "Rest of an order promised for a day"
    example = "The two units that order 1000123 lacks are promised for 4 December."
    signal = signals.orders_backordered


@triggers.register
class OrderShipped(Trigger):
    key = "orders.order_shipped"
    label = "Order shipped, in whole or in part"
    example = "A parcel with 2 of the 5 units of order 1000123 leaves."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_shipped
    # What left then does not change; the order does.
    fixed = ("shipment",)
    payload_class = OrderShippedPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        shipments: Sequence[Shipment],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads = payloads_of(orders)
        by_id = {order.pk: order for order in orders}
        return [
            Fact(
                shipment.order_id,
                by_id[shipment.order_id].version,
                _shipped(by_id[shipment.order_id], payloads[shipment.order_id], shipment),
                shipment.shipped_at,
                actor.of(shipment.order_id),
                history,
            )
            for shipment in shipments
        ]

    def current(self, ids: Iterable[int]) -> dict[int, OrderShippedPayload]:
        payloads = order_payloads(ids)
        orders = Order.objects.in_bulk(payloads)
        rows = Shipment.objects.filter(order_id__in=list(payloads)).order_by("shipped_at", "pk")
        latest = {shipment.order_id: shipment for shipment in rows}
        return {
            pk: _shipped(orders[pk], payload, latest.get(pk)) for pk, payload in payloads.items()
        }


def _shipped(order: Order, payload: OrderPayload, shipment: Shipment | None) -> OrderShippedPayload:
    if shipment is None:
        return OrderShippedPayload(payload.order, payload.customer, None)
    facts = ShipmentFacts(
        carrier=shipment.carrier or None,
        tracking=shipment.tracking or None,
        shipped_at=shipment.shipped_at,
        late=order.ship_by is not None and shipment.shipped_at > order.ship_by,
        complete=order.fulfilment == Order.Fulfilment.SHIPPED,
    )
    return OrderShippedPayload(payload.order, payload.customer, facts)
