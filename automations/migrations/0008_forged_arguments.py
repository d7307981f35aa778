"""What the functions take on trust from whoever calls them, they look up; and what ran stays told.

A submission could name any revision, and with it hide who edited since; any key, and withdraw
another rule's candidate with it. A run could be written for a version that was never in force.
"""

from django.db import migrations

SUBMIT = """
CREATE OR REPLACE FUNCTION automations_submit_document(
    p_kind text, p_key text, p_rule bigint, p_text text, p_pins text[], p_sha256 text, p_risk text, p_why text,
    p_author bigint, p_submitter bigint, p_draft_revision int
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    drawn record;
    fresh bigint;
    next_version int;
    since int;
BEGIN
    IF automations_hash(p_text, p_pins) IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('The content does not have this hash.');
    END IF;
    PERFORM automations_person(p_submitter);
    SELECT id, slug, owner_id, fallback, retired_at INTO owned FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    SELECT revision, updated_by_id INTO drawn FROM automations_draft WHERE rule_id = p_rule;
    IF p_kind = 'rule' AND owned IS NULL THEN
        PERFORM automations_refuse('There is no such rule.');
    ELSIF p_kind = 'rule' AND owned.slug IS DISTINCT FROM p_key THEN
        PERFORM automations_refuse('This is the key of another rule.');
    ELSIF p_kind = 'rule' AND (drawn.revision, drawn.updated_by_id) IS DISTINCT FROM (p_draft_revision, p_author) THEN
        PERFORM automations_refuse('The draft changed after you looked at it. Look again, then submit.');
    ELSIF owned.retired_at IS NOT NULL THEN
        PERFORM automations_refuse('This rule is retired.');
    ELSIF p_kind = 'rule' AND (owned.owner_id IS NULL OR btrim(owned.fallback) = '') THEN
        PERFORM automations_refuse('A rule needs an owner and a written fallback before it can be submitted.');
    END IF;
    UPDATE automations_document d SET state = 'withdrawn', decided_at = statement_timestamp()
     WHERE d.kind = p_kind AND d.key = p_key AND d.state IN ('submitted', 'changes', 'approved')
       AND NOT EXISTS (SELECT 1 FROM automations_activation a WHERE a.document_id = d.id AND a.mode = 'live');
    SELECT coalesce(max(version), 0) + 1 INTO next_version FROM automations_document WHERE kind = p_kind AND key = p_key;
    INSERT INTO automations_document (kind, key, version, rule_id, text, pins, sha256, risk, state, why,
                                      author_id, submitted_by_id, draft_revision)
    VALUES (p_kind, p_key, next_version, p_rule, p_text, p_pins, p_sha256, p_risk, 'submitted', p_why,
            p_author, p_submitter, p_draft_revision)
    RETURNING id INTO fresh;
    -- Everyone who edited since the version in force was drawn up, and whoever wrote what an undo
    -- since then has brought back.
    SELECT coalesce(max(d.draft_revision), 0) INTO since FROM automations_document d
      JOIN automations_activation a ON a.document_id = d.id WHERE d.rule_id = p_rule AND a.mode = 'live';
    INSERT INTO automations_documenteditor (document_id, user_id)
    SELECT fresh, r.editor_id FROM automations_draftrevision r WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, back.editor_id FROM automations_draftrevision r
      JOIN automations_draftrevision back ON back.rule_id = r.rule_id AND back.number = r.repeats
     WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, p_author UNION SELECT fresh, p_submitter;
    PERFORM automations_audit('rules.submitted', 'automations.document', fresh, p_submitter,
        jsonb_build_object('kind', p_kind, 'key', p_key, 'version', next_version, 'sha256', p_sha256, 'risk', p_risk));
    RETURN fresh;
END $$;
"""

# Once a statement, not once a row: runs come in hundreds.
IN_FORCE = """
CREATE FUNCTION automations_run_in_force() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- Only a run that waits moves, to a version of its rule that was put in force.
        IF (OLD.id, OLD.event_id, OLD.rule_id) IS NOT DISTINCT FROM (NEW.id, NEW.event_id, NEW.rule_id)
           AND OLD.state = 'waiting' AND EXISTS (
            SELECT FROM automations_activation a
             WHERE a.document_id = NEW.document_id AND a.rule_id = NEW.rule_id AND a.mode = 'live') THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'run % stays what it is: one event under one version of a rule', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM FROM added WHERE NOT EXISTS (
        SELECT FROM automations_activation a
         WHERE a.document_id = added.document_id AND a.rule_id = added.rule_id
           AND (a.mode = 'live' OR added.shadow));
    IF FOUND THEN
        RAISE EXCEPTION 'a run is of a version that was in force'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER automations_run_in_force AFTER INSERT ON automations_run
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION automations_run_in_force();
CREATE TRIGGER automations_run_stays BEFORE UPDATE OF id, event_id, rule_id, document_id ON automations_run
    FOR EACH ROW WHEN ((OLD.id, OLD.event_id, OLD.rule_id, OLD.document_id)
        IS DISTINCT FROM (NEW.id, NEW.event_id, NEW.rule_id, NEW.document_id))
    EXECUTE FUNCTION automations_run_in_force();
"""
NOT_IN_FORCE = """
DROP TRIGGER automations_run_stays ON automations_run;
DROP TRIGGER automations_run_in_force ON automations_run;
DROP FUNCTION automations_run_in_force();
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0007_flow_guards")]

    operations = [
        migrations.RunSQL(SUBMIT, migrations.RunSQL.noop),
        migrations.RunSQL(IN_FORCE, NOT_IN_FORCE),
    ]
