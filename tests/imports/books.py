"""What the books say after an import, in figures that do not depend on keys or on when it ran."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import connection

from backoffice.models import LegalEntity
from finance.queries import trial_balance
from inventory.queries.levels import levels_that_differ
from orders.models.orders import Order
from orders.queries.checks import orders_that_differ

# Everything an import writes, each in the order of its own numbers and codes.
_ALL = {
    "orders": """
        SELECT o.number, c.number, o.payment, o.fulfilment, o.returns, o.total, o.amount_paid,
               o.units, o.line_count, o.ship_country, o.placed_at, o.cancelled_at, o.orders_before,
               o.is_history
        FROM orders_order o LEFT JOIN orders_customer c ON c.id = o.customer_id""",
    "lines": """
        SELECT o.number, l.position, l.kind, s.code, l.description, l.quantity, l.quantity_shipped,
               l.quantity_cancelled, l.quantity_returned, l.unit_price, l.line_total,
               l.source_document, l.source_row
        FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
        LEFT JOIN inventory_sku s ON s.id = l.sku_id""",
    "returns": """
        SELECT r.number, o.number, r.unmatched_cause, r.state, r.amount, r.units, l.quantity,
               l.unit_price, s.code, l.source_row, r.received_at
        FROM orders_returnorder r JOIN orders_returnline l ON l.return_order_id = r.id
        LEFT JOIN orders_order o ON o.id = r.order_id
        LEFT JOIN inventory_sku s ON s.id = l.sku_id""",
    "moves": """
        SELECT s.code, f.code, t.code, m.quantity, m.reason, m.note, m.occurred_at
        FROM inventory_stockmove m JOIN inventory_sku s ON s.id = m.sku_id
        JOIN inventory_location f ON f.id = m.from_location_id
        JOIN inventory_location t ON t.id = m.to_location_id""",
    "levels": """
        SELECT s.code, p.code, l.on_hand FROM inventory_stocklevel l
        JOIN inventory_sku s ON s.id = l.sku_id
        JOIN inventory_location p ON p.id = l.location_id""",
    "postings": """
        SELECT e.code, e.reference, e.posted_on, a.role, l.debit, l.credit, l.memo
        FROM finance_journalline l JOIN finance_journalentry e ON e.id = l.entry_id
        JOIN finance_account a ON a.id = l.account_id WHERE e.code <> 'payment'""",
    "payments": "SELECT external_id, amount, received_at, is_history FROM finance_payment",
    "customers": """
        SELECT number, country, orders_count, lifetime_spend, last_order_at FROM orders_customer""",
    "documents": "SELECT number, kind, lines FROM roof_importeddocument",
}
# The running balance of each product in each place of ours, whatever rises first at an instant.
_LOWEST = """
SELECT coalesce(min(balance), 0) FROM (
    SELECT sum(change) OVER (
        PARTITION BY sku_id, place ORDER BY occurred_at, change DESC
        ROWS UNBOUNDED PRECEDING) AS balance
    FROM (
        SELECT sku_id, to_location_id AS place, occurred_at, quantity AS change
        FROM inventory_stockmove
        UNION ALL
        SELECT sku_id, from_location_id, occurred_at, -quantity FROM inventory_stockmove) moved
    JOIN inventory_location p ON p.id = place
    WHERE p.kind IN ('internal', 'quarantine', 'transit')) running
"""


def rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All that an import writes, to compare two databases or two moments."""
    return {name: sorted(rows(sql), key=repr) for name, sql in _ALL.items()}


def lowest_stock_ever() -> int:
    """The deepest running balance of any product in any place of ours; zero or more is right."""
    (lowest,) = rows(_LOWEST)[0]
    return int(lowest)


def entity() -> LegalEntity:
    return LegalEntity.objects.get()


def earned() -> Decimal:
    """Income less expenses, in pounds."""
    accounts = trial_balance(entity().pk).rows
    return -sum(
        (row.balance for row in accounts if row.account.kind in ("income", "expense")), Decimal(0)
    )


def check_books() -> None:
    """What must hold after any import."""
    assert set(trial_balance(entity().pk).off.values()) <= {Decimal(0)}
    assert levels_that_differ() == []
    assert lowest_stock_ever() >= 0
    assert orders_that_differ(Order.objects.values_list("pk", flat=True)) == []
