"""A signal that holds orders is not made to see fewer of them by a stricter mode.

From review to block, a signal of twenty orders a minute in place of three would hold nothing any more.
"""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("orders.migrations.0099_signals_loosened_by_two").SIGNALS
PINNED = "SET search_path = pg_catalog, public, pg_temp"

LOOSER = f"""
CREATE OR REPLACE FUNCTION orders_signal_is_looser(o orders_risksignal, n orders_risksignal) RETURNS boolean
LANGUAGE sql STABLE {PINNED} AS $$
    SELECT array_position(ARRAY['off', 'monitor', 'review', 'block'], n.mode::text)
         < array_position(ARRAY['off', 'monitor', 'review', 'block'], o.mode::text)
        -- What holds nothing yet may take another shape as it begins to.
        OR (o.mode = n.mode OR o.mode IN ('review', 'block')) AND (
            n.weight < o.weight OR coalesce(n.orders, 0) > coalesce(o.orders, 0)
            OR coalesce(n.minutes, 0) < coalesce(o.minutes, 0) OR n.mark <> o.mark OR n.kind <> o.kind
            OR NOT o.countries <@ n.countries);
$$;
"""


def _first() -> str:
    """The function of 0099."""
    end = BEFORE.index("$$;") + len("$$;")
    return str(BEFORE[:end]).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


class Migration(migrations.Migration):
    dependencies = [("orders", "0096_carts")]

    operations = [migrations.RunSQL(LOOSER, _first())]
