"""Whoever stands in for a person of a role decides in that role, for as long as they do."""

from django.db import migrations

HAS_ROLE = """
CREATE OR REPLACE FUNCTION automations_has_role(p_user bigint, p_role text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM backoffice_user_groups m JOIN auth_group g ON g.id = m.group_id
                   WHERE m.user_id = p_user AND g.name = p_role)
        OR backoffice_stands_in(p_user, p_role) IS NOT NULL;
$$;
"""
AS_BEFORE = """
CREATE OR REPLACE FUNCTION automations_has_role(p_user bigint, p_role text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM backoffice_user_groups m JOIN auth_group g ON g.id = m.group_id
                   WHERE m.user_id = p_user AND g.name = p_role);
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0100_evidence_before_approval"),
        ("backoffice", "0050_deputies"),
    ]

    operations = [migrations.RunSQL(HAS_ROLE, AS_BEFORE)]
