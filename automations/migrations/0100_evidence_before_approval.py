"""A rule is approved on evidence: a finished backtest of exactly this content beside what is live.

Where its trigger has no history, or there is no event to replay (a schedule, a button), the
approval says so instead.
"""

from django.db import migrations

# Whole days, so that a period of another length can't pass for one of these.
GUARD = """
CREATE FUNCTION automations_backtest_period() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.trigger IS DISTINCT FROM NEW.text::jsonb -> 'trigger' ->> 'on' OR NEW.days NOT IN (30, 60, 90)
       OR NEW.until - NEW.since IS DISTINCT FROM make_interval(days => NEW.days)
       OR NEW.until > clock_timestamp() + interval '1 minute' THEN
        RAISE EXCEPTION 'A backtest is of the last 30, 60 or 90 days of its own trigger.'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_backtest_period BEFORE INSERT ON automations_backtest
    FOR EACH ROW EXECUTE FUNCTION automations_backtest_period();
"""
UNGUARD = """
DROP TRIGGER automations_backtest_period ON automations_backtest;
DROP FUNCTION automations_backtest_period();
"""

EVIDENCE = """
-- What a yes rests on, beside what the person was shown. A count that found nothing is none where
-- there were events by then.
CREATE FUNCTION automations_evidence(d automations_document, p_shown jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    shown jsonb := CASE jsonb_typeof(p_shown) WHEN 'object' THEN p_shown ELSE '{}' END;
    starts_on text := d.text::jsonb -> 'trigger' ->> 'on';
    live bigint;
    b automations_backtest;
BEGIN
    IF d.kind <> 'rule' THEN
        RETURN shown;
    ELSIF starts_on IS NULL THEN
        RETURN shown || jsonb_build_object('no_history', 'no fact starts it');
    END IF;
    SELECT a.document_id INTO live FROM automations_activation a
     WHERE a.kind = d.kind AND a.key = d.key AND a.mode = 'live' AND a.until_at IS NULL AND a.document_id <> d.id;
    SELECT * INTO b FROM automations_backtest t
     WHERE t.rule_id = d.rule_id AND t.sha256 = d.sha256 AND t.live_id IS NOT DISTINCT FROM live AND t.state = 'done'
       AND t.trigger = starts_on AND t.finished_at > statement_timestamp() - interval '7 days'
       AND t.until > statement_timestamp() - interval '8 days'
       AND t.until - t.since >= interval '30 days'
       AND coalesce(shown ->> 'backtest', t.id::text) = t.id::text
       AND (t.events > 0 OR NOT EXISTS (
            SELECT FROM automations_event e WHERE e.trigger = t.trigger AND e.occurred_at > t.since
               AND e.occurred_at <= t.until AND e.recorded_at < t.created_at))
     ORDER BY t.days DESC, t.id DESC LIMIT 1;
    IF b.id IS NOT NULL THEN
        RETURN shown || jsonb_build_object('backtest', b.id, 'sha256', b.sha256, 'live', b.live_id, 'days', b.days,
            'events', b.events, 'since', b.since, 'until', b.until, 'computed_at', b.finished_at);
    ELSIF shown ? 'backtest' OR EXISTS (
        SELECT FROM automations_event e WHERE e.trigger = starts_on
           AND e.occurred_at > statement_timestamp() - interval '90 days' AND e.occurred_at <= statement_timestamp()) THEN
        PERFORM automations_refuse('There is no evidence yet for exactly this version beside what is live. Have it counted, then decide.');
    END IF;
    RETURN shown || jsonb_build_object('no_history', 'nothing of ' || starts_on || ' in 90 days');
END $$;
"""
UNDO_EVIDENCE = "DROP FUNCTION automations_evidence(automations_document, jsonb);"

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
    VALUES (d.id, d.sha256, p_approver, p_role, p_verdict, p_comment,
            CASE p_verdict WHEN 'approve' THEN automations_evidence(d, p_evidence) ELSE p_evidence END,
            statement_timestamp() + interval '30 days')
    RETURNING id INTO fresh;
    UPDATE automations_document SET decided_at = statement_timestamp(), state = CASE p_verdict
        WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected' ELSE 'changes' END WHERE id = d.id;
    PERFORM automations_audit(CASE p_verdict WHEN 'approve' THEN 'rules.approved' WHEN 'reject' THEN 'rules.rejected'
            ELSE 'rules.changes_requested' END, 'automations.document', d.id, p_approver,
        jsonb_build_object('sha256', d.sha256, 'role', p_role, 'approval', fresh));
    RETURN fresh;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0096_reviews")]

    operations = [
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunSQL(EVIDENCE, UNDO_EVIDENCE),
        migrations.RunSQL(DECIDE, migrations.RunSQL.noop),
    ]
