"""Who agrees to another owner has no role from who asked, and an agreed version keeps its owner too.

A version that is approved, or acts in an emergency, was agreed to with its owner: another one before
it is put in force takes two people as afterwards. And whoever asked for somebody's role, or stands in
for them, would agree to what they asked for themselves.
"""

from importlib import import_module

from django.db import migrations

OWNERS: str = import_module("automations.migrations.0108_owner_by_two").OWNERS
LIVE = "automations_live_since(NEW.id) IS NOT NULL"
NEXT = "    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'finance', 'support']) THEN\n"

AGREED = """
CREATE FUNCTION automations_agreed_to(p_rule bigint) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM automations_activation WHERE rule_id = p_rule AND until_at IS NULL
                    AND (mode = 'live' OR mode = 'emergency' AND expires_at > statement_timestamp()))
        OR EXISTS (SELECT FROM automations_document d WHERE d.rule_id = p_rule AND d.kind = 'rule'
                    AND d.state = 'approved' AND NOT EXISTS (
                        SELECT FROM automations_activation a JOIN automations_document o ON o.id = a.document_id
                         WHERE a.rule_id = p_rule AND a.mode = 'live' AND o.version >= d.version));
$$;
"""
GIVEN = """    ELSIF EXISTS (
        SELECT FROM (VALUES ('operations'), ('finance'), ('support')) r (role)
         WHERE backoffice_holds(p_by, ARRAY[r.role])
           AND owned.next_owner_by_id IN (SELECT backoffice_givers(p_by, r.role))) THEN
        PERFORM automations_refuse('You have your role from who asked for this. Someone else has to agree.');
"""


def _one(name: str, *change: str) -> str:
    """A function of 0108, changed; without a change, as it was."""
    begins = OWNERS.index(f"CREATE FUNCTION {name}(")
    ends = OWNERS.index("END $$;", begins) + len("END $$;")
    told = OWNERS[begins:ends].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    if change and change[0] not in told:
        raise ValueError(change[0])
    return told.replace(change[0], change[1]) if change else told


class Migration(migrations.Migration):
    dependencies = [("automations", "0111_quorum_by_two_accounts")]

    operations = [
        migrations.RunSQL(AGREED, "DROP FUNCTION automations_agreed_to(bigint);"),
        migrations.RunSQL(
            _one("automations_owner_guard", LIVE, "automations_agreed_to(NEW.id)"),
            _one("automations_owner_guard"),
        ),
        migrations.RunSQL(
            _one("automations_change_owner", NEXT, GIVEN + NEXT), _one("automations_change_owner")
        ),
    ]
