"""No shell and no bulk update takes an order where its services would not.

The payment axis is a function of the row. The fulfilment axis only goes forward, and only with the
shipment or the lines that make it so. A cancelled order stays cancelled, and nothing of it has left.
"""

from django.db import migrations, models
from django.db.models import F, Q

PINNED = "SET search_path = pg_catalog, public, pg_temp"

GUARDS = f"""
CREATE FUNCTION orders_axis_moves() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
DECLARE
    units integer;
    shipped integer;
    dropped integer;
BEGIN
    IF OLD.cancelled_at IS NOT NULL AND NEW.cancelled_at IS DISTINCT FROM OLD.cancelled_at
        OR OLD.fulfilment = 'cancelled' AND NEW.fulfilment <> 'cancelled' THEN
        RAISE EXCEPTION 'Order % is cancelled and stays so', OLD.number
            USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT coalesce(sum(quantity), 0), coalesce(sum(quantity_shipped), 0),
           coalesce(sum(quantity_cancelled), 0)
      INTO units, shipped, dropped
      FROM orders_orderline WHERE order_id = NEW.id AND kind = 'stock';
    IF NEW.fulfilment = 'cancelled' AND (NEW.cancelled_at IS NULL OR shipped > 0)
        OR NEW.fulfilment = 'nothing_to_ship' AND units > 0
        OR NEW.fulfilment = 'unshipped' AND shipped > 0
        OR NEW.fulfilment = 'part_shipped' AND (shipped = 0 OR shipped + dropped >= units)
        OR NEW.fulfilment = 'shipped' AND (shipped = 0 OR shipped + dropped < units) THEN
        RAISE EXCEPTION 'Order % is not %: its lines say otherwise', OLD.number, NEW.fulfilment
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_axis_moves BEFORE UPDATE ON orders_order
    FOR EACH ROW WHEN (
        NEW.fulfilment <> OLD.fulfilment OR NEW.cancelled_at IS DISTINCT FROM OLD.cancelled_at
    ) EXECUTE FUNCTION orders_axis_moves();
"""
NO_GUARDS = """
DROP TRIGGER orders_axis_moves ON orders_order;
DROP FUNCTION orders_axis_moves;
"""
# As orders.models.axes.payment_axis has it.
PAYMENT = (
    Q(payment="refunded", amount_refunded__gt=0, amount_refunded__gte=F("amount_paid"))
    | Q(payment="part_refunded", amount_refunded__gt=0, amount_refunded__lt=F("amount_paid"))
    | Q(payment="overpaid", amount_refunded=0, amount_paid__gt=F("total"))
    | Q(payment="paid", amount_refunded=0, amount_paid=F("total"))
    | Q(payment="part_paid", amount_refunded=0, amount_paid__gt=0, amount_paid__lt=F("total"))
    | Q(payment="unpaid", amount_refunded=0, amount_paid=0, total__gt=0)
)


class Migration(migrations.Migration):
    dependencies = [("orders", "0101_forwarding")]

    operations = [
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(condition=PAYMENT, name="order_payment_axis"),
        ),
        migrations.RunSQL(GUARDS, NO_GUARDS),
    ]
