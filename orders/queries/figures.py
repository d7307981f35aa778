"""What rules look at on orders, read for many orders in a handful of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Sum

from backoffice.sets import Reader, id_list
from inventory.models import Location
from orders.models.channels import Channel
from orders.models.claims import Claim
from orders.models.customers import Customer
from orders.models.orders import Order, OrderLine
from orders.models.promotions import Redemption
from orders.models.returns import ReturnLine, ReturnOrder

_ORDERS, _CUSTOMERS, _CHANNELS = Reader(Order), Reader(Customer), Reader(Channel)
_LOCATIONS = Reader(Location)


# By hand, like the readers: putting a query set together takes longer than the answer.
_LINES = """
SELECT l.order_id, l.kind, s.code, l.is_fragile, l.quantity, l.unit_price, l.line_total
FROM orders_orderline l LEFT JOIN inventory_sku s ON s.id = l.sku_id
WHERE l.order_id = ANY(%s::bigint[]) ORDER BY l.order_id, l.position
"""


class LineFigures(NamedTuple):
    """One line's figures, in its order's currency; `sku` None on lines that are no product."""

    kind: str
    sku: str | None
    is_fragile: bool
    quantity: int
    unit_price: Decimal
    line_total: Decimal


def orders_by_id(ids: Iterable[int]) -> dict[int, Order]:
    """Orders with their channel, customer and place."""
    return {order.id: order for order in with_parties(_ORDERS.read(ids))}


def with_parties(orders: Sequence[Order]) -> Sequence[Order]:
    """See to it that these orders have their channel, customer and place at hand."""
    _attach(orders, "customer", _CUSTOMERS)
    _attach(orders, "channel", _CHANNELS)
    _attach(orders, "location", _LOCATIONS)
    return orders


def _attach(orders: Sequence[Order], name: str, reader: Reader[Any]) -> None:
    """As a prefetch does, without its checks of each row."""
    missing = [order for order in orders if name not in order._state.fields_cache]
    keys = {key for order in missing if (key := getattr(order, f"{name}_id")) is not None}
    found = {each.pk: each for each in reader.read(keys)} if keys else {}
    for order in missing:
        order._state.fields_cache[name] = found.get(getattr(order, f"{name}_id"))


def lines_by_order(
    order_ids: Iterable[int], known: Mapping[int, Sequence[OrderLine]] | None = None
) -> dict[int, list[LineFigures]]:
    """The figures of each order's lines, in their order; `known` saves reading them."""
    if known is not None:
        return {pk: [_figures(line) for line in known.get(pk, ())] for pk in order_ids}
    found: dict[int, list[LineFigures]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_LINES, [id_list(set(order_ids))])
        for order_id, *figures in cursor.fetchall():
            found[order_id].append(LineFigures(*figures))
    return found


class Inspected(NamedTuple):
    """Units of a return's goods that went back in stock, and that were scrapped."""

    restocked: int
    scrapped: int


def inspected_by_return(return_ids: Iterable[int]) -> dict[int, Inspected]:
    """What inspections found, by return; those without goods are left out."""
    rows = (
        ReturnLine.objects.filter(return_order_id__in=set(return_ids), kind=OrderLine.Kind.STOCK)
        .values_list("return_order_id")
        .annotate(back=Sum("restocked"), gone=Sum("scrapped"))
    )
    return {pk: Inspected(back, gone) for pk, back, gone in rows}


class ClaimFigures(NamedTuple):
    """One claim about an order, as a return of that order sees it."""

    is_open: bool
    opened_at: datetime


def claims_by_order(order_ids: Iterable[int]) -> dict[int, list[ClaimFigures]]:
    """The claims about each order; those without any are left out."""
    rows = Claim.objects.filter(order_id__in=set(order_ids)).order_by("pk")
    found: dict[int, list[ClaimFigures]] = defaultdict(list)
    for order_id, state, opened_at in rows.values_list("order_id", "state", "opened_at"):
        found[order_id].append(ClaimFigures(state == Claim.State.OPEN, opened_at))
    return found


def _figures(line: OrderLine) -> LineFigures:
    return LineFigures(
        line.kind,
        line.sku.code if line.sku else None,
        line.is_fragile,
        line.quantity,
        line.unit_price,
        line.line_total,
    )


def promotions_of(orders: Iterable[Order]) -> dict[int, list[str]]:
    """The keys of the promotions that orders got; those without any are left out."""
    ids = [order.id for order in orders if order.discount_on_lines]
    found: dict[int, list[str]] = defaultdict(list)
    if ids:
        rows = Redemption.objects.filter(order__in=ids).order_by("promotion__key")
        for order_id, key in rows.values_list("order_id", "promotion__key"):
            found[order_id].append(key)
    return found


def returns_by_id(ids: Iterable[int]) -> dict[int, ReturnOrder]:
    """Returns with their order, channel and customer."""
    rows = ReturnOrder.objects.filter(pk__in=set(ids)).select_related(
        "order__channel", "order__customer", "customer", "channel"
    )
    return {row.pk: row for row in rows}


def return_lines(return_ids: Iterable[int]) -> dict[int, list[LineFigures]]:
    """The figures of each return's lines."""
    rows = (
        ReturnLine.objects.filter(return_order_id__in=set(return_ids))
        .order_by("return_order_id", "pk")
        .values_list(
            "return_order_id",
            "kind",
            "sku__code",
            "order_line__is_fragile",
            "quantity",
            "unit_price",
            "line_total",
        )
    )
    found: dict[int, list[LineFigures]] = defaultdict(list)
    for return_id, kind, sku, is_fragile, quantity, price, total in rows:
        found[return_id].append(LineFigures(kind, sku, bool(is_fragile), quantity, price, total))
    return found


# Someone who pressed twice does so within minutes, or the next morning when no mail has come.
ALIKE_HOURS = 24


def alike_before(orders: Iterable[Order]) -> dict[int, int]:
    """How many orders of the same customer, total and units came up to a day before each.

    Cancelled ones count too, so that the figure never changes. Orders that have none are left out.
    """
    ids = [order.id for order in orders if order.customer_id is not None]
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.id, count(*) FROM orders_order o JOIN orders_order e "
            "ON e.customer_id = o.customer_id AND e.placed_at <= o.placed_at "
            "AND e.placed_at >= o.placed_at - make_interval(hours => %s) "
            "AND (e.placed_at, e.id) < (o.placed_at, o.id) "
            "AND (e.total, e.currency, e.units) = (o.total, o.currency, o.units) "
            "WHERE o.id = ANY(%s) GROUP BY o.id",
            [ALIKE_HOURS, ids],
        )
        return dict(cursor.fetchall())
