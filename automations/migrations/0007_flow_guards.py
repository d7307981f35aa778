"""What is in force is told by kind and key: a rule's version, its shadow, a connector's scope.

Shadows take no effect, so they start without an approval; a first look ends with its reviewer.
"""

from django.db import migrations

GUARD = """
CREATE OR REPLACE FUNCTION automations_activation_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ending text[] := ARRAY['until_at', 'ended_by_id', 'looked_at', 'looked_by_id'];
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.until_at IS NOT NULL
       OR (OLD.looked_at IS NOT NULL AND NEW.looked_at IS DISTINCT FROM OLD.looked_at)
       OR (to_jsonb(NEW) - ending) IS DISTINCT FROM (to_jsonb(OLD) - ending) THEN
        RAISE EXCEPTION 'A period in force can only be looked at and ended, once.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

# A shadow was never approved: whoever edited before it is still an editor.
SUBMIT = """
CREATE OR REPLACE FUNCTION automations_submit_document(
    p_kind text, p_key text, p_rule bigint, p_text text, p_pins text[], p_sha256 text, p_risk text, p_why text,
    p_author bigint, p_submitter bigint, p_draft_revision int
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    fresh bigint;
    next_version int;
    since int;
BEGIN
    IF automations_hash(p_text, p_pins) IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('The content does not have this hash.');
    END IF;
    PERFORM automations_person(p_submitter);
    SELECT id, owner_id, fallback, retired_at INTO owned FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    IF p_kind = 'rule' AND owned IS NULL THEN
        PERFORM automations_refuse('There is no such rule.');
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
    -- Everyone who edited since the version in force was drawn up.
    SELECT coalesce(max(d.draft_revision), 0) INTO since FROM automations_document d
      JOIN automations_activation a ON a.document_id = d.id WHERE d.rule_id = p_rule AND a.mode = 'live';
    INSERT INTO automations_documenteditor (document_id, user_id)
    SELECT fresh, r.editor_id FROM automations_draftrevision r WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, p_author UNION SELECT fresh, p_submitter;
    PERFORM automations_audit('rules.submitted', 'automations.document', fresh, p_submitter,
        jsonb_build_object('kind', p_kind, 'key', p_key, 'version', next_version, 'sha256', p_sha256, 'risk', p_risk));
    RETURN fresh;
END $$;

CREATE OR REPLACE FUNCTION automations_withdraw_document(p_document bigint, p_user bigint, p_why text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d automations_document;
BEGIN
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    IF d.id IS NULL OR d.state NOT IN ('submitted', 'changes', 'approved')
       OR EXISTS (SELECT 1 FROM automations_activation WHERE document_id = d.id AND mode = 'live') THEN
        PERFORM automations_refuse('There is nothing to withdraw.');
    END IF;
    UPDATE automations_document SET state = 'withdrawn', decided_at = statement_timestamp() WHERE id = d.id;
    PERFORM automations_audit('rules.withdrawn', 'automations.document', d.id, p_user,
        jsonb_build_object('sha256', d.sha256, 'why', p_why));
END $$;
"""

ACTIVATE = """
DROP FUNCTION automations_activate_document(bigint, bigint);
CREATE FUNCTION automations_activate_document(p_document bigint, p_user bigint, p_first_look jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    d automations_document;
    live record;
    fresh bigint;
BEGIN
    SELECT id, owner_id, fallback, retired_at INTO owned FROM automations_rule
     WHERE id = (SELECT rule_id FROM automations_document WHERE id = p_document) FOR NO KEY UPDATE;
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    IF d.id IS NULL OR (d.kind = 'rule' AND owned.id IS NULL) THEN
        PERFORM automations_refuse('There is no such document.');
    END IF;
    PERFORM automations_person(p_user);
    PERFORM 1 FROM automations_document WHERE kind = d.kind AND key = d.key ORDER BY id FOR UPDATE;
    SELECT a.id, a.document_id, o.version INTO live FROM automations_activation a
      JOIN automations_document o ON o.id = a.document_id
     WHERE a.kind = d.kind AND a.key = d.key AND a.mode = 'live' AND a.until_at IS NULL;
    IF live.document_id = d.id THEN
        RETURN live.id;
    ELSIF d.kind = 'rule' AND (owned.retired_at IS NOT NULL OR owned.owner_id IS NULL OR btrim(owned.fallback) = '') THEN
        PERFORM automations_refuse('A rule needs an owner and a written fallback before it can act.');
    ELSIF d.state <> 'approved' OR automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 THEN
        PERFORM automations_refuse('This version is not approved.');
    ELSIF d.version <= (SELECT max(o.version) FROM automations_activation a
                          JOIN automations_document o ON o.id = a.document_id
                         WHERE a.kind = d.kind AND a.key = d.key AND a.mode = 'live') THEN
        PERFORM automations_refuse('A later version was in force. Restore this one as a new draft.');
    ELSIF p_first_look IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM backoffice_user u WHERE u.id = (p_first_look ->> 'reviewer')::bigint AND u.is_active) THEN
        PERFORM automations_refuse('Name an active person who takes the first look.');
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM automations_approval p JOIN backoffice_user u ON u.id = p.approver_id AND u.is_active
         WHERE p.document_id = d.id AND p.sha256 = d.sha256 AND p.verdict = 'approve' AND p.expires_at > statement_timestamp()
           AND automations_role_suits(d.risk, p.role) AND automations_has_role(p.approver_id, p.role)
           AND p.approver_id NOT IN (d.author_id, d.submitted_by_id)
           AND NOT EXISTS (SELECT 1 FROM automations_documenteditor e
                            WHERE e.document_id = d.id AND e.user_id = p.approver_id)) THEN
        PERFORM automations_refuse('No approval of this version is valid any more. Submit it again.');
    END IF;
    UPDATE automations_activation SET until_at = statement_timestamp(), ended_by_id = p_user
     WHERE until_at IS NULL AND (id = live.id OR (document_id = d.id AND mode = 'shadow'));
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, activated_by_id, first_look)
    VALUES (d.rule_id, d.kind, d.key, 'live', d.id, p_user, p_first_look) RETURNING id INTO fresh;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.activated', CASE WHEN d.rule_id IS NULL THEN 'automations.document' ELSE 'automations.rule' END,
        coalesce(d.rule_id, d.id), p_user,
        jsonb_build_object('document', d.id, 'kind', d.kind, 'version', d.version, 'sha256', d.sha256, 'first_look', p_first_look));
    RETURN fresh;
