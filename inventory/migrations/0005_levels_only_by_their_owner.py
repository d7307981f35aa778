"""Levels are written as their owner, so that no trigger of somebody else's can reach them.

The depth of a trigger alone proves nothing: a temporary table may have triggers too. The functions
also read only the tables they mean, whatever temporary table has their names.
"""

from django.db import migrations

PINNED = "SET search_path = pg_catalog, public, pg_temp"
WRITERS = (
    "inventory_apply_moves",
    "inventory_apply_made",
    "inventory_apply_changed",
    "inventory_copy_backorder",
)

# The application role may not TRUNCATE; whoever may could drop the trigger as well.
BY_HAND = """
DROP TRIGGER inventory_level_by_hand ON inventory_stocklevel;
CREATE TRIGGER inventory_level_by_hand BEFORE INSERT OR UPDATE OR DELETE ON inventory_stocklevel
    FOR EACH ROW WHEN (
        pg_trigger_depth() = 0 OR NOT has_table_privilege('public.inventory_stocklevel', 'TRUNCATE')
    ) EXECUTE FUNCTION inventory_refuse_by_hand();
"""
BY_HAND_BEFORE = """
DROP TRIGGER inventory_level_by_hand ON inventory_stocklevel;
CREATE TRIGGER inventory_level_by_hand BEFORE INSERT OR UPDATE OR DELETE ON inventory_stocklevel
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION inventory_refuse_by_hand();
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0004_plain_keys")]

    operations = [
        migrations.RunSQL(
            "".join(f"ALTER FUNCTION {name}() SECURITY DEFINER {PINNED};" for name in WRITERS),
            "".join(
                f"ALTER FUNCTION {name}() SECURITY INVOKER RESET search_path;" for name in WRITERS
            ),
        ),
        migrations.RunSQL(BY_HAND, BY_HAND_BEFORE),
    ]
