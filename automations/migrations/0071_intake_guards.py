"""What a webhook said never changes, is taken once, and is never deleted; secrets only end."""

from django.db import migrations

from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, grant

PINNED = "SET search_path = pg_catalog, public, pg_temp"

DELIVERIES = f"""
CREATE FUNCTION automations_delivery_guard() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'A delivery is never deleted: its id must be known when it comes again.' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.source_id, NEW.external_id, NEW.topic, NEW.sha256, NEW.is_id_signed, NEW.secret_id, NEW.received_at, NEW.version)
       IS DISTINCT FROM (OLD.id, OLD.source_id, OLD.external_id, OLD.topic, OLD.sha256, OLD.is_id_signed, OLD.secret_id, OLD.received_at, OLD.version)
       OR (NEW.body IS NOT NULL AND NEW.body IS DISTINCT FROM OLD.body) THEN
        RAISE EXCEPTION 'What a delivery said never changes.' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'taken' AND (NEW.state <> 'taken' OR NEW.event_id IS DISTINCT FROM OLD.event_id) THEN
        RAISE EXCEPTION 'A delivery that was taken is never taken again.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_delivery_guard BEFORE UPDATE OR DELETE ON automations_delivery
    FOR EACH ROW EXECUTE FUNCTION automations_delivery_guard();
CREATE TRIGGER automations_delivery_no_truncate BEFORE TRUNCATE ON automations_delivery
    FOR EACH STATEMENT EXECUTE FUNCTION automations_delivery_guard();
"""
UNDO_DELIVERIES = """
DROP TRIGGER automations_delivery_no_truncate ON automations_delivery;
DROP TRIGGER automations_delivery_guard ON automations_delivery;
DROP FUNCTION automations_delivery_guard();
"""

# Sealing it anew under another key is no change of the secret; an end is only ever brought forward.
SECRETS = f"""
CREATE FUNCTION automations_intakesecret_guard() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF (NEW.id, NEW.source_id, NEW.created_by_id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.source_id, OLD.created_by_id, OLD.created_at)
       OR (OLD.ends_at IS NOT NULL AND (NEW.ends_at IS NULL OR NEW.ends_at > OLD.ends_at)) THEN
        RAISE EXCEPTION 'A signing secret ends, and is never changed or brought back.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_intakesecret_guard BEFORE UPDATE ON automations_intakesecret
    FOR EACH ROW EXECUTE FUNCTION automations_intakesecret_guard();
"""
UNDO_SECRETS = """
DROP TRIGGER automations_intakesecret_guard ON automations_intakesecret;
DROP FUNCTION automations_intakesecret_guard();
"""

EVERYONE = list(ROLES)


class Migration(migrations.Migration):
    dependencies = [("automations", "0070_intake")]

    operations = [
        migrations.RunSQL(DELIVERIES, UNDO_DELIVERIES),
        migrations.RunSQL(SECRETS, UNDO_SECRETS),
        grant(
            "automations",
            {
                "view_delivery": EVERYONE,
                "replay_delivery": [ADMINISTRATOR, OPERATIONS],
                "view_intakesource": EVERYONE,
                "add_intakesource": [ADMINISTRATOR],
                "change_intakesource": [ADMINISTRATOR],
                "add_intakesecret": [ADMINISTRATOR],
                "change_intakesecret": [ADMINISTRATOR],
                "add_intakeroute": [ADMINISTRATOR],
                "change_intakeroute": [ADMINISTRATOR],
                "delete_intakeroute": [ADMINISTRATOR],
            },
        ),
    ]