END $$;

CREATE FUNCTION automations_shadow_document(p_document bigint, p_user bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d automations_document;
    fresh bigint;
BEGIN
    PERFORM 1 FROM automations_rule
     WHERE id = (SELECT rule_id FROM automations_document WHERE id = p_document) AND retired_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM automations_refuse('Only a rule that is not retired can run in shadow.');
    END IF;
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    PERFORM automations_person(p_user);
    IF d.state NOT IN ('submitted', 'approved') OR automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 THEN
        PERFORM automations_refuse('Only a version that is submitted or approved can run in shadow.');
    ELSIF EXISTS (SELECT 1 FROM automations_activation WHERE document_id = d.id AND until_at IS NULL) THEN
        PERFORM automations_refuse('This version runs already.');
    END IF;
    UPDATE automations_activation SET until_at = statement_timestamp(), ended_by_id = p_user
     WHERE kind = d.kind AND key = d.key AND mode = 'shadow' AND until_at IS NULL;
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, activated_by_id)
    VALUES (d.rule_id, d.kind, d.key, 'shadow', d.id, p_user) RETURNING id INTO fresh;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.shadowed', 'automations.rule', d.rule_id, p_user,
        jsonb_build_object('document', d.id, 'version', d.version, 'sha256', d.sha256));
    RETURN fresh;
END $$;

