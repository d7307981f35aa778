"""What finance does when orders and inventory announce: book it, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.dispatch import receiver

from backoffice.actors import Acting
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.exchanges import Credits, ask_for_exchange
from finance.services.sales import cancel_sales, post_credits, post_sales, post_shipments
from finance.services.stock import post_stock_moves
from inventory import signals as inventory
from inventory.models import StockMove
from orders import signals as orders
from orders.models.customers import Customer
from orders.models.exchanges import Exchange
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.queries.erasure import Part

NOTHING_TO_SHIP = Order.Fulfilment.NOTHING_TO_SHIP


@receiver(orders.orders_placed)
def sell_what_left_long_ago(
    sender: Any,
    *,
    orders: Sequence[Order],
    lines: Mapping[int, Sequence[OrderLine]],
    actor: Acting,
    history: bool,
    **kwargs: Any,
) -> None:
    """History arrives shipped; what needs no shipping is sold at once where bills come later."""
    sold = [order for order in orders if _is_sold_when_placed(order, history=history)]
    post_sales(sold, lines=lines, actor=actor, history=history)


@receiver(orders.orders_paid)
def sell_what_needs_no_shipping(
    sender: Any, *, orders: Sequence[Order], actor: Acting, history: bool, **kwargs: Any
) -> None:
    sold = [order for order in orders if order.fulfilment == NOTHING_TO_SHIP]
    post_sales(sold, actor=actor, history=history)


@receiver(orders.orders_shipped)
def sell_what_was_shipped(
    sender: Any, *, shipments: Sequence[Shipment], actor: Acting, history: bool, **kwargs: Any
) -> None:
    post_shipments(shipments, actor=actor, history=history)


@receiver(orders.orders_cancelled)
def take_cancelled_sales_back(
    sender: Any, *, orders: Sequence[Order], actor: Acting, **kwargs: Any
) -> None:
    cancel_sales(orders, actor=actor)


@receiver(orders.returns_received)
def credit_what_came_back(
    sender: Any, *, returns: Sequence[ReturnOrder], actor: Acting, history: bool, **kwargs: Any
) -> None:
    post_credits(returns, actor=actor, history=history)


@receiver(orders.returns_matched)
def credit_what_was_matched(
    sender: Any, *, returns: Sequence[ReturnOrder], actor: Acting, **kwargs: Any
) -> None:
    """What came in without a price has one now; a return that was credited is left alone."""
    here = [row for row in returns if row.received_at is not None]
    post_credits(here, actor=actor)


@receiver(orders.exchanges_made)
def move_the_money_of_exchanges(
    sender: Any,
    *,
    exchanges: Sequence[Exchange],
    credits: Mapping[int, Credits],
    actor: Acting,
    **kwargs: Any,
) -> None:
    for exchange in exchanges:
        ask_for_exchange(exchange, credits[exchange.pk], actor=actor.of(exchange.pk))


@receiver(inventory.stock_moved)
def book_stock(
    sender: Any, *, moves: Sequence[StockMove], actor: Acting, history: bool, **kwargs: Any
) -> None:
    post_stock_moves(moves, actor=actor, history=history)


def _is_sold_when_placed(order: Order, *, history: bool) -> bool:
    if order.fulfilment == Order.Fulfilment.SHIPPED:
        return True
    return order.fulfilment == NOTHING_TO_SHIP and (history or order.channel.ships_unpaid)


@receiver(orders.erasure_weighed)
def weigh(sender: Any, *, ids: Collection[int], **kwargs: Any) -> list[Part]:
    """What finance holds of customers: money moved, which tax law keeps, and free text."""
    refunds = Refund.objects.filter(order__customer__in=ids)
    noted = refunds.exclude(note="", decision_note="").count()
    payments = Payment.objects.filter(order__customer__in=ids).count()
    return [
        Part("Notes on refunds", noted, goes=True),
        Part("Payments, with amounts and references", payments, goes=False, why="tax law"),
        Part("Refunds, with amounts and reasons", refunds.count(), goes=False, why="tax law"),
    ]


@receiver(orders.customers_erased)
def forget_notes(sender: Any, *, customers: Sequence[Customer], **kwargs: Any) -> None:
    """Amounts, dates and reasons stay; what somebody wrote beside them goes."""
    mine = Refund.objects.filter(order__customer__in=customers)
    mine.update(note="", decision_note="")
