"""What no shell, admin page or bulk update can get around: who approves, and what is in force.

The application role only reads documents, editors, approvals, activations and the epoch. It
writes them through the functions below, which the owner role defines. They recompute the hash,
refuse whoever wrote or submitted a document as its approver, and leave an audit entry each.
"""

from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import (
    ADMINISTRATOR,
    FINANCE,
    OPERATIONS,
    ROLES,
    SUPPORT,
    grant,
)

IMMUTABLE = """
CREATE FUNCTION automations_document_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'automations_document: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    IF (to_jsonb(NEW) - 'state' - 'decided_at') IS DISTINCT FROM (to_jsonb(OLD) - 'state' - 'decided_at') THEN
        RAISE EXCEPTION 'A submitted document never changes.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_document_guard BEFORE UPDATE OR DELETE ON automations_document
    FOR EACH ROW EXECUTE FUNCTION automations_document_guard();
CREATE TRIGGER automations_document_no_truncate BEFORE TRUNCATE ON automations_document
    FOR EACH STATEMENT EXECUTE FUNCTION automations_document_guard();

CREATE FUNCTION automations_activation_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.until_at IS NOT NULL
       OR (to_jsonb(NEW) - 'until_at' - 'ended_by_id') IS DISTINCT FROM (to_jsonb(OLD) - 'until_at' - 'ended_by_id') THEN
        RAISE EXCEPTION 'A period in force can only be ended, once.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_activation_guard BEFORE UPDATE OR DELETE ON automations_activation
    FOR EACH ROW EXECUTE FUNCTION automations_activation_guard();
CREATE TRIGGER automations_activation_no_truncate BEFORE TRUNCATE ON automations_activation
    FOR EACH STATEMENT EXECUTE FUNCTION automations_activation_guard();

CREATE FUNCTION automations_event_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An event never changes.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER automations_event_guard BEFORE UPDATE ON automations_event
    FOR EACH ROW EXECUTE FUNCTION automations_event_guard();
"""

UNDO_IMMUTABLE = """
DROP TRIGGER automations_event_guard ON automations_event;
DROP FUNCTION automations_event_guard();
DROP TRIGGER automations_activation_no_truncate ON automations_activation;
DROP TRIGGER automations_activation_guard ON automations_activation;
DROP FUNCTION automations_activation_guard();
DROP TRIGGER automations_document_no_truncate ON automations_document;
DROP TRIGGER automations_document_guard ON automations_document;
DROP FUNCTION automations_document_guard();
"""

# Refusals use SQLSTATE CS001, so that the services can tell a refusal from a fault.
HELPERS = """
CREATE FUNCTION automations_refuse(p_message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', p_message USING ERRCODE = 'CS001';
END $$;

CREATE FUNCTION automations_person(p_user bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found record;
BEGIN
    SELECT username, first_name, last_name, is_active INTO found FROM backoffice_user WHERE id = p_user;
    IF found IS NULL OR NOT found.is_active THEN
        PERFORM automations_refuse('This account is not active.');
    END IF;
    RETURN coalesce(nullif(btrim(found.first_name || ' ' || found.last_name), ''), found.username);
END $$;

CREATE FUNCTION automations_audit(p_verb text, p_subject text, p_id bigint, p_user bigint, p_detail jsonb)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO backoffice_auditentry (verb, subject, subject_id, actor_kind, actor_label, user_id, detail)
    SELECT p_verb, p_subject, p_id, 'person', automations_person(p_user), p_user, p_detail;
$$;

-- Money is finance's; what reaches customers is operations' or support's; administrators never
-- approve by rank.
CREATE FUNCTION automations_role_suits(p_risk text, p_role text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_risk
        WHEN 'money' THEN p_role = 'finance'
        WHEN 'customer' THEN p_role IN ('operations', 'support')
        WHEN 'none' THEN p_role IN ('operations', 'finance', 'support')
        ELSE false END;
$$;

CREATE FUNCTION automations_has_role(p_user bigint, p_role text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM backoffice_user_groups m JOIN auth_group g ON g.id = m.group_id
                   WHERE m.user_id = p_user AND g.name = p_role);
$$;

-- Microseconds rather than a count: it never comes again after a rollback or a restore, so nobody
-- takes old rules for new ones.
CREATE FUNCTION automations_next_epoch() RETURNS void LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE automations_epoch SET value = greatest(value + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
$$;

-- The text and what it depends on, one a line; a line feed inside one would forge another.
CREATE FUNCTION automations_hash(p_text text, p_pins text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN position(E'\n' in p_text || array_to_string(p_pins, '')) = 0
        THEN encode(sha256(convert_to(array_to_string(p_text || p_pins, E'\n'), 'UTF8')), 'hex') END;
$$;
"""