CREATE FUNCTION automations_end_shadow(p_rule bigint, p_user bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM automations_person(p_user);
    UPDATE automations_activation SET until_at = statement_timestamp(), ended_by_id = p_user
     WHERE rule_id = p_rule AND mode = 'shadow' AND until_at IS NULL;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.shadow_ended', 'automations.rule', p_rule, p_user, '{}');
END $$;

-- The reviewer whom the approver named says that what the version does is right. One who has left
-- is stood in for by anyone who could have approved the version.
CREATE FUNCTION automations_end_first_look(p_activation bigint, p_user bigint, p_role text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    a automations_activation;
    d automations_document;
    named bigint;
BEGIN
    SELECT * INTO a FROM automations_activation WHERE id = p_activation FOR UPDATE;
    IF a.id IS NULL OR a.until_at IS NOT NULL OR a.first_look IS NULL OR a.looked_at IS NOT NULL THEN
        PERFORM automations_refuse('No first look is waited for.');
    END IF;
    PERFORM automations_person(p_user);
    SELECT * INTO d FROM automations_document WHERE id = a.document_id;
    SELECT u.id INTO named FROM backoffice_user u WHERE u.id = (a.first_look ->> 'reviewer')::bigint AND u.is_active;
    IF named IS NOT NULL AND named <> p_user THEN
        PERFORM automations_refuse('The first look belongs to the reviewer whom the approver named.');
    ELSIF named IS NULL AND (NOT automations_role_suits(d.risk, p_role) OR NOT automations_has_role(p_user, p_role)
          OR EXISTS (SELECT 1 FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_user)) THEN
        PERFORM automations_refuse('The named reviewer has left: someone who could approve this version has to look.');
    END IF;
    UPDATE automations_activation SET looked_at = statement_timestamp(), looked_by_id = p_user WHERE id = a.id;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.looked_at', 'automations.rule', a.rule_id, p_user,
        jsonb_build_object('document', d.id, 'version', d.version));
END $$;

CREATE OR REPLACE FUNCTION automations_start_again(p_stop bigint, p_approver bigint, p_role text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    s automations_stop;
    live record;
BEGIN
    SELECT * INTO s FROM automations_stop WHERE id = p_stop FOR UPDATE;
    IF s.id IS NULL OR s.lifted_at IS NOT NULL THEN
        PERFORM automations_refuse('This is not stopped any more.');
    ELSIF s.asked_by_id IS NULL THEN
        PERFORM automations_refuse('Nobody has asked to start this again.');
    ELSIF s.asked_by_id = p_approver THEN
        PERFORM automations_refuse('You asked to start this again, so someone else has to agree.');
    END IF;
    PERFORM automations_person(p_approver);
    SELECT d.id, d.risk INTO live FROM automations_activation a JOIN automations_document d ON d.id = a.document_id
     WHERE a.rule_id = s.rule_id AND a.mode = 'live' AND a.until_at IS NULL;
    IF EXISTS (SELECT 1 FROM automations_documenteditor WHERE document_id = live.id AND user_id = p_approver) THEN
        PERFORM automations_refuse('You edited or submitted this rule, so someone else has to agree.');
    ELSIF NOT automations_role_suits(CASE WHEN s.rule_id IS NULL THEN 'money' ELSE coalesce(live.risk, 'none') END, p_role)
          OR NOT automations_has_role(p_approver, p_role) THEN
        PERFORM automations_refuse('Your role can''t start this again.');
    END IF;
    UPDATE automations_stop SET lifted_by_id = p_approver, lifted_at = statement_timestamp() WHERE id = s.id;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.started', 'automations.stop', s.id, p_approver,
        jsonb_build_object('rule', s.rule_id, 'connector', nullif(s.lane, ''), 'asked_by', s.asked_by_id, 'role', p_role));
END $$;

REVOKE EXECUTE ON FUNCTION
    automations_activate_document(bigint, bigint, jsonb),
    automations_shadow_document(bigint, bigint),
    automations_end_shadow(bigint, bigint),
    automations_end_first_look(bigint, bigint, text)
FROM PUBLIC;
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0006_flow")]

    operations = [
        migrations.RunSQL([GUARD, SUBMIT, ACTIVATE], migrations.RunSQL.noop),
    ]
