"""A role counts for an approval only where nobody who worked on the document gave it.

And what a submission says of itself is worked out here: its kind, its risk by the actions in its
text, what it depends on, the draft it is of, and who wrote what a restored version brought back.
"""

import django.db.models.deletion
from django.db import migrations, models

HELPERS = """
CREATE FUNCTION automations_given_by_editor(p_document bigint, p_user bigint, p_role text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM backoffice_givers(p_user, p_role) AS giver (id)
                     JOIN automations_documenteditor e ON e.user_id = giver.id AND e.document_id = p_document);
$$;

-- The actions that the steps of a text name, each with what it risks; one that is not known risks
-- money. What is in `with` is given to an action and names none.
CREATE FUNCTION automations_actions_of(p_text text) RETURNS TABLE (action text, risk text) LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE lists (steps) AS (
        SELECT p_text::jsonb -> 'steps'
        UNION ALL
        SELECT part.value
          FROM lists, jsonb_array_elements(CASE jsonb_typeof(lists.steps) WHEN 'array' THEN lists.steps ELSE '[]' END) AS step (value),
               jsonb_each(CASE jsonb_typeof(step.value) WHEN 'object' THEN step.value ELSE '{}' END) AS part
         WHERE jsonb_typeof(part.value) = 'array')
    SELECT DISTINCT step.value ->> 'do', coalesce(r.risk, 'money')
      FROM lists, jsonb_array_elements(CASE jsonb_typeof(lists.steps) WHEN 'array' THEN lists.steps ELSE '[]' END) AS step (value)
      LEFT JOIN automations_actionrisk r ON r.action = step.value ->> 'do'
     WHERE jsonb_typeof(step.value) = 'object' AND step.value ? 'do';
$$;

-- Never less than the text does, whatever the caller says.
CREATE FUNCTION automations_risk_of(p_kind text, p_text text, p_risk text) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN p_kind <> 'rule' THEN p_risk  -- automations_scope_guard asks for money
                WHEN p_risk = 'money' OR 'money' = ANY (found.risks) THEN 'money'
                WHEN p_risk = 'customer' OR 'customer' = ANY (found.risks) THEN 'customer'
                WHEN p_risk = 'none' THEN 'none' ELSE 'money' END
      FROM (SELECT coalesce(array_agg(a.risk), '{}') AS risks FROM automations_actions_of(p_text) a) found;
$$;

-- What the text depends on, as p_pins would say it: each action and the start that it names.
CREATE FUNCTION automations_contracts(p_text text, p_pins text[]) RETURNS text[] LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT array_agg(pin ORDER BY pin COLLATE "C") FROM unnest(p_pins) pin
     WHERE NOT EXISTS (
        SELECT FROM (SELECT 'action ' || a.action AS named FROM automations_actions_of(p_text) a
                     UNION ALL SELECT CASE WHEN start ->> 'on' IS NOT NULL THEN 'trigger ' || (start ->> 'on')
                                           ELSE 'scan ' || coalesce(start ->> 'for', start ->> 'manual') END
                       FROM (SELECT p_text::jsonb -> 'trigger' AS start) s) wanted
         WHERE NOT EXISTS (SELECT FROM unnest(p_pins) given WHERE given ~ '=[0-9]+$'
                              AND regexp_replace(given, '=[0-9]+$', '') = wanted.named));
$$;

CREATE FUNCTION automations_rule_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'A rule keeps its key and its maker.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER automations_rule_guard BEFORE UPDATE ON automations_rule
    FOR EACH ROW WHEN ((NEW.slug, NEW.created_by_id) IS DISTINCT FROM (OLD.slug, OLD.created_by_id))
    EXECUTE FUNCTION automations_rule_guard();
"""
UNDO_HELPERS = """
DROP TRIGGER automations_rule_guard ON automations_rule;
DROP FUNCTION automations_rule_guard();
DROP FUNCTION automations_contracts(text, text[]);
DROP FUNCTION automations_risk_of(text, text, text);
DROP FUNCTION automations_actions_of(text);
DROP FUNCTION automations_given_by_editor(bigint, bigint, text);
"""

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
    risk text;
