"""A connector's scope is approved by finance, tightened by one person, and never acts otherwise.

What leaves the house is written down first: an effect outside is never sent again while it may have
happened, and the log of calls is only ever added to.
"""

from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, FINANCE, OPERATIONS, ROLES, SUPPORT, grant

LEASE = """
CREATE SEQUENCE automations_lease;
"""

# INTENT comes from nothing, or from what certainly was not done.
EFFECT = """
CREATE FUNCTION automations_effect_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An effect that may have happened is never sent again.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER automations_effect_guard BEFORE UPDATE ON automations_effect
    FOR EACH ROW WHEN (NEW.state = 'intent' AND OLD.state <> 'failed' OR OLD.state = 'confirmed' AND NEW.state <> 'confirmed')
    EXECUTE FUNCTION automations_effect_guard();
"""
UNDO_EFFECT = """
DROP TRIGGER automations_effect_guard ON automations_effect;
DROP FUNCTION automations_effect_guard();
"""

# A scope is money's business, whatever a caller says, and each candidate's editors stay editors of
# the next: its content lives on in it.
SCOPES = """
CREATE FUNCTION automations_scope_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.rule_id IS NOT NULL OR NEW.risk <> 'money'
       OR NOT EXISTS (SELECT 1 FROM automations_connectoraccount WHERE key = NEW.key) THEN
        PERFORM automations_refuse('A scope belongs to a connector, and finance decides on it.');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_scope_guard BEFORE INSERT ON automations_document
    FOR EACH ROW WHEN (NEW.kind = 'connector') EXECUTE FUNCTION automations_scope_guard();

CREATE FUNCTION automations_scope_editors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO automations_documenteditor (document_id, user_id)
    SELECT DISTINCT NEW.document_id, e.user_id FROM automations_document d
      JOIN automations_document o ON o.kind = d.kind AND o.key = d.key AND o.version < d.version
       AND o.version > coalesce((SELECT max(l.version) FROM automations_document l
            JOIN automations_activation a ON a.document_id = l.id AND a.mode = 'live'
           WHERE l.kind = d.kind AND l.key = d.key), 0)
      JOIN automations_documenteditor e ON e.document_id = o.id
     WHERE d.id = NEW.document_id AND d.kind = 'connector'
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER automations_scope_editors AFTER INSERT ON automations_documenteditor
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION automations_scope_editors();
"""
UNDO_SCOPES = """
DROP TRIGGER automations_scope_editors ON automations_documenteditor;
DROP FUNCTION automations_scope_editors();
DROP TRIGGER automations_scope_guard ON automations_document;
DROP FUNCTION automations_scope_guard();
"""

