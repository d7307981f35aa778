"""The figures kept about customers, written down when orders change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import connection

from backoffice.actors import Acting, Actors
from backoffice.money import Money
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.services.vip import settle_vips

# Rows come in key order, so that no two transactions wait for each other crosswise.
_COUNT_DAYS = """
INSERT INTO orders_customerday AS d (customer_id, day, orders, spend)
SELECT customer_id, day, sum(orders), sum(spend)
FROM unnest(%s::bigint[], %s::date[], %s::int[], %s::numeric[])
    AS n(customer_id, day, orders, spend)
GROUP BY customer_id, day ORDER BY customer_id, day
ON CONFLICT (customer_id, day) DO UPDATE
SET orders = d.orders + excluded.orders, spend = d.spend + excluded.spend
"""
# Everything a customer's figures are made of stands in their orders.
_RECOUNT = """
UPDATE orders_customer c SET version = c.version + 1,
    orders_count = f.orders, orders_returned = f.returned, last_order_at = f.last,
    spend_currency = f.currency, lifetime_spend = f.spend
FROM (
    SELECT w.id, coalesce(w.currency, '') AS currency,
        count(o.id) FILTER (WHERE o.cancelled_at IS NULL) AS orders,
        count(o.id) FILTER (WHERE o.returns IN ('part_returned', 'returned')) AS returned,
        max(o.placed_at) AS last,
        coalesce(sum(o.amount_paid - o.amount_refunded)
            FILTER (WHERE o.currency = w.currency), 0) AS spend
    FROM (SELECT i.id, (SELECT o.currency FROM orders_order o WHERE o.customer_id = i.id
                        ORDER BY o.placed_at, o.id LIMIT 1) AS currency
          FROM unnest(%s::bigint[]) AS i(id)) w
    LEFT JOIN orders_order o ON o.customer_id = w.id
    GROUP BY w.id, w.currency
) f WHERE c.id = f.id
"""
_RECOUNT_DAYS = """
INSERT INTO orders_customerday (customer_id, day, orders, spend)
SELECT o.customer_id, (o.placed_at AT TIME ZONE 'UTC')::date,
    count(*) FILTER (WHERE o.cancelled_at IS NULL),
    coalesce(sum(o.amount_paid - o.amount_refunded) FILTER (WHERE o.currency = c.spend_currency), 0)
FROM orders_order o JOIN orders_customer c ON c.id = o.customer_id
WHERE o.customer_id = ANY(%s) GROUP BY 1, 2
"""


def lock_customers(ids: Iterable[int]) -> dict[int, Customer]:
    """Lock customers by key; after orders and before stock levels in the house's order."""
    rows = Customer.objects.select_for_update(no_key=True).filter(pk__in=set(ids)).order_by("pk")
    return {customer.pk: customer for customer in rows}


def count_placed(orders: Sequence[Order], customers: dict[int, Customer]) -> None:
    """Give each new order its place among its customer's, and count it. Customers are locked.

    The customers' figures are changed in memory too.
    """
    placed: dict[int, int] = defaultdict(int)
    for order in sorted(orders, key=lambda order: order.placed_at):
        if order.customer_id is None:
            continue
        customer = customers[order.customer_id]
        order.orders_before = customer.orders_count
        customer.orders_count += 1
        customer.spend_currency = customer.spend_currency or order.currency
        last: datetime | None = customer.last_order_at
        customer.last_order_at = order.placed_at if last is None else max(last, order.placed_at)
        placed[customer.pk] += 1
    if not placed:
        return
    _count_days((order, 1, Decimal(0)) for order in orders)
    touched = [customers[pk] for pk in sorted(placed)]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_customer c SET orders_count = d.count, last_order_at = d.last, "
            "spend_currency = d.currency, version = c.version + 1 "
            "FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::text[]) "
            "AS d(id, count, last, currency) WHERE c.id = d.id",
            [
                [customer.pk for customer in touched],
                [customer.orders_count for customer in touched],
                [customer.last_order_at for customer in touched],
                [customer.spend_currency for customer in touched],
            ],
        )


def uncount_cancelled(orders: Iterable[Order]) -> None:
    """Take cancelled orders out of their customers' counts."""
    rows = list(orders)
    counts: dict[int, int] = defaultdict(int)
    for order in rows:
        if order.customer_id is not None:
            counts[order.customer_id] += 1
    lock_customers(counts)
    _count_days((order, -1, Decimal(0)) for order in rows)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_customer c SET orders_count = c.orders_count - d.count, "
            "version = c.version + 1 FROM unnest(%s::bigint[], %s::int[]) AS d(id, count) "
            "WHERE c.id = d.id",
            [list(counts), list(counts.values())],
        )


def add_spend(changes: Iterable[tuple[Order, Money]], *, actor: Acting, history: bool) -> None:
    """Add what customers paid (negative: what was refunded) to their lifetime spend.

    An amount in another currency than a customer's first order is left out rather than converted.
    `actor` is asked by order id. Announces customers_became_vip and customers_lost_vip.
    """
    spend: dict[int, Decimal] = defaultdict(Decimal)
    actors = {}
    rows = [(order, amount) for order, amount in changes if order.customer_id is not None]
    customers = lock_customers(order.customer_id for order, _ in rows if order.customer_id)
    counted = []
    for order, amount in rows:
        customer = customers[order.customer_id or 0]
        if customer.spend_currency == amount.currency:
            spend[customer.pk] += amount.amount
            actors[customer.pk] = actor.of(order.pk)
            counted.append((order, 0, amount.amount))
    if not spend:
        return
    _count_days(counted)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_customer c SET lifetime_spend = c.lifetime_spend + d.amount, "
            "version = c.version + 1 "
            "FROM unnest(%s::bigint[], %s::numeric[]) AS d(id, amount) WHERE c.id = d.id",
            [list(spend), list(spend.values())],
        )
    for pk, added in spend.items():
        customers[pk].lifetime_spend += added
        customers[pk].version += 1
    settle_vips([customers[pk] for pk in sorted(spend)], actor=Actors(actors), history=history)


def count_returned_orders(changes: Mapping[int, int]) -> None:
    """Add to the number of orders that customers sent something back of; the orders are locked."""
    moved = {pk: change for pk, change in changes.items() if change}
    if not moved:
        return
    lock_customers(moved)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_customer c SET orders_returned = c.orders_returned + d.count, "
            "version = c.version + 1 FROM unnest(%s::bigint[], %s::int[]) AS d(id, count) "
            "WHERE c.id = d.id",
            [list(moved), list(moved.values())],
        )


def recount(ids: Iterable[int]) -> None:
    """Work out the figures of locked customers anew, from their orders."""
    wanted = sorted(set(ids))
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [wanted])
        cursor.execute("DELETE FROM orders_customerday WHERE customer_id = ANY(%s)", [wanted])
        cursor.execute(_RECOUNT_DAYS, [wanted])


def _day(order: Order) -> date:
    return order.placed_at.astimezone(UTC).date()


def _count_days(changes: Iterable[tuple[Order, int, Decimal]]) -> None:
    """Add orders and amounts to the days on which the orders were placed; customers are locked."""
    rows = [
        (order.customer_id, _day(order), orders, spend)
        for order, orders, spend in changes
        if order.customer_id is not None
    ]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_DAYS, columns)