UNDO_HELPERS = """
DROP FUNCTION automations_hash(text, text[]);
DROP FUNCTION automations_next_epoch();
DROP FUNCTION automations_has_role(bigint, text);
DROP FUNCTION automations_role_suits(text, text);
DROP FUNCTION automations_audit(text, text, bigint, bigint, jsonb);
DROP FUNCTION automations_person(bigint);
DROP FUNCTION automations_refuse(text);
"""

SUBMIT = """
CREATE FUNCTION automations_submit_document(
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
       AND NOT EXISTS (SELECT 1 FROM automations_activation a WHERE a.document_id = d.id);
    SELECT coalesce(max(version), 0) + 1 INTO next_version FROM automations_document WHERE kind = p_kind AND key = p_key;
    INSERT INTO automations_document (kind, key, version, rule_id, text, pins, sha256, risk, state, why,
                                      author_id, submitted_by_id, draft_revision)
    VALUES (p_kind, p_key, next_version, p_rule, p_text, p_pins, p_sha256, p_risk, 'submitted', p_why,
            p_author, p_submitter, p_draft_revision)
    RETURNING id INTO fresh;
    -- Everyone who edited since the version in force was drawn up.
    SELECT coalesce(max(d.draft_revision), 0) INTO since FROM automations_document d
      JOIN automations_activation a ON a.document_id = d.id WHERE d.rule_id = p_rule;
    INSERT INTO automations_documenteditor (document_id, user_id)
    SELECT fresh, r.editor_id FROM automations_draftrevision r WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, p_author UNION SELECT fresh, p_submitter;
    PERFORM automations_audit('rules.submitted', 'automations.document', fresh, p_submitter,
        jsonb_build_object('kind', p_kind, 'key', p_key, 'version', next_version, 'sha256', p_sha256, 'risk', p_risk));
    RETURN fresh;
END $$;
"""

