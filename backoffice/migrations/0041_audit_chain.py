"""The audit trail is a chain: what is changed, taken out or put in afterwards shows.

An entry is written in the transaction of its act, and a trigger notes that it waits. One sealer
links what waits, one pass at a time: no act waits for another, or for the sealer.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

from backoffice.guards import append_only

# What comes in is of now, numbered by the sequence, and waits to be sealed, whoever writes it.
ENTER = """
CREATE FUNCTION backoffice_auditentry_enters() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.id IS DISTINCT FROM currval('public.backoffice_auditentry_id_seq') THEN
        RAISE EXCEPTION 'An audit entry is numbered by its table.' USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.at := statement_timestamp();
    INSERT INTO backoffice_auditpending (entry_id) VALUES (NEW.id);
    RETURN NEW;
END $$;
CREATE TRIGGER backoffice_auditentry_enters BEFORE INSERT ON backoffice_auditentry
    FOR EACH ROW EXECUTE FUNCTION backoffice_auditentry_enters();
"""
UNDO_ENTER = """
DROP TRIGGER backoffice_auditentry_enters ON backoffice_auditentry;
DROP FUNCTION backoffice_auditentry_enters();
"""

# backoffice.chain reads the same in Python, and works the hashes out by itself.
SEAL = """
CREATE FUNCTION backoffice_audit_moment(p_at timestamptz) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US');
$$;

-- Each part with its length before it, so that no text can pass for two.
CREATE FUNCTION backoffice_audit_hash(p_parts text[]) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT encode(sha256(convert_to(
        string_agg(coalesce(octet_length(convert_to(part, 'UTF8')) || ':' || part, '-'), '' ORDER BY place), 'UTF8')), 'hex')
      FROM unnest(p_parts) WITH ORDINALITY AS parts (part, place);
$$;

CREATE FUNCTION backoffice_seal_audit() RETURNS int LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    most constant int := 5000;
    sealing timestamptz := clock_timestamp();
    place bigint := 0;
    before text := '';
    first bigint;
    e record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7340220) THEN
        RETURN 0;  -- another pass is at it
    END IF;
    SELECT position, sha256 INTO place, before FROM backoffice_auditlink ORDER BY position DESC LIMIT 1;
    place := coalesce(place, 0);
    before := coalesce(before, '');
    first := place + 1;
    FOR e IN
        SELECT a.* FROM backoffice_auditpending p JOIN backoffice_auditentry a ON a.id = p.entry_id
         ORDER BY a.id LIMIT most
    LOOP
        place := place + 1;
        before := backoffice_audit_hash(ARRAY[
            before, place::text, backoffice_audit_moment(sealing),
            e.id::text, backoffice_audit_moment(e.at), e.verb, e.subject, e.subject_id::text,
            e.actor_kind, e.actor_label, e.user_id::text, e.detail::text]);
        INSERT INTO backoffice_auditlink (position, entry_id, sha256, sealed_at)
        VALUES (place, e.id, before, sealing);
    END LOOP;
    DELETE FROM backoffice_auditpending p USING backoffice_auditlink l
     WHERE l.entry_id = p.entry_id AND l.position >= first;
    RETURN place - first + 1;
END $$;
REVOKE EXECUTE ON FUNCTION backoffice_seal_audit() FROM PUBLIC;
"""
UNDO_SEAL = """
DROP FUNCTION backoffice_seal_audit();
DROP FUNCTION backoffice_audit_hash(text[]);
DROP FUNCTION backoffice_audit_moment(timestamptz);
"""

# What was recorded before there was a chain begins it.
BEGIN = "INSERT INTO backoffice_auditpending (entry_id) SELECT id FROM backoffice_auditentry ORDER BY id;"


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0040_bulk_frozen")]

    operations = [
        migrations.CreateModel(
            name="AuditCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_default=Now())),
                ("position", models.BigIntegerField()),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("finding", models.TextField(blank=True)),
            ],
            options={"get_latest_by": "pk"},
        ),
        migrations.CreateModel(
            name="AuditLink",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("sha256", models.CharField(max_length=64)),
                ("sealed_at", models.DateTimeField()),
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="link",
                        to="backoffice.auditentry",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AuditPending",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="backoffice.auditentry",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("verb__endswith", ".refused")), fields=["-at"], name="audit_refused"
            ),
        ),
        migrations.RunSQL(BEGIN, migrations.RunSQL.noop),
        migrations.RunSQL(ENTER, UNDO_ENTER),
        migrations.RunSQL(SEAL, UNDO_SEAL),
        append_only("backoffice_auditlink"),
        append_only("backoffice_auditcheck"),
    ]
