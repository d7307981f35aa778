"""Taking down what a customer wants to send back, whether the order is known or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import Sum

from backoffice.actors import Actor
from orders.models.channels import Channel
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.queries.references import Ambiguous, by_reference
from orders.services.errors import OrderError
from orders.services.matching import match_return
from orders.services.outcomes import lock_orders
from orders.services.returns import NewReturn, NewReturnLine, request_returns


@transaction.atomic
def take_down_return(
    channel: Channel,
    reference: str,
    goods: Mapping[str, int],
    *,
    reason: ReturnOrder.Reason,
    actor: Actor,
) -> ReturnOrder:
    """Record a request for goods by SKU code; `reference` is our order's number or the shop's.

    Where no order fits, the return waits in the queue of those without one, with its cause.
    Raises UnknownSku, OrderError.
    """
    if not goods:
        raise OrderError("Say which goods come back, at least one.")
    order, cause = _order_of(reference)
    lines: tuple[NewReturnLine, ...] | None = None
    if order is not None:
        lines = _lines_of(order, goods)
        cause = "" if lines else "not_in_order"
    loose = tuple(NewReturnLine(count, sku=code) for code, count in sorted(goods.items()))
    new = NewReturn(
        channel=order.channel if order and lines else channel,
        lines=lines or loose,
        order_id=order.pk if order and lines else None,
        unmatched_cause=cause,
        reason=reason,
    )
    (row,) = request_returns([new], actor=actor)
    return row


def _order_of(reference: str) -> tuple[Order | None, str]:
    """The order, locked, or in a code why none was found."""
    wanted = reference.strip()
    if not wanted:
        return None, "no_number_given"
    found = by_reference({wanted}).get(wanted)
    if isinstance(found, Ambiguous):
        return None, "several_orders"
    if found is None:
        return None, "no_such_order"
    return lock_orders([found])[0], ""


def _lines_of(order: Order, goods: Mapping[str, int]) -> tuple[NewReturnLine, ...] | None:
    """The goods as lines of the order; None when it does not hold so many that can come back."""
    left = dict(goods)
    lines = []
    for line, free in can_come_back(order):
        code = line.sku.code if line.sku else ""
        take = min(free, left.get(code, 0))
        if take:
            left[code] -= take
            lines.append(NewReturnLine(take, order_line_id=line.pk))
    return None if any(left.values()) else tuple(lines)


def can_come_back(order: Order) -> Sequence[tuple[OrderLine, int]]:
    """The order's products, and how many units of each can still be sent back."""
    rows = order.lines.filter(kind=OrderLine.Kind.STOCK).select_related("sku")
    coming = dict(
        ReturnLine.objects.filter(
            order_line__order=order, return_order__state__in=ReturnOrder.COMING
        )
        .values_list("order_line")
        .annotate(Sum("quantity"))
    )
    return [
        (line, line.quantity_shipped - line.quantity_returned - coming.get(line.pk, 0))
        for line in rows.order_by("position")
    ]


@transaction.atomic
def find_order_of(
    return_id: int, reference: str, *, version: int | None = None, actor: Actor
) -> ReturnOrder:
    """Give a return the order of this number, its goods by SKU among the order's lines.

    Raises OrderError where there is no such order or it does not fit, WrongState, StaleVersion.
    """
    order, cause = _order_of(reference)
    if order is None:
        said = "Several orders have" if cause == "several_orders" else "There is no order of"
        raise OrderError(f"{said} the number {reference.strip()}.")
    free = [(line, left) for line, left in can_come_back(order) if left > 0]
    lines = {}
    for back in ReturnLine.objects.filter(return_order=return_id, kind=OrderLine.Kind.STOCK):
        fits = next(
            (
                pair
                for pair in enumerate(free)
                if pair[1][0].sku_id == back.sku_id and pair[1][1] >= back.quantity
            ),
            None,
        )
        if fits is None:
            raise OrderError(f"Order {order} has no {back} that can still come back.")
        place, (line, left) = fits
        free[place] = (line, left - back.quantity)
        lines[back.pk] = line.pk
    return match_return(return_id, order.pk, lines, version=version, actor=actor)
