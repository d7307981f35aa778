"""Orders like one placed just before: held for somebody to look at, never cancelled unasked."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from backoffice.actors import Acting
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.services.marks import Marks
from orders.services.reviews import open_reviews

# Guests of one mail address wait for each other, in one of so many queues.
_QUEUES = 256
# One order of the same buyer, goods and address for each order just placed, the nearest in time.
# History and cancelled orders are no twins; of two placed together the later one waits.
_TWINS = """
SELECT DISTINCT ON (n.id) n.id, e.id, e.number,
       abs(round(extract(epoch FROM n.placed_at - e.placed_at) / 60))::int AS apart
FROM unnest(%(ids)s::bigint[], %(mails)s::text[]) AS d(id, mail)
JOIN orders_order n ON n.id = d.id
JOIN orders_channel c ON c.id = n.channel_id
JOIN LATERAL make_interval(hours => c.duplicate_hours) AS span ON true
JOIN LATERAL (
    SELECT o.id FROM orders_order o WHERE o.customer_id = n.customer_id
        AND o.placed_at BETWEEN n.placed_at - span AND n.placed_at + span
    UNION
    SELECT m.order_id FROM orders_ordermark m WHERE m.kind = 'mail' AND m.value = d.mail
        AND m.placed_at BETWEEN n.placed_at - span AND n.placed_at + span
) near ON true
JOIN orders_order e ON e.id = near.id
WHERE e.cancelled_at IS NULL AND NOT e.is_history AND e.units = n.units AND e.id <> n.id
    AND (NOT e.id = ANY(%(ids)s) OR (e.placed_at, e.id) < (n.placed_at, n.id))
    AND e.ship_country = n.ship_country
    AND regexp_replace(lower(e.ship_lines || e.ship_postcode), '[^[:alnum:]]', '', 'g')
      = regexp_replace(lower(n.ship_lines || n.ship_postcode), '[^[:alnum:]]', '', 'g')
    AND NOT EXISTS (
        SELECT FROM orders_orderline l
        WHERE l.order_id IN (e.id, n.id) AND l.kind = 'stock'
        GROUP BY l.sku_id
        HAVING sum(CASE WHEN l.order_id = n.id THEN l.quantity ELSE -l.quantity END) <> 0)
ORDER BY n.id, apart, e.id DESC
"""
# The first half of the key of our advisory locks: "dupl".
_LOCKS = 0x6475706C


def hold_duplicates(orders: Sequence[Order], marks: Marks, *, actor: Acting) -> list[Review]:
    """Hold orders just placed that are like one before, where their channel looks for it.

    Same customer or mail address, same products and units, same delivery address, within the
    channel's hours. Announces what open_reviews does.
    """
    asked = [
        order
        for order in orders
        if order.channel.duplicate_hours
        and order.units
        and (order.customer_id or "mail" in marks[order.pk])
    ]
    if not asked:
        return []
    mails = [marks[order.pk].get("mail", "") for order in asked]
    with connection.cursor() as cursor:
        # Two guests who press at once would not see each other; customers are locked already.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, queue) FROM (SELECT DISTINCT "
            "abs(hashtext(mail) %% %s) AS queue FROM unnest(%s::text[]) AS mail "
            "WHERE mail <> '' ORDER BY 1) AS queues",
            [_LOCKS, _QUEUES, mails],
        )
        cursor.execute(_TWINS, {"ids": [order.pk for order in asked], "mails": mails})
        twins = {
            pk: {"other": other, "number": number, "minutes": minutes}
            for pk, other, number, minutes in cursor.fetchall()
        }
    alike = [order for order in asked if order.pk in twins]
    return open_reviews(
        Review.Kind.DUPLICATE,
        alike,
        {order.pk: twins[order.pk] for order in alike},
        {order.pk: f"Like order {twins[order.pk]['number']}." for order in alike},
        actor=actor,
    )
