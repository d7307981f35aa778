"""Tests give roles at once, in the transaction they roll back; nothing of the product can."""

from django.db import migrations

GIVE = """
CREATE FUNCTION depot_give_role(p_user bigint, p_roles text[]) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE backoffice_rolegrant SET state = 'ended', ended_at = statement_timestamp()
     WHERE user_id = p_user AND state = 'held';
    DELETE FROM backoffice_user_groups WHERE user_id = p_user;
    INSERT INTO backoffice_user_groups (user_id, group_id) SELECT p_user, id FROM auth_group WHERE name = ANY (p_roles);
    INSERT INTO backoffice_rolegrant (user_id, role, state, why) SELECT p_user, role, 'held', 'A test.' FROM unnest(p_roles) role;
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("depot", "0002_specimen"), ("backoffice", "0042_role_grants")]

    operations = [migrations.RunSQL(GIVE, "DROP FUNCTION depot_give_role(bigint, text[]);")]
