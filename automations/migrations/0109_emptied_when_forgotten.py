"""Comments on cases and excerpts of calls can be emptied, and old calls let go, by the owner's functions.

Whoever is erased is erased there too; who did what, and when, stays. Without a way out the trigger
refused the deletion of calls by `automations_let_go_of_calls` as well.
"""

from django.db import migrations

PINNED = "SET search_path = pg_catalog, public, pg_temp"
BY_OWNER = "current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)"
TABLES = {
    "automations_failureaction": (
        "NEW.text = '' AND NEW.reference = '' AND NEW.changes = '{}'",
        "OLD.text := ''; OLD.reference := ''; OLD.changes := '{}';",
        "",
    ),
    "automations_calllog": (
        "NEW.request IS NULL AND NEW.response IS NULL AND NEW.says = ''",
        "OLD.request := NULL; OLD.response := NULL; OLD.says := '';",
        f"""
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '400 days' AND {BY_OWNER} THEN
            RETURN OLD;
        END IF;
    END IF;""",
    ),
}


def before(table: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    RAISE EXCEPTION '{table} is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""


def after(table: str) -> str:
    is_empty, emptied, more = TABLES[table]
    return f"""
CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF {is_empty} AND {BY_OWNER} THEN
            {emptied}
            IF NEW IS NOT DISTINCT FROM OLD THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;{more}
    RAISE EXCEPTION '{table} is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0108_owner_by_two")]

    operations = [migrations.RunSQL(after(table), before(table)) for table in TABLES]
