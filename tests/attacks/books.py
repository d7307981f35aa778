"""What must be true of money and stock whatever happened: asked of the tables themselves."""

from __future__ import annotations

from django.db import connection

# Each finds the rows that break a rule of the house.
WRONG = {
    "a level is the sum of its moves": """
        SELECT coalesce(l.id, 0) FROM inventory_stocklevel l FULL JOIN (
            SELECT sku_id, location_id, sum(quantity) AS units FROM (
                SELECT sku_id, to_location_id AS location_id, quantity FROM inventory_stockmove
                UNION ALL SELECT sku_id, from_location_id, -quantity FROM inventory_stockmove) m
            JOIN inventory_location p ON p.id = m.location_id
            WHERE p.kind IN ('internal', 'quarantine', 'transit') GROUP BY 1, 2) moved
        USING (sku_id, location_id) WHERE coalesce(l.on_hand, 0) <> coalesce(moved.units, 0)""",
    "a level's promises are its open reservations": """
        SELECT coalesce(l.id, 0) FROM inventory_stocklevel l FULL JOIN (
            SELECT sku_id, location_id,
                coalesce(sum(quantity) FILTER (WHERE state = 'allocated'), 0) AS allocated,
                coalesce(sum(quantity) FILTER (WHERE state = 'held'), 0) AS reserved
            FROM inventory_reservation GROUP BY 1, 2) r USING (sku_id, location_id)
        WHERE (coalesce(l.allocated, 0), coalesce(l.reserved, 0))
            <> (coalesce(r.allocated, 0), coalesce(r.reserved, 0))""",
    "nothing is promised that is not there": """
        SELECT id FROM inventory_stocklevel WHERE NOT may_backorder
            AND on_hand < allocated + reserved""",
    "the ledger balances": """
        SELECT entry_id FROM finance_journalline GROUP BY entry_id, currency
        HAVING sum(debit) <> sum(credit)""",
    "customer accounts are the orders' balances": """
        SELECT 1 FROM (
            SELECT coalesce(sum(l.debit - l.credit), 0) AS booked FROM finance_journalline l
            JOIN finance_account a ON a.id = l.account_id WHERE a.role = 'customers') ledger,
        (SELECT coalesce(sum(charged - credited - paid + refunded), 0) AS owed
            FROM finance_orderbalance) orders
        WHERE ledger.booked <> orders.owed""",
    "a balance is what was paid and refunded": """
        SELECT b.order_id FROM finance_orderbalance b WHERE (b.paid, b.refunded, b.reserved) <> (
            (SELECT coalesce(sum(amount), 0) FROM finance_payment p WHERE p.order_id = b.order_id),
            (SELECT coalesce(sum(amount) FILTER (WHERE state IN ('approved', 'paid')), 0)
                FROM finance_refund r WHERE r.order_id = b.order_id),
            (SELECT coalesce(sum(amount) FILTER (WHERE state = 'requested'), 0)
                FROM finance_refund r WHERE r.order_id = b.order_id))""",
    "an order knows what was paid and refunded": """
        SELECT o.id FROM orders_order o JOIN finance_orderbalance b ON b.order_id = o.id
        WHERE (o.amount_paid, o.amount_refunded) <> (b.paid, b.refunded)""",
    "no more goes back than came": """
        SELECT order_id FROM finance_orderbalance WHERE refunded + reserved > paid""",
    "each refund is booked once": """
        SELECT r.id FROM finance_refund r WHERE (r.state IN ('approved', 'paid')) <> EXISTS (
            SELECT 1 FROM finance_journalentry e
            WHERE e.source = 'finance.refund' AND e.source_id = r.id AND e.purpose = 'approved')""",
    "an order's total is its lines, delivery and tax less what is taken off": """
        SELECT o.id FROM orders_order o JOIN (
            SELECT order_id, sum(line_total) AS lines, sum(tax) AS tax
            FROM orders_orderline GROUP BY 1) l ON l.order_id = o.id
        WHERE o.tax <> l.tax + o.shipping_tax OR o.total <> l.lines + o.shipping - o.discount
            + CASE WHEN o.prices_include_tax THEN 0 ELSE o.tax END""",
    "no line gives back more units or tax than it had": """
        SELECT l.id FROM orders_orderline l JOIN finance_refundline p ON p.order_line_id = l.id
        JOIN finance_refund r ON r.id = p.refund_id
        WHERE r.state IN ('requested', 'approved', 'paid') GROUP BY l.id
        HAVING sum(p.quantity) > l.quantity OR sum(p.tax) > l.tax + 0.02""",
    "an order of a shop is here once": """
        SELECT min(id) FROM orders_order WHERE external_id <> ''
        GROUP BY channel_id, external_id HAVING count(*) > 1""",
    "a payment is counted once": """
        SELECT min(id) FROM finance_payment GROUP BY provider, external_id HAVING count(*) > 1""",
    "a line ships, is cancelled and returns within what was ordered": """
        SELECT id FROM orders_orderline WHERE quantity_shipped + quantity_cancelled > quantity
            OR quantity_returned > quantity_shipped""",
    "a line has shipped what its parcels took": """
        SELECT l.id FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
        WHERE NOT o.is_history AND l.kind = 'stock' AND l.quantity_shipped <> (
            SELECT coalesce(sum(quantity), 0) FROM orders_shipmentline s
            WHERE s.order_line_id = l.id)""",
    "no order is shipped after it was cancelled": """
        SELECT o.id FROM orders_order o WHERE o.cancelled_at IS NOT NULL
            AND EXISTS (SELECT 1 FROM orders_shipment s WHERE s.order_id = o.id)""",
    "a cancelled order claims no stock": """
        SELECT o.id FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id
        JOIN inventory_reservation r ON r.holder = 'orders.orderline' AND r.holder_id = l.id
        WHERE o.cancelled_at IS NOT NULL AND r.state IN ('held', 'allocated')""",
    "an order is held as long as one of its holds is": """
        SELECT o.id FROM orders_order o WHERE o.is_held <> EXISTS (
            SELECT 1 FROM orders_hold h WHERE h.order_id = o.id AND h.released_at IS NULL)""",
    "nothing held, cancelled or unpaid is being picked": """
        SELECT o.id FROM orders_order o WHERE o.picking_since IS NOT NULL
            AND (o.is_held OR o.cancelled_at IS NOT NULL)""",
    "no parcel has two live labels, and no number two parcels": """
        SELECT min(package_id) FROM orders_label
        WHERE state IN ('buying', 'bought', 'void_requested')
        GROUP BY package_id HAVING count(*) > 1
        UNION SELECT min(package_id) FROM orders_label WHERE state IN ('bought', 'void_requested')
        GROUP BY carrier, tracking HAVING count(*) > 1""",
    "no unit is in two parcels": """
        SELECT l.id FROM orders_orderline l WHERE l.quantity - l.quantity_cancelled < (
            SELECT coalesce(sum(r.quantity), 0) FROM orders_packageline r
            JOIN orders_package p ON p.id = r.package_id
            WHERE r.order_line_id = l.id AND p.unpacked_at IS NULL)
            AND NOT EXISTS (SELECT FROM orders_order o
                            WHERE o.id = l.order_id AND o.cancelled_at IS NOT NULL)""",
    "no cancelled order has a live label": """
        SELECT o.id FROM orders_order o JOIN orders_package p ON p.order_id = o.id
        JOIN orders_label b ON b.package_id = p.id
        WHERE o.cancelled_at IS NOT NULL AND b.state IN ('buying', 'bought', 'void_requested')""",
    "what left with a parcel was shipped": """
        SELECT p.id FROM orders_package p WHERE p.shipment_id IS NOT NULL AND EXISTS (
            SELECT FROM orders_packageline r WHERE r.package_id = p.id AND r.quantity <> (
                SELECT coalesce(sum(s.quantity), 0) FROM orders_shipmentline s
                WHERE s.shipment_id = p.shipment_id AND s.order_line_id = r.order_line_id))""",
    "each unit comes back to the shelf at most once": """
        SELECT source_id FROM inventory_stockmove WHERE source = 'orders.returnorder'
        GROUP BY source_id, sku_id, reason, to_location_id HAVING sum(quantity) > (
            SELECT sum(l.quantity) FROM orders_returnline l
            WHERE l.return_order_id = source_id AND l.sku_id = inventory_stockmove.sku_id)""",
    "each effect belongs to a run, once": """
        SELECT e.run_id FROM automations_effect e LEFT JOIN automations_run r ON r.id = e.run_id
        WHERE r.id IS NULL""",
    "a run that is done has taken each of its effects once": """
        SELECT run_id FROM automations_steprun WHERE outcome IN ('done', 'by_hand')
        GROUP BY run_id, cursor HAVING count(*) > 1""",
}


def what_is_wrong() -> dict[str, list[int]]:
    """The rules of the house that are broken, with the first rows that break them."""
    found = {}
    with connection.cursor() as cursor:
        for rule, query in WRONG.items():
            cursor.execute(f"{query} LIMIT 5")
            if rows := cursor.fetchall():
                found[rule] = [row[0] for row in rows]
    return found


def prepare_books() -> None:
    """Have all rules planned once on this connection, for a test that asks after each step."""
    asked = " UNION ALL ".join(
        f"SELECT $rule${rule}$rule$, found FROM (SELECT * FROM ({query}) q LIMIT 5) w (found)"
        for rule, query in WRONG.items()
    )
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
        cursor.execute(f"PREPARE books AS {asked}")


def what_is_wrong_now() -> dict[str, list[int]]:
    """What `what_is_wrong` finds, asked in one go; `prepare_books` comes first."""
    found: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute("EXECUTE books")
        for rule, pk in cursor.fetchall():
            found.setdefault(rule, []).append(pk)
    return found
