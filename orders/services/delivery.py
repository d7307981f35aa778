"""Delivered or collected: changed until something has left, with the fee done anew."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction

from backoffice import timeline
from backoffice.actors import Acting
from inventory.models import Location
from orders import signals
from orders.models.axes import payment_axis
from orders.models.carriers import CarrierService
from orders.models.orders import Order
from orders.models.packages import Label
from orders.services.clock import set_ship_by
from orders.services.customs import ask_customs_again
from orders.services.errors import (
    AlreadyCancelled,
    AlreadyShipped,
    LabelExists,
    OrderError,
    PickingBegun,
    WrongAmount,
)
from orders.services.forwarding_marks import known_elsewhere, why_not_stopped
from orders.services.labels import void_label
from orders.services.outcomes import lock_order
from orders.services.pricing import step_of

Method = Order.Method


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an order is to leave. Collected: `pickup_at`; delivered: `service`, None the channel's.

    `fee` is what the customer pays for it, in the order's currency and as its prices are.
    """

    fee: Decimal
    pickup_at: Location | None = None
    service: CarrierService | None = None


def redeliver(
    order_id: int, wanted: Delivery, *, version: int | None = None, actor: Acting
) -> Order:
    """Switch an order between delivery and collection: labels voided, fee and tax done anew.

    Each live label is given back first, and the switch waits until its carrier agrees. What the
    customer then owes, or has paid too much, stands in the order's payment. Not inside a
    transaction that may be undone. Raises AlreadyShipped, AlreadyCancelled, PickingBegun,
    LabelExists, WrongAmount, OrderError, StaleVersion. Announces orders_redelivered.
    """
    order = _check(order_id, wanted, version)
    labels = Label.objects.filter(package__order=order, package__unpacked_at=None)
    voided = [
        void_label(pk, actor=actor)
        for pk in labels.filter(state__in=Label.LIVE).values_list("pk", flat=True)
    ]
    waiting = [label for label in voided if label.state != Label.State.VOIDED]
    if waiting:
        raise LabelExists(
            f"The carrier has not taken the label {waiting[0]} back yet. Try again when it has."
        )
    return _switch(order_id, wanted, actor)


@transaction.atomic
def _check(order_id: int, wanted: Delivery, version: int | None) -> Order:
    order = lock_order(order_id, version)
    _refuse(order, wanted)
    return order


def _refuse(order: Order, wanted: Delivery) -> None:
    if order.is_cancelled:
        raise AlreadyCancelled(f"Order {order} is cancelled. Nothing of it is delivered.")
    if order.fulfilment != Order.Fulfilment.UNSHIPPED:
        raise AlreadyShipped(f"Part of order {order} has left already.")
    if order.picking_since is not None:
        raise PickingBegun(f"Order {order} is being picked. Take it off the pick list first.")
    if elsewhere := known_elsewhere([order.pk]).get(order.pk):
        raise why_not_stopped(elsewhere)
    if wanted.fee < 0 or wanted.fee != wanted.fee.quantize(step_of(order.currency)):
        raise WrongAmount("A delivery fee is zero or more, in whole minor units.")
    place = wanted.pickup_at
    if place is not None and (place.kind != Location.Kind.INTERNAL or not place.is_active):
        raise OrderError(f"Nothing is collected at {place.name}. Choose a shop in use.")
    if place is None and not (order.ship_lines and order.ship_country):
        raise OrderError("Enter the delivery address first.")


@transaction.atomic
def _switch(order_id: int, wanted: Delivery, actor: Acting) -> Order:
    order = lock_order(order_id)
    _refuse(order, wanted)
    if Label.objects.filter(package__order=order, state__in=Label.LIVE).exists():
        raise LabelExists(f"Somebody has just got a label for order {order}. Try again.")
    before = order.total
    order.method = Method.PICKUP if wanted.pickup_at else Method.HOME
    order.pickup_at = wanted.pickup_at
    order.service = None if wanted.pickup_at else wanted.service
    _reprice(order, wanted.fee)
    set_ship_by([order])
    order.version += 1
    order.save(
        update_fields=[
            "method", "pickup_at", "service", "shipping", "shipping_tax", "tax", "total",
            "payment", "ship_by", "version",
        ]
    )  # fmt: skip
    ask_customs_again(order)
    how = f"collected at {wanted.pickup_at.name}" if wanted.pickup_at else "delivered"
    fee = order.money(wanted.fee)
    text = f"Is {how} from now on, for {fee}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor.of(order.pk))])
    signals.orders_redelivered.send(
        sender=Order,
        orders=[order],
        differences={order.pk: order.money(order.total - before)},
        actor=actor,
        history=False,
    )
    return order


def _reprice(order: Order, fee: Decimal) -> None:
    """The new fee with its tax at the old one's rate; a fee that was zero had no rate."""
    step, old = step_of(order.currency), order.shipping
    tax = (order.shipping_tax * fee / old).quantize(step, ROUND_HALF_UP) if old else Decimal(0)
    order.total += fee - old
    if not order.prices_include_tax:
        order.total += tax - order.shipping_tax
    order.tax += tax - order.shipping_tax
    order.shipping, order.shipping_tax = fee, tax
    order.payment = payment_axis(order.total, order.amount_paid, order.amount_refunded)