DECIDE = """
CREATE FUNCTION automations_decide_document(
    p_document bigint, p_sha256 text, p_approver bigint, p_role text, p_verdict text,
    p_comment text, p_evidence jsonb
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d automations_document;
    fresh bigint;
BEGIN
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    IF d.id IS NULL THEN
        PERFORM automations_refuse('There is no such document.');
    ELSIF d.state <> 'submitted' THEN
        PERFORM automations_refuse('This version no longer waits for approval.');
    ELSIF automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 OR d.sha256 <> p_sha256 THEN
        PERFORM automations_refuse('What you looked at is not what would be approved. Open it again.');
    END IF;
    PERFORM automations_person(p_approver);
    IF p_approver IN (d.author_id, d.submitted_by_id) OR EXISTS (
        SELECT 1 FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_approver) THEN
        PERFORM automations_refuse('You edited or submitted this version, so someone else has to decide.');
    ELSIF NOT automations_role_suits(d.risk, p_role) OR NOT automations_has_role(p_approver, p_role) THEN
        PERFORM automations_refuse(CASE d.risk
            WHEN 'money' THEN 'This rule moves money: someone of finance has to decide.'
            WHEN 'customer' THEN 'This rule reaches customers: someone of operations or support has to decide.'
            ELSE 'Someone of operations, finance or support has to decide.' END);
    ELSIF p_verdict NOT IN ('approve', 'reject', 'changes') THEN
        PERFORM automations_refuse('There is no such verdict.');
    ELSIF p_verdict <> 'approve' AND btrim(p_comment) = '' THEN
        PERFORM automations_refuse('Say why, so that the author knows what to change.');
    END IF;
    INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict, comment, evidence, expires_at)
    VALUES (d.id, d.sha256, p_approver, p_role, p_verdict, p_comment, p_evidence, statement_timestamp() + interval '30 days')
    RETURNING id INTO fresh;
    UPDATE automations_document SET decided_at = statement_timestamp(), state = CASE p_verdict
        WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected' ELSE 'changes' END WHERE id = d.id;
    PERFORM automations_audit(CASE p_verdict WHEN 'approve' THEN 'rules.approved' WHEN 'reject' THEN 'rules.rejected'
            ELSE 'rules.changes_requested' END, 'automations.document', d.id, p_approver,
        jsonb_build_object('sha256', d.sha256, 'role', p_role, 'approval', fresh));
    RETURN fresh;
END $$;

CREATE FUNCTION automations_withdraw_document(p_document bigint, p_user bigint, p_why text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d automations_document;
BEGIN
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    IF d.id IS NULL OR d.state NOT IN ('submitted', 'changes', 'approved')
       OR EXISTS (SELECT 1 FROM automations_activation WHERE document_id = d.id) THEN
        PERFORM automations_refuse('There is nothing to withdraw.');
    END IF;
    UPDATE automations_document SET state = 'withdrawn', decided_at = statement_timestamp() WHERE id = d.id;
    PERFORM automations_audit('rules.withdrawn', 'automations.document', d.id, p_user,
        jsonb_build_object('sha256', d.sha256, 'why', p_why));
END $$;
"""

UNDO_DOCUMENTS = """
DROP FUNCTION automations_withdraw_document(bigint, bigint, text);
DROP FUNCTION automations_decide_document(bigint, text, bigint, text, text, text, jsonb);
DROP FUNCTION automations_submit_document(text, text, bigint, text, text[], text, text, text, bigint, bigint, int);
"""

ACTIVATE = """
CREATE FUNCTION automations_activate_document(p_document bigint, p_user bigint)
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
    IF d.id IS NULL OR owned.id IS NULL THEN
        PERFORM automations_refuse('There is no such document.');
    END IF;
    PERFORM automations_person(p_user);
    SELECT a.id, a.document_id, o.version INTO live FROM automations_activation a
      JOIN automations_document o ON o.id = a.document_id WHERE a.rule_id = owned.id AND a.until_at IS NULL;
    IF live.document_id = d.id THEN
        RETURN live.id;
    ELSIF owned.retired_at IS NOT NULL OR owned.owner_id IS NULL OR btrim(owned.fallback) = '' THEN
        PERFORM automations_refuse('A rule needs an owner and a written fallback before it can act.');
    ELSIF d.state <> 'approved' OR automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 THEN
        PERFORM automations_refuse('This version is not approved.');
    ELSIF d.version <= (SELECT max(o.version) FROM automations_activation a
                          JOIN automations_document o ON o.id = a.document_id WHERE a.rule_id = owned.id) THEN
        PERFORM automations_refuse('A later version was in force. Restore this one as a new draft.');
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
    UPDATE automations_activation SET until_at = statement_timestamp(), ended_by_id = p_user WHERE id = live.id;
    INSERT INTO automations_activation (rule_id, document_id, activated_by_id)
    VALUES (owned.id, d.id, p_user) RETURNING id INTO fresh;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.activated', 'automations.rule', owned.id, p_user,
        jsonb_build_object('document', d.id, 'version', d.version, 'sha256', d.sha256));
    RETURN fresh;
END $$;

CREATE FUNCTION automations_end_activation(p_rule bigint, p_user bigint, p_why text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    UPDATE automations_activation SET until_at = statement_timestamp(), ended_by_id = p_user
     WHERE rule_id = p_rule AND until_at IS NULL;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.ended', 'automations.rule', p_rule, p_user, jsonb_build_object('why', p_why));
END $$;

CREATE FUNCTION automations_ask_start(p_stop bigint, p_user bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    s automations_stop;
BEGIN
    SELECT * INTO s FROM automations_stop WHERE id = p_stop FOR UPDATE;
    IF s.id IS NULL OR s.lifted_at IS NOT NULL THEN
        PERFORM automations_refuse('This is not stopped any more.');
    END IF;
    UPDATE automations_stop SET asked_by_id = p_user, asked_at = statement_timestamp() WHERE id = s.id;
    PERFORM automations_audit('rules.start_asked', 'automations.stop', s.id, p_user, jsonb_build_object('rule', s.rule_id));
END $$;

-- Starting takes two: the one who asked, and an approver of the role that the rule's risk asks for.
CREATE FUNCTION automations_start_again(p_stop bigint, p_approver bigint, p_role text)
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
     WHERE a.rule_id = s.rule_id AND a.until_at IS NULL;
    IF EXISTS (SELECT 1 FROM automations_documenteditor WHERE document_id = live.id AND user_id = p_approver) THEN
        PERFORM automations_refuse('You edited or submitted this rule, so someone else has to agree.');
    ELSIF NOT automations_role_suits(CASE WHEN s.rule_id IS NULL THEN 'money' ELSE coalesce(live.risk, 'none') END, p_role)
          OR NOT automations_has_role(p_approver, p_role) THEN
        PERFORM automations_refuse('Your role can''t start this again.');
    END IF;
    UPDATE automations_stop SET lifted_by_id = p_approver, lifted_at = statement_timestamp() WHERE id = s.id;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.started', 'automations.stop', s.id, p_approver,
        jsonb_build_object('rule', s.rule_id, 'asked_by', s.asked_by_id, 'role', p_role));
END $$;

INSERT INTO automations_epoch (value) VALUES (1);
"""

