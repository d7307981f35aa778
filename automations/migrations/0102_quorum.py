"""How many have to agree, by what a version risks: one or two, and finance owns the figure.

More takes one of finance at once; fewer takes two. A person and their deputy are one. A version that
its owner tuned inside an approved range (0104) makes none that waits out of date.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from backoffice.roles import ADMINISTRATOR, FINANCE, ROLES, grant

ROWS = """
INSERT INTO automations_approvalpolicy (risk, approvers) VALUES ('none', 1), ('customer', 1), ('money', 1);
"""

POLICY = """
CREATE FUNCTION automations_quorum(p_risk text) RETURNS int LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce((SELECT approvers FROM automations_approvalpolicy WHERE risk = p_risk), 2);
$$;

CREATE FUNCTION automations_set_quorum(p_risk text, p_approvers int, p_by bigint) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    p automations_approvalpolicy;
BEGIN
    SELECT * INTO p FROM automations_approvalpolicy WHERE risk = p_risk FOR UPDATE;
    PERFORM automations_person(p_by);
    IF p.risk IS NULL OR p_approvers IS NULL OR p_approvers NOT IN (1, 2) THEN
        PERFORM automations_refuse('One or two people have to agree.');
    ELSIF NOT automations_has_role(p_by, 'finance') THEN
        PERFORM automations_refuse('Finance says how many have to agree.');
    ELSIF p_approvers = p.approvers THEN
        PERFORM automations_refuse('So many have to agree already.');
    ELSIF p_approvers > p.approvers THEN
        UPDATE automations_approvalpolicy SET approvers = p_approvers, wanted = NULL, asked_by_id = NULL, asked_at = NULL
         WHERE risk = p_risk;
        PERFORM automations_audit('rules.quorum_raised', 'automations.approvalpolicy', NULL, p_by,
            jsonb_build_object('risk', p_risk, 'before', p.approvers, 'after', p_approvers));
        RETURN 'raised';
    END IF;
    UPDATE automations_approvalpolicy SET wanted = p_approvers, asked_by_id = p_by, asked_at = statement_timestamp()
     WHERE risk = p_risk;
    PERFORM automations_audit('rules.quorum_asked', 'automations.approvalpolicy', NULL, p_by,
        jsonb_build_object('risk', p_risk, 'before', p.approvers, 'after', p_approvers));
    RETURN 'asked';
END $$;

