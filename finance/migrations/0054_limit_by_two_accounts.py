"""Whoever asked for somebody's role agrees to no higher limit that this one asks for.

An administrator who gave a second account of theirs a role of finance would raise the limit alone.
"""

from importlib import import_module

from django.db import migrations

LIMITS: str = import_module("finance.migrations.0053_refund_limits").LIMITS
BEGINS = LIMITS.index("CREATE FUNCTION finance_agree_refund_limit(")
BEFORE = LIMITS[BEGINS : LIMITS.index("END $$;", BEGINS) + len("END $$;")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
PLACE = "    ELSIF p_agree IS TRUE AND NOT backoffice_holds(l.asked_by_id, ARRAY['finance']) THEN\n"
GAVE = """    ELSIF p_agree IS TRUE AND EXISTS (
        SELECT FROM backoffice_rolegrant g
         WHERE g.user_id = l.asked_by_id AND g.state = 'held' AND g.asked_by_id = p_by) THEN
        PERFORM backoffice_refuse('You asked for the role of who asked for this: someone else has to agree.');
"""
if PLACE not in BEFORE:
    raise ValueError(PLACE)


class Migration(migrations.Migration):
    dependencies = [("finance", "0053_refund_limits")]

    operations = [migrations.RunSQL(BEFORE.replace(PLACE, GAVE + PLACE, 1), BEFORE)]
