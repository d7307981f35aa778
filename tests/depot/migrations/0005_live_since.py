"""Lets a test say since when a rule has been in force: nothing of ours may."""

from django.db import migrations

LIVE_SINCE = """
CREATE FUNCTION depot_live_since(p_rule bigint, p_at timestamptz) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at, until_at, activated_by_id, ended_by_id)
    SELECT rule_id, kind, key, mode, document_id, p_at, from_at, activated_by_id, activated_by_id
      FROM automations_activation WHERE rule_id = p_rule AND mode = 'live' AND until_at IS NULL;
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("depot", "0004_hour_over"),
        ("automations", "0080_who_gave_the_role"),
    ]

    operations = [migrations.RunSQL(LIVE_SINCE, "DROP FUNCTION depot_live_since(bigint, timestamptz);")]
