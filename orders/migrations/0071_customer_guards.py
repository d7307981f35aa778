"""What holds about customers whoever writes; their figures from the orders that are there."""

from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, SUPPORT, grant

DESK = [OPERATIONS, SUPPORT, ADMINISTRATOR]
GUARDS = """
-- Nothing is written on somebody who stands for nobody any more.
CREATE FUNCTION orders_of_the_living() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM orders_customer
               WHERE id = NEW.customer_id AND merged_into_id IS NOT NULL) THEN
        RAISE EXCEPTION 'Customer % is merged into another: write it on that one', NEW.customer_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_order_of_the_living BEFORE INSERT OR UPDATE OF customer_id ON orders_order
    FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION orders_of_the_living();
CREATE TRIGGER orders_return_of_the_living
    BEFORE INSERT OR UPDATE OF customer_id ON orders_returnorder
    FOR EACH ROW WHEN (NEW.customer_id IS NOT NULL) EXECUTE FUNCTION orders_of_the_living();

-- Nobody is merged away while something still stands on them, or into somebody who is gone.
CREATE FUNCTION orders_merge_loses_nothing() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM orders_order WHERE customer_id = NEW.id)
        OR EXISTS (SELECT FROM orders_returnorder WHERE customer_id = NEW.id) THEN
        RAISE EXCEPTION 'Customer % still has orders or returns', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.merged_into_id IS NOT NULL
        OR EXISTS (SELECT FROM orders_customer WHERE id = NEW.merged_into_id
                   AND (merged_into_id IS NOT NULL OR erased_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'Customer % is merged already, or into one who is gone', NEW.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_merge_loses_nothing BEFORE UPDATE OF merged_into_id ON orders_customer
    FOR EACH ROW WHEN (NEW.merged_into_id IS NOT NULL
                       AND NEW.merged_into_id IS DISTINCT FROM OLD.merged_into_id)
    EXECUTE FUNCTION orders_merge_loses_nothing();

-- Who was erased stays so.
CREATE FUNCTION orders_erased_for_good() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'Customer % was erased, which stays so', OLD.id
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER orders_erased_for_good BEFORE UPDATE OF erased_at ON orders_customer
    FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL AND NEW.erased_at IS DISTINCT FROM OLD.erased_at)
    EXECUTE FUNCTION orders_erased_for_good();
"""
NO_GUARDS = """
DROP TRIGGER orders_erased_for_good ON orders_customer;
DROP FUNCTION orders_erased_for_good();
DROP TRIGGER orders_merge_loses_nothing ON orders_customer;
DROP FUNCTION orders_merge_loses_nothing();
DROP TRIGGER orders_return_of_the_living ON orders_returnorder;
DROP TRIGGER orders_order_of_the_living ON orders_order;
DROP FUNCTION orders_of_the_living();
"""
BACKFILL = """
INSERT INTO orders_customerday (customer_id, day, orders, spend)
SELECT o.customer_id, (o.placed_at AT TIME ZONE 'UTC')::date,
    count(*) FILTER (WHERE o.cancelled_at IS NULL),
    coalesce(sum(o.amount_paid - o.amount_refunded) FILTER (WHERE o.currency = c.spend_currency), 0)
FROM orders_order o JOIN orders_customer c ON c.id = o.customer_id GROUP BY 1, 2;
UPDATE orders_customer c SET orders_returned = r.orders FROM (
    SELECT customer_id, count(*) AS orders FROM orders_order
    WHERE returns IN ('part_returned', 'returned') GROUP BY customer_id
) r WHERE r.customer_id = c.id;
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0070_customers"), ("backoffice", "0002_roles_and_guards")]

    operations = [
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.RunSQL(GUARDS, NO_GUARDS),
        append_only("orders_mergemove"),
        grant(
            "orders",
            {
                "tag_customer": DESK,
                "merge_customer": DESK,
                "erase_customer": [ADMINISTRATOR],
                "view_segment": list(ROLES),
                "add_segment": DESK,
                "change_segment": DESK,
                "delete_segment": DESK,
            },
        ),
    ]
