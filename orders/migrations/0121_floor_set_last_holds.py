"""Of two floors of a product set at one moment, the one that was let through last holds.

An id is taken before a row's triggers run, so before the product's lock: the floor that came second
could have the lower id, and what holds is the one with the highest.
"""

from django.db import migrations

PINNED = "SET search_path = pg_catalog, public, pg_temp"
OWNER = "current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)"
GUARD = """
CREATE OR REPLACE FUNCTION orders_floor_guard() RETURNS trigger LANGUAGE plpgsql {pinned} AS $$
BEGIN
    IF {owner} THEN
        RETURN NEW;  -- orders_decide_price_guard, by two people, under the same lock
    END IF;
    PERFORM FROM inventory_sku WHERE id = NEW.sku_id FOR NO KEY UPDATE;
    {identity}
    IF orders_floor_is_looser(NEW.channel_id, NEW.sku_id, NEW.currency, NEW.amount) THEN
        PERFORM backoffice_refuse('A lower floor takes two people of finance.');
    END IF;
    RETURN NEW;
END $$;
"""
UNDER_THE_LOCK = "NEW.id := nextval('orders_pricefloor_id_seq');"


class Migration(migrations.Migration):
    dependencies = [("orders", "0120_price_guards_by_two")]

    operations = [
        migrations.RunSQL(
            GUARD.format(pinned=PINNED, owner=OWNER, identity=UNDER_THE_LOCK),
            GUARD.format(pinned=PINNED, owner=OWNER, identity=""),
        )
    ]
