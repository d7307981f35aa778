"""Rules are read again when something about them changes that is not approved, as their order."""

from django.db import migrations

TOUCH = """
CREATE FUNCTION automations_touch_epoch() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM automations_next_epoch();
END $$;
REVOKE EXECUTE ON FUNCTION automations_touch_epoch() FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0004_run_order")]

    operations = [migrations.RunSQL(TOUCH, "DROP FUNCTION automations_touch_epoch();")]
