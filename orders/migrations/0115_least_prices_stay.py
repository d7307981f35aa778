"""What promotions take off leaves the least price that people set, like the cost."""

from importlib import import_module

from django.db import migrations

ADDS_UP: str = import_module("orders.migrations.0091_promotion_guards").ADDS_UP
BEGINS = ADDS_UP.index("CREATE FUNCTION orders_check_redeemed(")
CHECK = ADDS_UP[BEGINS : ADDS_UP.index("END $$;", BEGINS) + len("END $$;")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
PLACE = "        RAISE EXCEPTION 'A line of order % goes under its floor'"
LEAST = """        RAISE EXCEPTION 'A line of order % goes under its floor', p_order USING ERRCODE = 'check_violation';
    ELSIF EXISTS (SELECT FROM orders_orderline l CROSS JOIN LATERAL (SELECT f.amount FROM orders_pricefloor f
            WHERE f.sku_id = l.sku_id AND f.channel_id = o.channel_id AND f.currency = o.currency
            ORDER BY f.id DESC LIMIT 1) m
           WHERE l.order_id = p_order AND l.discount > 0 AND l.line_total - l.discount < l.quantity * m.amount) THEN
"""
if CHECK.count(PLACE) != 1:
    raise ValueError(CHECK)


class Migration(migrations.Migration):
    dependencies = [("orders", "0114_due_after_promotions")]

    operations = [migrations.RunSQL(CHECK.replace(PLACE, LEAST + PLACE, 1), CHECK)]
