"""Tags are found in a table of their own, and an order that is tagged keeps its indexes.

PostgreSQL writes every index of a row anew when an indexed column changes (no heap-only tuple):
an index on tags made each tag cost a dozen index entries.
"""

import django.db.models.deletion
from django.db import migrations, models

# SECURITY DEFINER: the application's role may only read the table.
TRIGGERS = """
CREATE FUNCTION orders_keep_tags() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT old.tags <@ new.tags THEN
        DELETE FROM orders_ordertag
        WHERE order_id = new.id AND tag = ANY(old.tags) AND NOT tag = ANY(new.tags);
    END IF;
    INSERT INTO orders_ordertag (tag, order_id) SELECT tag, new.id FROM unnest(new.tags) AS tag
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE FUNCTION orders_forget_tags() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM orders_ordertag WHERE order_id = old.id AND tag = ANY(old.tags);
    RETURN NULL;
END $$;
CREATE TRIGGER orders_tagged AFTER UPDATE OF tags ON orders_order FOR EACH ROW
    WHEN (old.tags IS DISTINCT FROM new.tags) EXECUTE FUNCTION orders_keep_tags();
CREATE TRIGGER orders_placed_tagged AFTER INSERT ON orders_order FOR EACH ROW
    WHEN (cardinality(new.tags) > 0) EXECUTE FUNCTION orders_keep_tags();
CREATE TRIGGER orders_gone_tagged AFTER DELETE ON orders_order FOR EACH ROW
    WHEN (cardinality(old.tags) > 0) EXECUTE FUNCTION orders_forget_tags();
INSERT INTO orders_ordertag (tag, order_id)
    SELECT DISTINCT tag, o.id FROM orders_order o, unnest(o.tags) AS tag;
"""
NO_TRIGGERS = """
DROP TRIGGER orders_tagged ON orders_order;
DROP TRIGGER orders_placed_tagged ON orders_order;
DROP TRIGGER orders_gone_tagged ON orders_order;
DROP FUNCTION orders_keep_tags(), orders_forget_tags();
"""
# Room for the next version of a row on its page. `number` is looked for in upper case.
ROOM = """
ALTER TABLE orders_order SET (fillfactor = 80);
DROP INDEX IF EXISTS orders_order_number_abc9e0f2_like;
"""
NO_ROOM = "ALTER TABLE orders_order RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("orders", "0081_claims_and_exchanges")]

    operations = [
        migrations.CreateModel(
            name="OrderTag",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tag",
                        "order_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tag", models.CharField(max_length=40)),
                ("order_id", models.BigIntegerField()),
            ],
        ),
        migrations.RunSQL(TRIGGERS, NO_TRIGGERS),
        migrations.RemoveIndex("order", "order_tags"),
        migrations.AlterField(
            "order",
            "customer",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="orders",
                to="orders.customer",
            ),
        ),
        migrations.RunSQL(ROOM, NO_ROOM),
    ]
