"""What finance writes down on orders: money received, money given back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.money import Money
from backoffice.sets import save_many
from orders import signals
from orders.models.axes import payment_axis
from orders.models.orders import Order
from orders.services.clock import set_ship_by
from orders.services.errors import UnknownOrder, WrongAmount
from orders.services.figures import add_spend
from orders.services.outcomes import lock_orders
from orders.services.reviews import release_paid


@dataclass(frozen=True, slots=True)
class Amount:
    """Money received for an order, or given back; `at` None means now."""

    order_id: int
    money: Money
    at: datetime | None = None


@transaction.atomic
def mark_orders_paid(
    amounts: Sequence[Amount], *, actor: Acting, history: bool = False
) -> list[Order]:
    """Add amounts received to orders; finance keeps each from being counted twice.

    An amount may be part of what is due, or more; a cancelled order takes money too, for it is a
    fact. Raises UnknownOrder, WrongAmount. Announces orders_paid for orders that are now paid in
    full for the first time. Returns the orders.
    """
    orders = _locked(amounts)
    changes = []
    for amount in amounts:
        order = orders[amount.order_id]
        order.amount_paid += amount.money.amount
        changes.append((order, amount.money))
    at = _times(amounts)
    settled = []
    for order in orders.values():
        if order.paid_at is None and order.amount_paid >= order.total:
            order.paid_at = at[order.pk]
            settled.append(order)
    # The promise counts from the payment.
    set_ship_by(settled)
    _save(orders.values(), ["amount_paid", "paid_at", "ship_by"])
    add_spend(changes, actor=actor, history=history)
    _tell(amounts, orders, "Received {}", actor)
    if settled:
        release_paid(settled, actor=actor)
        signals.orders_paid.send(sender=Order, orders=settled, actor=actor, history=history)
    return list(orders.values())


@transaction.atomic
def record_refunded(
    amounts: Sequence[Amount], *, actor: Acting, history: bool = False
) -> list[Order]:
    """Add amounts given back to orders; finance keeps each from being counted twice.

    Raises UnknownOrder, and WrongAmount when more would be refunded than was paid. Announces
    orders_refunded. Returns the orders.
    """
    orders = _locked(amounts)
    given: dict[int, Money] = {}
    for amount in amounts:
        order = orders[amount.order_id]
        order.amount_refunded += amount.money.amount
        given[order.pk] = given[order.pk] + amount.money if order.pk in given else amount.money
        if order.amount_refunded > order.amount_paid:
            raise WrongAmount(
                f"Order {order} has {order.money(order.amount_paid)} paid, so "
                f"{order.money(order.amount_refunded)} can't be refunded in all."
            )
    _save(orders.values(), ["amount_refunded"])
    given_back = ((orders[amount.order_id], -amount.money) for amount in amounts)
    add_spend(given_back, actor=actor, history=history)
    _tell(amounts, orders, "Refunded {}", actor)
    if orders:
        signals.orders_refunded.send(
            sender=Order, orders=list(orders.values()), amounts=given, actor=actor, history=history
        )
    return list(orders.values())


def _locked(amounts: Sequence[Amount]) -> dict[int, Order]:
    orders = {order.pk: order for order in lock_orders(amount.order_id for amount in amounts)}
    for amount in amounts:
        order = orders.get(amount.order_id)
        if order is None:
            raise UnknownOrder("This order does not exist any more.")
        if amount.money.amount <= 0 or amount.money.currency != order.currency:
            raise WrongAmount(
                f"Order {order} takes amounts above zero in {order.currency}, not {amount.money}."
            )
    return orders


def _times(amounts: Iterable[Amount]) -> dict[int, datetime]:
    """When the last amount of each order came."""
    now = timezone.now()
    times: dict[int, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=now.tzinfo))
    for amount in amounts:
        times[amount.order_id] = max(times[amount.order_id], amount.at or now)
    return times


def _save(orders: Iterable[Order], fields: list[str]) -> None:
    rows = list(orders)
    for order in rows:
        order.payment = payment_axis(order.total, order.amount_paid, order.amount_refunded)
        order.version += 1
    save_many(rows, [*fields, "payment", "version"])


def _tell(amounts: Sequence[Amount], orders: dict[int, Order], text: str, actor: Acting) -> None:
    timeline.record(
        timeline.Happened(
            "orders.order",
            amount.order_id,
            text.format(amount.money),
            actor.of(amount.order_id),
            at=amount.at,
        )
        for amount in amounts
    )
