"""The sub-ledger: every change of it stands beside an entry on the customer accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import F

from finance.models.balances import OrderBalance
from finance.services.errors import WrongCurrency
from orders.models.orders import Order

NIL = Decimal(0)

# One statement for thousands of orders; rows are taken in key order, as everywhere.
_ADD = """
INSERT INTO finance_orderbalance AS held
    (order_id, entity_id, currency, charged, credited, paid, refunded, reserved)
SELECT o.id, c.legal_entity_id, o.currency, new.charged, new.credited, new.paid, 0, 0
  FROM unnest(%s::bigint[], %s::numeric[], %s::numeric[], %s::numeric[])
       AS new (order_id, charged, credited, paid)
  JOIN orders_order o ON o.id = new.order_id
  JOIN orders_channel c ON c.id = o.channel_id
 ORDER BY o.id
ON CONFLICT (order_id) DO UPDATE
   SET charged = held.charged + excluded.charged,
       credited = held.credited + excluded.credited,
       paid = held.paid + excluded.paid
"""


@dataclass(slots=True)
class Change:
    """What to add to one order's balance, in the order's currency."""

    charged: Decimal = NIL
    credited: Decimal = NIL
    paid: Decimal = NIL


def add_to_balances(changes: Mapping[int, Change]) -> None:
    """Add to balances by order id; an order's first change makes its row."""
    if not changes:
        return
    keys = sorted(changes)
    columns = [
        [getattr(changes[key], name) for key in keys] for name in ("charged", "credited", "paid")
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [keys, *columns])


def balance_of(order: Order) -> OrderBalance:
    """The order's balance, locked; an empty one when nothing moved yet.

    The caller holds the order's lock, so nobody else makes the row meanwhile.
    """
    found = OrderBalance.objects.select_for_update(no_key=True).filter(order=order).first()
    return found or OrderBalance(
        order=order, entity_id=order.channel.legal_entity_id, currency=order.currency
    )


def reserve(order_id: int, amount: Decimal) -> None:
    """Set an amount aside for a request; PostgreSQL refuses more than was paid."""
    OrderBalance.objects.filter(order_id=order_id).update(reserved=F("reserved") + amount)


def release(order_id: int, amount: Decimal) -> None:
    """Give back what a request had set aside."""
    OrderBalance.objects.filter(order_id=order_id).update(reserved=F("reserved") - amount)


def refund(order_id: int, amount: Decimal, *, credited: Decimal) -> None:
    """Turn a set-aside amount into a refund; `credited` is the part no credit stood for yet."""
    OrderBalance.objects.filter(order_id=order_id).update(
        reserved=F("reserved") - amount,
        refunded=F("refunded") + amount,
        credited=F("credited") + credited,
    )


def check_currency(order: Order, currency: str) -> None:
    """Raise WrongCurrency when an amount is not in the order's currency."""
    if order.currency != currency:
        raise WrongCurrency(
            f"Order {order.number} is in {order.currency}, not {currency}. "
            f"Enter the amount in {order.currency}."
        )


def sums_by_order(pairs: Iterable[tuple[int, Decimal]]) -> dict[int, Decimal]:
    result: dict[int, Decimal] = defaultdict(Decimal)
    for key, amount in pairs:
        result[key] += amount
    return dict(result)
