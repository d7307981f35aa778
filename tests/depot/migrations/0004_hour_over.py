"""Tests let the hour of an emergency pass; nothing of the product can."""

from django.db import migrations

PASS = """
CREATE FUNCTION depot_hour_over(p_emergency bigint) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE automations_activation DISABLE TRIGGER automations_activation_guard;
    UPDATE automations_activation SET from_at = from_at - interval '2 hours', expires_at = expires_at - interval '2 hours'
     WHERE id = (SELECT activation_id FROM automations_emergency WHERE id = p_emergency);
    ALTER TABLE automations_activation ENABLE TRIGGER automations_activation_guard;
    UPDATE automations_emergency SET asked_at = asked_at - interval '2 hours', agreed_at = agreed_at - interval '2 hours',
           ends_at = ends_at - interval '2 hours' WHERE id = p_emergency;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("depot", "0003_give_role"), ("automations", "0103_emergencies")]

    operations = [migrations.RunSQL(PASS, "DROP FUNCTION depot_hour_over(bigint);")]