BEGIN
    IF p_kind IS NULL OR p_kind NOT IN ('rule', 'connector') THEN
        PERFORM automations_refuse('There is no such kind of document.');
    END IF;
    risk := automations_risk_of(p_kind, p_text, p_risk);
    IF automations_hash(p_text, p_pins) IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('The content does not have this hash.');
    END IF;
    PERFORM automations_person(p_submitter);
    SELECT id, slug, owner_id, fallback, retired_at INTO owned FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    SELECT d.revision, d.updated_by_id, r.id AS kept INTO drawn FROM automations_draft d
      LEFT JOIN automations_draftrevision r ON r.rule_id = d.rule_id AND r.number = d.revision
                                           AND r.editor_id = d.updated_by_id AND r.body = d.body
     WHERE d.rule_id = p_rule;
    IF p_kind = 'rule' AND owned IS NULL THEN
        PERFORM automations_refuse('There is no such rule.');
    ELSIF p_kind = 'rule' AND owned.slug IS DISTINCT FROM p_key THEN
        PERFORM automations_refuse('This is the key of another rule.');
    ELSIF p_kind = 'rule' AND (drawn.revision, drawn.updated_by_id) IS DISTINCT FROM (p_draft_revision, p_author) THEN
        PERFORM automations_refuse('The draft changed after you looked at it. Look again, then submit.');
    ELSIF p_kind = 'rule' AND drawn.kept IS NULL THEN
        PERFORM automations_refuse('The draft was changed past its history. Save it again, then submit.');
    ELSIF p_kind = 'rule' AND p_pins IS DISTINCT FROM automations_contracts(p_text, p_pins) THEN
        PERFORM automations_refuse('What this depends on is not what it names. Submit it again.');
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
    VALUES (p_kind, p_key, next_version, p_rule, p_text, p_pins, p_sha256, risk, 'submitted', p_why,
            p_author, p_submitter, p_draft_revision)
    RETURNING id INTO fresh;
    -- Everyone who edited since the version in force was drawn up, and whoever wrote what an undo
    -- or a restored version since then has brought back.
    SELECT coalesce(max(d.draft_revision), 0) INTO since FROM automations_document d
      JOIN automations_activation a ON a.document_id = d.id WHERE d.rule_id = p_rule AND a.mode = 'live';
    INSERT INTO automations_documenteditor (document_id, user_id)
    SELECT fresh, r.editor_id FROM automations_draftrevision r WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, back.editor_id FROM automations_draftrevision r
      JOIN automations_draftrevision back ON back.rule_id = r.rule_id AND back.number = r.repeats
     WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, e.user_id FROM automations_draftrevision r
      JOIN automations_documenteditor e ON e.document_id = r.restores_id
     WHERE r.rule_id = p_rule AND r.number > since
    UNION SELECT fresh, p_author UNION SELECT fresh, p_submitter;
    PERFORM automations_audit('rules.submitted', 'automations.document', fresh, p_submitter,
        jsonb_build_object('kind', p_kind, 'key', p_key, 'version', next_version, 'sha256', p_sha256, 'risk', risk));
    RETURN fresh;
