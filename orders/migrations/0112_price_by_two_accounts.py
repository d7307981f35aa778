"""Nobody agrees to a price that was asked for by who gave them their role."""

from importlib import import_module

from django.db import migrations

DOORS: str = import_module("orders.migrations.0095_prices").DOORS
BEGINS = DOORS.index("CREATE FUNCTION orders_decide_price(")
BEFORE = DOORS[BEGINS : DOORS.index("END $$;", BEGINS) + len("END $$;")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
PLACE = "        PERFORM backoffice_refuse('You asked for this price: somebody else has to agree.');\n"
GIVEN = """    ELSIF p_verdict = 'agreed' AND c.asked_by_id IN (SELECT backoffice_givers(p_person, 'finance')) THEN
        PERFORM backoffice_refuse('You have your role from who asked: somebody else has to agree.');
"""
if PLACE not in BEFORE:
    raise ValueError(PLACE)


class Migration(migrations.Migration):
    dependencies = [("orders", "0102_axes_follow_their_children")]

    operations = [migrations.RunSQL(BEFORE.replace(PLACE, PLACE + GIVEN, 1), BEFORE)]
