"""What asked for a higher limit is over once that is decided, or asked anew."""

from django.db import migrations

OVER = """
CREATE FUNCTION finance_limit_decided() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM backoffice_notices_over('refundlimit:' || NEW.currency);
    RETURN NULL;
END $$;
CREATE TRIGGER finance_limit_decided AFTER UPDATE ON finance_refundlimit FOR EACH ROW
    WHEN (OLD.wanted IS NOT NULL AND (NEW.wanted, NEW.asked_at) IS DISTINCT FROM (OLD.wanted, OLD.asked_at))
    EXECUTE FUNCTION finance_limit_decided();
"""
UNDO = """
DROP TRIGGER finance_limit_decided ON finance_refundlimit;
DROP FUNCTION finance_limit_decided();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("finance", "0055_refunds_after_promotions"),
        ("backoffice", "0056_notices_over"),
    ]

    operations = [migrations.RunSQL(OVER, UNDO)]
