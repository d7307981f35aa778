"""Finding the order of a return after all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from backoffice.actors import Acting
from backoffice.money import Money
from backoffice.sets import save_many
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.orders import OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.services.drafts import ZERO
from orders.services.errors import OrderError, WrongState
from orders.services.outcomes import lock_orders, unknown
from orders.services.returnable import (
    count_returned,
    refuse_too_many,
    settle_axes,
    take_promotions_off,
)
from orders.services.returns import tell_returns
from orders.services.window import set_window


@transaction.atomic
def match_return(
    return_id: int,
    order_id: int,
    lines: Mapping[int, int],
    *,
    version: int | None = None,
    actor: Acting,
) -> ReturnOrder:
    """Give a return its order; `lines` maps its product lines to lines of the order.

    Goods stay where they are; what nobody knew the price of costs what it was sold for. Announces
    returns_matched. Raises UnknownOrder, WrongState when it has an order already, TooMany,
    OrderError, StaleVersion. `actor` is asked by return id.
    """
    orders = lock_orders([order_id])
    for error in unknown([order_id], orders).values():
        raise error
    row = ReturnOrder.objects.select_for_update(no_key=True).get(pk=return_id)
    refuse_stale([row], None if version is None else {return_id: version})
    if row.order_id is not None:
        raise WrongState(f"Return {row} has its order already.")
    back = list(row.lines.select_related("sku").order_by("pk"))
    sold = OrderLine.objects.filter(order_id=order_id).in_bulk(lines.values())
    _link(back, lines, sold)
    refuse_too_many(back, sold)
    _price(back, row.currency)
    row.order = orders[0]
    row.customer_id = orders[0].customer_id
    row.unmatched_cause = ""
    row.amount = sum((line.line_total for line in back), ZERO)
    set_window([row])
    row.version += 1
    row.save(
        update_fields=[
            "order",
            "customer",
            "unmatched_cause",
            "amount",
            "return_by",
            "is_late",
            "version",
        ]
    )
    save_many(back, ["order_line", "unit_price", "line_total"])
    if row.received_at is not None:
        count_returned(back)
    settle_axes(orders)
    tell_returns([row], f"Return {{number}} belongs to order {orders[0]}", actor, at=None)
    signals.returns_matched.send(sender=ReturnOrder, returns=[row], actor=actor, history=False)
    return row


def _price(back: Sequence[ReturnLine], currency: str) -> None:
    """Give goods that were taken down without a price the one they were sold for."""
    fresh = [line for line in back if line.order_line is not None and not line.unit_price]
    for line in fresh:
        if line.order_line is not None:
            line.unit_price = line.order_line.unit_price
            worth = Money(line.unit_price * line.quantity, currency)
            line.line_total = worth.rounded().amount
    take_promotions_off(fresh, currency)


def _link(
    back: Sequence[ReturnLine], lines: Mapping[int, int], sold: Mapping[int, OrderLine]
) -> None:
    """Point each product line at the line it came from; raises OrderError where that is wrong."""
    for line in back:
        if line.kind != OrderLine.Kind.STOCK:
            continue
        order_line = sold.get(lines.get(line.pk, 0))
        if order_line is None or order_line.sku_id != line.sku_id:
            raise OrderError(f"The order has no such line for {line.sku} of the return.")
        line.order_line = order_line