# The figures of p_names may only fall and the lists only shrink; all else stays as it is.
TIGHTEN = """
CREATE FUNCTION automations_is_tighter(p_before jsonb, p_after jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    lower_ones text[] := ARRAY['per_minute', 'burst', 'cap', 'request_kb', 'response_kb'];
    fewer_ones text[] := ARRAY['hosts', 'methods', 'keep'];
    name text;
BEGIN
    IF p_before = p_after OR p_before - lower_ones - fewer_ones <> p_after - lower_ones - fewer_ones THEN
        RETURN false;
    END IF;
    FOREACH name IN ARRAY lower_ones LOOP
        IF jsonb_typeof(p_after -> name) IS DISTINCT FROM 'number' OR (p_after ->> name)::numeric > (p_before ->> name)::numeric THEN
            RETURN false;
        END IF;
    END LOOP;
    FOREACH name IN ARRAY fewer_ones LOOP
        IF jsonb_typeof(p_after -> name) IS DISTINCT FROM 'array' OR NOT (p_after -> name) <@ (p_before -> name)
           OR (jsonb_array_length(p_after -> name) = 0 AND jsonb_array_length(p_before -> name) > 0) THEN
            RETURN false;
        END IF;
    END LOOP;
    RETURN true;
END $$;

CREATE FUNCTION automations_tighten_document(p_key text, p_live bigint, p_text text, p_sha256 text, p_why text, p_user bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d automations_document;
    live automations_document;
    fresh bigint;
BEGIN
    PERFORM automations_person(p_user);
    PERFORM 1 FROM automations_document WHERE kind = 'connector' AND key = p_key ORDER BY id FOR UPDATE;
    SELECT o.* INTO live FROM automations_activation a JOIN automations_document o ON o.id = a.document_id
     WHERE a.kind = 'connector' AND a.key = p_key AND a.mode = 'live' AND a.until_at IS NULL;
    IF live.id IS NULL OR live.id <> p_live THEN
        PERFORM automations_refuse('The scope in force has changed meanwhile. Look at it again.');
    ELSIF automations_hash(p_text, live.pins) IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('The content does not have this hash.');
    ELSIF NOT automations_is_tighter(live.text::jsonb, p_text::jsonb) THEN
        PERFORM automations_refuse('This is not only tighter, so it has to be approved.');
    END IF;
    UPDATE automations_document w SET state = 'withdrawn', decided_at = statement_timestamp()
     WHERE w.kind = 'connector' AND w.key = p_key AND w.state IN ('submitted', 'changes', 'approved')
       AND NOT EXISTS (SELECT 1 FROM automations_activation a WHERE a.document_id = w.id);
    INSERT INTO automations_document (kind, key, version, text, pins, sha256, risk, state, why, author_id, submitted_by_id, decided_at)
    SELECT 'connector', p_key, max(version) + 1, p_text, live.pins, p_sha256, 'money', 'approved', p_why, p_user, p_user, statement_timestamp()
      FROM automations_document WHERE kind = 'connector' AND key = p_key
    RETURNING id INTO fresh;
    INSERT INTO automations_documenteditor (document_id, user_id) VALUES (fresh, p_user) ON CONFLICT DO NOTHING;
    UPDATE automations_activation SET until_at = statement_timestamp(), ended_by_id = p_user
     WHERE kind = 'connector' AND key = p_key AND mode = 'live' AND until_at IS NULL;
    INSERT INTO automations_activation (kind, key, mode, document_id, activated_by_id) VALUES ('connector', p_key, 'live', fresh, p_user);
    PERFORM automations_next_epoch();
    PERFORM automations_audit('connectors.tightened', 'automations.document', fresh, p_user,
        jsonb_build_object('connector', p_key, 'sha256', p_sha256, 'before', live.id, 'why', p_why));
    RETURN fresh;
END $$;
REVOKE EXECUTE ON FUNCTION automations_tighten_document(text, bigint, text, text, text, bigint) FROM PUBLIC;
"""
UNDO_TIGHTEN = """
DROP FUNCTION automations_tighten_document(text, bigint, text, text, text, bigint);
DROP FUNCTION automations_is_tighter(jsonb, jsonb);
"""

# A secret is never changed into another: it is retired, and a new one stored. Sealing it anew under
# another key is no change of the secret.
SECRETS = """
CREATE FUNCTION automations_secret_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (to_jsonb(NEW) - ARRAY['sealed', 'retired_at', 'retired_by_id']) IS DISTINCT FROM (to_jsonb(OLD) - ARRAY['sealed', 'retired_at', 'retired_by_id'])
       OR (OLD.retired_at IS NOT NULL AND NEW.retired_at IS DISTINCT FROM OLD.retired_at) THEN
        RAISE EXCEPTION 'A secret is retired once, and never changed.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_secret_guard BEFORE UPDATE ON automations_secret
    FOR EACH ROW EXECUTE FUNCTION automations_secret_guard();
"""
UNDO_SECRETS = """
DROP TRIGGER automations_secret_guard ON automations_secret;
DROP FUNCTION automations_secret_guard();
"""

EVERYONE = list(ROLES)


class Migration(migrations.Migration):
    dependencies = [("automations", "0020_connectors")]

    operations = [
        migrations.RunSQL(LEASE, "DROP SEQUENCE automations_lease;"),
        migrations.RunSQL(EFFECT, UNDO_EFFECT),
        migrations.RunSQL(SCOPES, UNDO_SCOPES),
        migrations.RunSQL(TIGHTEN, UNDO_TIGHTEN),
        migrations.RunSQL(SECRETS, UNDO_SECRETS),
        append_only("automations_calllog"),
        grant(
            "automations",
            {
                "view_connectoraccount": EVERYONE,
                "view_calllog": EVERYONE,
                "add_connectoraccount": [ADMINISTRATOR],
                "change_connectoraccount": [ADMINISTRATOR],
                "add_secret": [ADMINISTRATOR],
                "change_secret": [ADMINISTRATOR],
                "submit_scope": [ADMINISTRATOR, OPERATIONS],
                "tighten_scope": [ADMINISTRATOR, OPERATIONS, FINANCE],
                "use_connectoraccount": [OPERATIONS, FINANCE, SUPPORT],
            },
        ),
    ]