END $$;
"""

DECIDE = """
CREATE OR REPLACE FUNCTION automations_decide_document(
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
    ELSIF automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 OR d.sha256 IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('What you looked at is not what would be approved. Open it again.');
    END IF;
    PERFORM automations_person(p_approver);
    IF p_approver IN (d.author_id, d.submitted_by_id) OR EXISTS (
        SELECT 1 FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_approver) THEN
        PERFORM automations_refuse('You edited or submitted this version, so someone else has to decide.');
    ELSIF automations_given_by_editor(d.id, p_approver, p_role) THEN
        PERFORM automations_refuse('Someone who edited or submitted this version gave you your role, so someone else has to decide.');
    ELSIF NOT automations_role_suits(d.risk, p_role) OR NOT automations_has_role(p_approver, p_role) THEN
        PERFORM automations_refuse(CASE d.risk
            WHEN 'money' THEN 'This rule moves money: someone of finance has to decide.'
            WHEN 'customer' THEN 'This rule reaches customers: someone of operations or support has to decide.'
            ELSE 'Someone of operations, finance or support has to decide.' END);
    ELSIF p_verdict IS NULL OR p_verdict NOT IN ('approve', 'reject', 'changes') THEN
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
"""

ACTIVATE = """
CREATE OR REPLACE FUNCTION automations_activate_document(p_document bigint, p_user bigint, p_first_look jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    d automations_document;
    live record;
    fresh bigint;
    moment timestamptz;
BEGIN
    SELECT id, owner_id, fallback, retired_at INTO owned FROM automations_rule
     WHERE id = (SELECT rule_id FROM automations_document WHERE id = p_document) FOR NO KEY UPDATE;
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    IF d.id IS NULL OR (d.kind = 'rule' AND owned.id IS NULL) THEN
        PERFORM automations_refuse('There is no such document.');
    END IF;
    PERFORM automations_person(p_user);
    PERFORM 1 FROM automations_document WHERE kind = d.kind AND key = d.key ORDER BY id FOR UPDATE;
    -- Behind the locks: the statement may have begun before the approval that it waited for.
    moment := clock_timestamp();
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
         WHERE p.document_id = d.id AND p.sha256 = d.sha256 AND p.verdict = 'approve' AND p.expires_at > moment
           AND automations_role_suits(d.risk, p.role) AND automations_has_role(p.approver_id, p.role)
           AND p.approver_id NOT IN (d.author_id, d.submitted_by_id)
           AND NOT automations_given_by_editor(d.id, p.approver_id, p.role)
           AND NOT EXISTS (SELECT 1 FROM automations_documenteditor e
                            WHERE e.document_id = d.id AND e.user_id = p.approver_id)) THEN
        PERFORM automations_refuse('No approval of this version is valid any more. Submit it again.');
    END IF;
    UPDATE automations_activation SET until_at = moment, ended_by_id = p_user
     WHERE until_at IS NULL AND (id = live.id OR (document_id = d.id AND mode = 'shadow'));
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at, activated_by_id, first_look)
    VALUES (d.rule_id, d.kind, d.key, 'live', d.id, moment, p_user, p_first_look) RETURNING id INTO fresh;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.activated', CASE WHEN d.rule_id IS NULL THEN 'automations.document' ELSE 'automations.rule' END,
        coalesce(d.rule_id, d.id), p_user,
        jsonb_build_object('document', d.id, 'kind', d.kind, 'version', d.version, 'sha256', d.sha256, 'first_look', p_first_look));
    RETURN fresh;
END $$;
"""

LOOK = """
CREATE OR REPLACE FUNCTION automations_end_first_look(p_activation bigint, p_user bigint, p_role text)
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
          OR automations_given_by_editor(d.id, p_user, p_role)
          OR EXISTS (SELECT 1 FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_user)) THEN
        PERFORM automations_refuse('The named reviewer has left: someone who could approve this version has to look.');
    END IF;
    UPDATE automations_activation SET looked_at = statement_timestamp(), looked_by_id = p_user WHERE id = a.id;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.looked_at', 'automations.rule', a.rule_id, p_user,
        jsonb_build_object('document', d.id, 'version', d.version));
END $$;
"""

START = """
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
    ELSIF automations_given_by_editor(live.id, p_approver, p_role)
          OR s.asked_by_id IN (SELECT backoffice_givers(p_approver, p_role)) THEN
        PERFORM automations_refuse('Who asked for this, or edited the rule, gave you your role, so someone else has to agree.');
    ELSIF NOT automations_role_suits(CASE WHEN s.rule_id IS NULL THEN 'money' ELSE coalesce(live.risk, 'none') END, p_role)
          OR NOT automations_has_role(p_approver, p_role) THEN
        PERFORM automations_refuse('Your role can''t start this again.');
    END IF;
    UPDATE automations_stop SET lifted_by_id = p_approver, lifted_at = statement_timestamp() WHERE id = s.id;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.started', 'automations.stop', s.id, p_approver,
        jsonb_build_object('rule', s.rule_id, 'connector', nullif(s.lane, ''), 'asked_by', s.asked_by_id, 'role', p_role));
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0061_backtest_guards"),
        ("backoffice", "0042_role_grants"),
    ]

    operations = [
        migrations.CreateModel(
            name="ActionRisk",
            fields=[
                ("action", models.CharField(max_length=80, primary_key=True, serialize=False)),
                ("risk", models.CharField(choices=[("none", "none"), ("customer", "customer"), ("money", "money")], max_length=10)),
            ],
        ),
        migrations.AddField(
            model_name="draftrevision",
            name="restores",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="automations.document",
            ),
        ),
        migrations.RunSQL(HELPERS, UNDO_HELPERS),
        migrations.RunSQL([SUBMIT, DECIDE, ACTIVATE, LOOK, START], migrations.RunSQL.noop),
    ]
