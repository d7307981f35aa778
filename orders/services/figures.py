"""The figures kept about customers, written down when orders change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection

from backoffice.money import Money
from orders.models.customers import Customer
from orders.models.orders import Order


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
    counts: dict[int, int] = defaultdict(int)
    for order in orders:
        if order.customer_id is not None:
            counts[order.customer_id] += 1
    lock_customers(counts)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_customer c SET orders_count = c.orders_count - d.count, "
            "version = c.version + 1 FROM unnest(%s::bigint[], %s::int[]) AS d(id, count) "
            "WHERE c.id = d.id",
            [list(counts), list(counts.values())],
        )


def add_spend(changes: Iterable[tuple[Order, Money]]) -> None:
    """Add what customers paid (negative: what was refunded) to their lifetime spend.

    An amount in another currency than a customer's first order is left out rather than converted.
    """
    spend: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for order, amount in changes:
        if order.customer_id is not None:
            spend[order.customer_id, amount.currency] += amount.amount
    lock_customers(pk for pk, _ in spend)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_customer c SET lifetime_spend = c.lifetime_spend + d.amount, "
            "version = c.version + 1 "
            "FROM unnest(%s::bigint[], %s::text[], %s::numeric[]) AS d(id, currency, amount) "
            "WHERE c.id = d.id AND c.spend_currency = d.currency",
            [
                [pk for pk, _ in spend],
                [currency for _, currency in spend],
                list(spend.values()),
            ],
        )
