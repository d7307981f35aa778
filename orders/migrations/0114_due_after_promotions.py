"""What is due of goods sold ahead is told after promotions, and nobody agrees to one of their giver's.

A promotion stands on its lines: shared over the whole order it made the goods that are there seem dearer
than they were, and an order that was paid as far as it was due could not leave.
"""

from importlib import import_module

from django.db import migrations

DUE: str = import_module("orders.migrations.0100_preorders").NOT_YET_DUE.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
SHARED = "o.discount * l.line_total / o.subtotal END"
ON_LINES = "(o.discount - o.discount_on_lines) * l.line_total / o.subtotal END - l.discount"

ASKING: str = import_module("orders.migrations.0091_promotion_guards").ASKING
BEGINS = ASKING.index("CREATE FUNCTION orders_decide_promotion(")
DECIDE = ASKING[BEGINS : ASKING.index("END $$;", BEGINS) + len("END $$;")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
PLACE = "        PERFORM backoffice_refuse('You asked for this: someone else has to agree.');\n"
GIVEN = """    ELSIF c.asked_by_id IN (SELECT backoffice_givers(p_by, 'finance')) THEN
        PERFORM backoffice_refuse('You have your role from who asked: someone else has to agree.');
"""
if SHARED not in DUE or PLACE not in DECIDE:
    raise ValueError(DECIDE)


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0113_prices_are_numbers"),
    ]

    operations = [
        migrations.RunSQL(DUE.replace(SHARED, ON_LINES, 1), DUE),
        migrations.RunSQL(DECIDE.replace(PLACE, PLACE + GIVEN, 1), DECIDE),
    ]
