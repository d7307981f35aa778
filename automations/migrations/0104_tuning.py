"""Inside a range that was approved, a rule's owner changes a named value alone.

That makes a version of its own, which differs from the one in force in that value only and needs no
approval: the range it lies in was approved with all the rest.
"""

from django.db import migrations

TUNE = """
-- Whether a value lies in what a param allows: its range, or its choices.
CREATE FUNCTION automations_param_allows(p_param jsonb, p_value jsonb) RETURNS boolean LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    kind text := p_param ->> 'type';
    lowest jsonb := p_param -> 'range' -> 0;
    highest jsonb := p_param -> 'range' -> 1;
BEGIN
    IF p_value IS NULL OR jsonb_typeof(p_value) <> jsonb_typeof(p_param -> 'value') THEN
        RETURN false;
    ELSIF jsonb_typeof(p_param -> 'one_of') = 'array' THEN
        RETURN EXISTS (SELECT FROM jsonb_array_elements(p_param -> 'one_of') AS each (value) WHERE each.value = p_value);
    ELSIF jsonb_typeof(p_param -> 'range') IS DISTINCT FROM 'array' THEN
        RETURN false;
    END IF;
    RETURN coalesce(CASE kind
        WHEN 'whole' THEN jsonb_typeof(p_value) = 'number' AND (p_value #>> '{}')::numeric % 1 = 0
            AND (p_value #>> '{}')::numeric BETWEEN (lowest #>> '{}')::numeric AND (highest #>> '{}')::numeric
        WHEN 'decimal' THEN (p_value #>> '{}')::numeric BETWEEN (lowest #>> '{}')::numeric AND (highest #>> '{}')::numeric
        WHEN 'money' THEN p_value - 'amount' - 'currency' = '{}' AND p_value ->> 'currency' = lowest ->> 'currency'
            AND p_value ->> 'currency' = highest ->> 'currency'
            AND (p_value ->> 'amount')::numeric BETWEEN (lowest ->> 'amount')::numeric AND (highest ->> 'amount')::numeric
        WHEN 'duration' THEN (p_value #>> '{}')::interval BETWEEN (lowest #>> '{}')::interval AND (highest #>> '{}')::interval
        WHEN 'date' THEN (p_value #>> '{}')::date BETWEEN (lowest #>> '{}')::date AND (highest #>> '{}')::date
        WHEN 'time' THEN (p_value #>> '{}')::time BETWEEN (lowest #>> '{}')::time AND (highest #>> '{}')::time
        WHEN 'datetime' THEN (p_value #>> '{}')::timestamptz BETWEEN (lowest #>> '{}')::timestamptz AND (highest #>> '{}')::timestamptz
        ELSE false END, false);
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$;

CREATE FUNCTION automations_tune_document(
    p_rule bigint, p_live bigint, p_name text, p_text text, p_sha256 text, p_why text, p_user bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    live automations_document;
    period automations_activation;
    place text[] := ARRAY['params', p_name, 'value'];
    before jsonb;
    after jsonb;
    fresh bigint;
    moment timestamptz;
BEGIN
    SELECT id, slug, owner_id, retired_at INTO owned FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    PERFORM automations_person(p_user);
    PERFORM 1 FROM automations_document WHERE kind = 'rule' AND key = owned.slug ORDER BY id FOR UPDATE;
    moment := clock_timestamp();
    SELECT * INTO period FROM automations_activation WHERE rule_id = p_rule AND mode = 'live' AND until_at IS NULL;
    SELECT * INTO live FROM automations_document WHERE id = period.document_id;
    IF owned.id IS NULL OR owned.retired_at IS NOT NULL OR owned.owner_id IS DISTINCT FROM p_user THEN
        PERFORM automations_refuse('Only its owner changes a value of a rule alone.');
    ELSIF live.id IS NULL OR live.id IS DISTINCT FROM p_live THEN
        PERFORM automations_refuse('Another version is in force by now. Look at it again.');
    ELSIF automations_hash(p_text, live.pins) IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('The content does not have this hash.');
    ELSIF btrim(coalesce(p_why, '')) = '' THEN
        PERFORM automations_refuse('Say why: it is kept.');
    END IF;
    before := live.text::jsonb;
    after := p_text::jsonb;
    IF before #> place IS NULL OR after #> place IS NULL OR before #- place IS DISTINCT FROM after #- place THEN
        PERFORM automations_refuse('This changes more than the value, so it has to be approved.');
    ELSIF before #> place = after #> place THEN
        PERFORM automations_refuse('This is the value already.');
    ELSIF NOT automations_param_allows(before #> ARRAY['params', p_name], after #> place) THEN
        PERFORM automations_refuse('This is outside of what was approved. Change the rule and submit it.');
    END IF;
    INSERT INTO automations_document (kind, key, version, rule_id, text, pins, sha256, risk, state, why, author_id, submitted_by_id,
                                      decided_at, draft_revision, tuned_from_id)
    SELECT 'rule', owned.slug, max(version) + 1, p_rule, p_text, live.pins, p_sha256, live.risk, 'approved', p_why, p_user, p_user,
           moment, live.draft_revision, live.id
      FROM automations_document WHERE kind = 'rule' AND key = owned.slug
    RETURNING id INTO fresh;
    -- Its editors stay editors, and so does whoever tuned it.
    INSERT INTO automations_documenteditor (document_id, user_id)
    SELECT fresh, user_id FROM automations_documenteditor WHERE document_id = live.id UNION SELECT fresh, p_user;
    UPDATE automations_activation SET until_at = moment, ended_by_id = p_user WHERE id = period.id;
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at, activated_by_id, first_look, looked_at, looked_by_id)
    VALUES (p_rule, 'rule', owned.slug, 'live', fresh, moment, p_user, period.first_look, period.looked_at, period.looked_by_id);
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.tuned', 'automations.rule', p_rule, p_user,
        jsonb_build_object('document', fresh, 'from', live.id, 'name', p_name, 'before', before #> place,
                           'after', after #> place, 'sha256', p_sha256, 'why', p_why));
    RETURN fresh;
END $$;
REVOKE EXECUTE ON FUNCTION automations_tune_document(bigint, bigint, text, text, text, text, bigint) FROM PUBLIC;
"""
UNDO = """
DROP FUNCTION automations_tune_document(bigint, bigint, text, text, text, text, bigint);
DROP FUNCTION automations_param_allows(jsonb, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0103_emergencies")]

    operations = [
        migrations.RunSQL(TUNE, UNDO),
    ]