UNDO_ACTIVATE = """
DELETE FROM automations_epoch;
DROP FUNCTION automations_start_again(bigint, bigint, text);
DROP FUNCTION automations_ask_start(bigint, bigint);
DROP FUNCTION automations_end_activation(bigint, bigint, text);
DROP FUNCTION automations_activate_document(bigint, bigint);
"""

# Only the application role may call them (backoffice.grants), not every role of the server.
DOORS = """
REVOKE EXECUTE ON FUNCTION
    automations_submit_document(text, text, bigint, text, text[], text, text, text, bigint, bigint, int),
    automations_decide_document(bigint, text, bigint, text, text, text, jsonb),
    automations_withdraw_document(bigint, bigint, text),
    automations_activate_document(bigint, bigint),
    automations_end_activation(bigint, bigint, text),
    automations_ask_start(bigint, bigint),
    automations_start_again(bigint, bigint, text)
FROM PUBLIC;
"""

EVERYONE = list(ROLES)
APPROVERS = [OPERATIONS, FINANCE, SUPPORT]
VIEWED = [
    "event", "rule", "draft", "draftrevision", "document", "documenteditor", "approval",
    "activation", "stop", "run", "steprun", "effect", "failure", "failureaction",
]


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0001_initial"),
        ("backoffice", "0002_roles_and_guards"),
    ]

    operations = [
        migrations.RunSQL(IMMUTABLE, UNDO_IMMUTABLE),
        append_only("automations_approval"),
        append_only("automations_documenteditor"),
        append_only("automations_draftrevision"),
        append_only("automations_failureaction"),
        migrations.RunSQL(HELPERS, UNDO_HELPERS),
        migrations.RunSQL([SUBMIT, DECIDE], UNDO_DOCUMENTS),
        migrations.RunSQL(ACTIVATE, UNDO_ACTIVATE),
        migrations.RunSQL(DOORS, migrations.RunSQL.noop),
        grant(
            "automations",
            {
                **{f"view_{model}": EVERYONE for model in VIEWED},
                "add_rule": [OPERATIONS],
                "change_rule": [OPERATIONS],
                "submit_rule": [OPERATIONS],
                "change_draft": [OPERATIONS],
                "stop_rule": [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR],
                "approve_document": APPROVERS,
                "change_failure": [OPERATIONS, SUPPORT],
                "work_failure": [OPERATIONS, SUPPORT],
            },
        ),
    ]