CREATE FUNCTION automations_agree_quorum(p_risk text, p_by bigint, p_agree boolean) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    p automations_approvalpolicy;
BEGIN
    SELECT * INTO p FROM automations_approvalpolicy WHERE risk = p_risk FOR UPDATE;
    PERFORM automations_person(p_by);
    IF p.wanted IS NULL OR p.asked_at < statement_timestamp() - interval '30 days' THEN
        PERFORM automations_refuse('Nobody waits for this any more.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['finance', 'administrator']) THEN
        PERFORM automations_refuse('Another one of finance or an administrator has to agree.');
    ELSIF p_agree IS TRUE AND (p_by = p.asked_by_id OR p.asked_by_id IN (
        SELECT backoffice_givers(p_by, r.role) FROM (VALUES ('finance'), ('administrator')) r (role))) THEN
        PERFORM automations_refuse('You asked for this, or have your role from who did: someone else has to agree.');
    ELSIF p_agree IS TRUE AND NOT automations_has_role(p.asked_by_id, 'finance') THEN
        PERFORM automations_refuse('Who asked is of finance no more. Ask again.');
    END IF;
    UPDATE automations_approvalpolicy SET approvers = CASE WHEN p_agree IS TRUE THEN p.wanted ELSE p.approvers END,
           wanted = NULL, asked_by_id = NULL, asked_at = NULL WHERE risk = p_risk;
    PERFORM automations_audit(CASE WHEN p_agree IS TRUE THEN 'rules.quorum_lowered' ELSE 'rules.quorum_kept' END,
        'automations.approvalpolicy', NULL, p_by,
        jsonb_build_object('risk', p_risk, 'before', p.approvers, 'after', p.wanted, 'asked_by', p.asked_by_id));
END $$;
REVOKE EXECUTE ON FUNCTION automations_set_quorum(text, int, bigint), automations_agree_quorum(text, bigint, boolean) FROM PUBLIC;
"""
UNDO_POLICY = """
DROP FUNCTION automations_agree_quorum(text, bigint, boolean);
DROP FUNCTION automations_set_quorum(text, int, bigint);
DROP FUNCTION automations_quorum(text);
"""

DECIDE = """
-- The people whose yes to exactly this content holds at a moment.
CREATE FUNCTION automations_valid_approvers(d automations_document, p_moment timestamptz) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT p.approver_id FROM automations_approval p JOIN backoffice_user u ON u.id = p.approver_id AND u.is_active
     WHERE p.document_id = d.id AND p.sha256 = d.sha256 AND p.verdict = 'approve' AND p.expires_at > p_moment
       AND automations_role_suits(d.risk, p.role) AND automations_has_role(p.approver_id, p.role)
       AND p.approver_id NOT IN (d.author_id, d.submitted_by_id)
       AND NOT automations_given_by_editor(d.id, p.approver_id, p.role)
       AND NOT EXISTS (SELECT 1 FROM automations_documenteditor e
                        WHERE e.document_id = d.id AND e.user_id = p.approver_id);
$$;

CREATE OR REPLACE FUNCTION automations_decide_document(
    p_document bigint, p_sha256 text, p_approver bigint, p_role text, p_verdict text,
    p_comment text, p_evidence jsonb
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d automations_document;
    fresh bigint;
    needed int;
    given int := 0;
    lender bigint := backoffice_stands_in(p_approver, p_role);
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
    ELSIF p_verdict = 'approve' AND EXISTS (
        SELECT FROM automations_valid_approvers(d, statement_timestamp()) AS known (id)
         WHERE known.id IN (p_approver, lender) OR EXISTS (
            SELECT FROM automations_approval p WHERE p.document_id = d.id AND p.approver_id = known.id
               AND backoffice_stands_in(known.id, p.role) IN (p_approver, lender))) THEN
        PERFORM automations_refuse('You, or whom you stand in for, agreed already. Someone else has to as well.');
    END IF;
    INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict, comment, evidence, expires_at)
    VALUES (d.id, d.sha256, p_approver, p_role, p_verdict, p_comment,
            CASE p_verdict WHEN 'approve' THEN automations_evidence(d, p_evidence) ELSE p_evidence END
                || CASE WHEN lender IS NULL THEN '{}' ELSE jsonb_build_object('deputy_of', lender) END,
            statement_timestamp() + interval '30 days')
    RETURNING id INTO fresh;
    needed := automations_quorum(d.risk);
    IF p_verdict = 'approve' THEN
        SELECT count(*) INTO given FROM automations_valid_approvers(d, statement_timestamp());
    END IF;
    IF p_verdict <> 'approve' OR given >= needed THEN
        UPDATE automations_document SET decided_at = statement_timestamp(), state = CASE p_verdict
            WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected' ELSE 'changes' END WHERE id = d.id;
    END IF;
    PERFORM automations_audit(CASE p_verdict WHEN 'approve' THEN 'rules.approved' WHEN 'reject' THEN 'rules.rejected'
            ELSE 'rules.changes_requested' END, 'automations.document', d.id, p_approver,
        jsonb_build_object('sha256', d.sha256, 'role', p_role, 'approval', fresh)
            || CASE WHEN lender IS NULL THEN '{}' ELSE jsonb_build_object('deputy_of', lender) END
            || CASE WHEN p_verdict = 'approve' AND needed > 1 THEN jsonb_build_object('given', given, 'needed', needed) ELSE '{}' END);
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
                         WHERE a.kind = d.kind AND a.key = d.key AND a.mode = 'live' AND o.tuned_from_id IS NULL) THEN
        PERFORM automations_refuse('A later version was in force. Restore this one as a new draft.');
    ELSIF p_first_look IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM backoffice_user u WHERE u.id = (p_first_look ->> 'reviewer')::bigint AND u.is_active) THEN
        PERFORM automations_refuse('Name an active person who takes the first look.');
    ELSIF (SELECT count(*) FROM automations_valid_approvers(d, moment)) < automations_quorum(d.risk) THEN
        PERFORM automations_refuse('No approval of this version is valid any more. Submit it again.');
    END IF;
    UPDATE automations_activation SET until_at = moment, ended_by_id = p_user
     WHERE until_at IS NULL AND (id = live.id OR (document_id = d.id AND mode = 'shadow'));
    -- What is approved takes over from what acts in an emergency (0103), which still has to be reviewed.
    UPDATE automations_activation SET until_at = least(expires_at, moment), ended_by_id = p_user
     WHERE until_at IS NULL AND rule_id = d.rule_id AND mode = 'emergency';
    UPDATE automations_emergency SET state = 'ended', ended_at = moment, ended_by_id = p_user
     WHERE rule_id = d.rule_id AND state = 'agreed';
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at, activated_by_id, first_look)
    VALUES (d.rule_id, d.kind, d.key, 'live', d.id, moment, p_user, p_first_look) RETURNING id INTO fresh;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.activated', CASE WHEN d.rule_id IS NULL THEN 'automations.document' ELSE 'automations.rule' END,
        coalesce(d.rule_id, d.id), p_user,
        jsonb_build_object('document', d.id, 'kind', d.kind, 'version', d.version, 'sha256', d.sha256, 'first_look', p_first_look));
    RETURN fresh;
END $$;
"""
UNDO_DECIDE = "DROP FUNCTION automations_valid_approvers(automations_document, timestamptz);"


class Migration(migrations.Migration):
    dependencies = [("automations", "0101_deputies_decide")]

    operations = [
        migrations.CreateModel(
            name="ApprovalPolicy",
            fields=[
                (
                    "risk",
                    models.CharField(
                        choices=[("none", "none"), ("customer", "customer"), ("money", "money")],
                        max_length=10,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("approvers", models.SmallIntegerField()),
                ("wanted", models.SmallIntegerField(null=True)),
                ("asked_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("approvers__in", [1, 2])), name="policy_one_or_two")
                ],
            },
        ),
        migrations.AddField(
            model_name="document",
            name="tuned_from",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="automations.document",
            ),
        ),
        migrations.RunSQL(ROWS, migrations.RunSQL.noop),
        migrations.RunSQL(POLICY, UNDO_POLICY),
        migrations.RunSQL([DECIDE, ACTIVATE], UNDO_DECIDE),
        grant(
            "automations",
            {
                "view_approvalpolicy": list(ROLES),
                "change_approvalpolicy": [FINANCE, ADMINISTRATOR],
            },
        ),
    ]
