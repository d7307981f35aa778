"""Carts and the orders that their buyers placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import connection

from orders.models.carts import Cart
from orders.models.orders import Order

# The first live order of the cart's buyer since it began: by customer, whoever they were merged
# into, or by mail address. Imported history ends no cart.
_SINCE = """
WITH RECURSIVE up AS (
    SELECT c.id AS cart, k.id, k.merged_into_id FROM orders_cart c
      JOIN orders_customer k ON k.id = c.customer_id WHERE c.id = ANY(%(carts)s)
    UNION ALL
    SELECT up.cart, k.id, k.merged_into_id
      FROM up JOIN orders_customer k ON k.id = up.merged_into_id
)
SELECT c.id, o.id FROM orders_cart c
JOIN LATERAL (
    SELECT f.id FROM (
        SELECT o.id, o.placed_at FROM up JOIN orders_order o ON o.customer_id = up.id
         WHERE up.cart = c.id AND o.placed_at >= c.opened_at
           AND NOT o.is_history AND o.follows_id IS NULL
        UNION ALL
        SELECT o.id, o.placed_at FROM orders_ordermark m JOIN orders_order o ON o.id = m.order_id
         WHERE m.kind = 'mail' AND m.value = c.mail AND c.mail <> ''
           AND m.placed_at >= c.opened_at AND NOT o.is_history AND o.follows_id IS NULL
    ) f ORDER BY f.placed_at, f.id LIMIT 1
) o ON true
WHERE c.id = ANY(%(carts)s)
"""

# The carts that orders just placed end, each by the first of them: of their customers, of whoever
# was merged into these, and of their mail addresses.
_ENDED = """
WITH RECURSIVE placed (id, customer_id, mail, at) AS (
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])
), down (top, id) AS (
    SELECT DISTINCT customer_id, customer_id FROM placed WHERE customer_id IS NOT NULL
    UNION ALL
    SELECT down.top, k.id FROM down JOIN orders_customer k ON k.merged_into_id = down.id
)
SELECT DISTINCT ON (f.cart) f.cart, f.id FROM (
    SELECT c.id AS cart, p.id, p.at FROM down JOIN placed p ON p.customer_id = down.top
      JOIN orders_cart c ON c.customer_id = down.id
     WHERE c.state IN ('open', 'abandoned') AND c.opened_at <= p.at
    UNION ALL
    SELECT c.id, p.id, p.at FROM placed p JOIN orders_cart c ON c.mail = p.mail
     WHERE p.mail <> '' AND c.mail <> '' AND c.state IN ('open', 'abandoned')
       AND c.opened_at <= p.at
) f ORDER BY f.cart, f.at, f.id
"""


def carts_of(orders: Sequence[Order], mails: Mapping[int, str]) -> dict[int, int]:
    """Which order ends which live cart, by cart id; `mails` by order id, empty without one."""
    with connection.cursor() as cursor:
        cursor.execute(
            _ENDED,
            [
                [order.pk for order in orders],
                [order.customer_id for order in orders],
                [mails[order.pk] for order in orders],
                [order.placed_at for order in orders],
            ],
        )
        return dict(cursor.fetchall())


def ordered_since(carts: Sequence[Cart]) -> dict[int, Order]:
    """The order that each cart's buyer placed since it began, by cart id; the others are absent."""
    if not carts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, {"carts": [cart.pk for cart in carts]})
        found = dict(cursor.fetchall())
    orders = Order.objects.in_bulk(list(found.values()))
    return {cart_id: orders[order_id] for cart_id, order_id in found.items()}
