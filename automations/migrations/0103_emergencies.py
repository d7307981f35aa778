"""A version that can't wait acts for an hour by the will of two people, and is reviewed after.

It lies over what is live and ends nothing of it. It ends by itself: each effect asks whether its
hour is over. Until it is reviewed by somebody who could have approved it, the rule has no other.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from backoffice.roles import ADMINISTRATOR, FINANCE, OPERATIONS, ROLES, SUPPORT, grant

FUNCTIONS = """
CREATE FUNCTION automations_ask_emergency(p_document bigint, p_sha256 text, p_why text, p_by bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    d automations_document;
    fresh bigint;
BEGIN
    SELECT id, owner_id, fallback, retired_at INTO owned FROM automations_rule
     WHERE id = (SELECT rule_id FROM automations_document WHERE id = p_document) FOR NO KEY UPDATE;
    SELECT * INTO d FROM automations_document WHERE id = p_document FOR UPDATE;
    PERFORM automations_person(p_by);
    IF d.id IS NULL OR d.kind <> 'rule' OR owned.id IS NULL OR d.state <> 'submitted' THEN
        PERFORM automations_refuse('Only a version of a rule that waits for approval can be an emergency.');
    ELSIF automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 OR d.sha256 IS DISTINCT FROM p_sha256 THEN
        PERFORM automations_refuse('What you looked at is not what would act. Open it again.');
    ELSIF d.text::jsonb -> 'trigger' ->> 'on' IS NULL THEN
        PERFORM automations_refuse('Only a rule that starts on a fact can be an emergency: work on a schedule can be done by hand.');
    ELSIF owned.retired_at IS NOT NULL OR owned.owner_id IS NULL OR btrim(owned.fallback) = '' THEN
        PERFORM automations_refuse('A rule needs an owner and a written fallback before it can act.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'finance', 'support', 'administrator']) THEN
        PERFORM automations_refuse('Someone of operations, finance, support or an administrator asks for this.');
    ELSIF btrim(coalesce(p_why, '')) = '' THEN
        PERFORM automations_refuse('Say why this can''t wait: it is kept, and reviewed.');
    ELSIF EXISTS (SELECT FROM automations_emergency WHERE rule_id = d.rule_id AND agreed_at IS NOT NULL AND reviewed_at IS NULL) THEN
        PERFORM automations_refuse('The last emergency of this rule is not reviewed yet, so there is no other.');
    END IF;
    UPDATE automations_emergency SET state = 'lapsed' WHERE rule_id = d.rule_id AND state = 'asked';
    INSERT INTO automations_emergency (rule_id, document_id, sha256, state, why, asked_by_id)
    VALUES (d.rule_id, d.id, d.sha256, 'asked', p_why, p_by) RETURNING id INTO fresh;
    PERFORM automations_audit('rules.emergency_asked', 'automations.rule', d.rule_id, p_by,
        jsonb_build_object('emergency', fresh, 'document', d.id, 'version', d.version, 'sha256', d.sha256, 'why', p_why));
    RETURN fresh;
END $$;

CREATE FUNCTION automations_agree_emergency(p_emergency bigint, p_sha256 text, p_by bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e automations_emergency;
    d automations_document;
    moment timestamptz;
    fresh bigint;
BEGIN
    PERFORM 1 FROM automations_rule WHERE id = (SELECT rule_id FROM automations_emergency WHERE id = p_emergency) FOR NO KEY UPDATE;
    SELECT * INTO e FROM automations_emergency WHERE id = p_emergency FOR UPDATE;
    SELECT * INTO d FROM automations_document WHERE id = e.document_id FOR UPDATE;
    moment := clock_timestamp();
    PERFORM automations_person(p_by);
    IF e.id IS NULL OR e.state <> 'asked' OR e.asked_at < moment - interval '60 minutes' THEN
        PERFORM automations_refuse('Nobody waits for this any more.');
    ELSIF d.state <> 'submitted' OR automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256
          OR d.sha256 IS DISTINCT FROM p_sha256 OR d.sha256 <> e.sha256 THEN
        PERFORM automations_refuse('What you looked at is not what would act. Open it again.');
    ELSIF p_by = e.asked_by_id THEN
        PERFORM automations_refuse('You asked for this, so someone else has to agree.');
    ELSIF NOT EXISTS (SELECT FROM backoffice_user WHERE id = e.asked_by_id AND is_active) THEN
        PERFORM automations_refuse('Who asked has left. Ask again.');
    ELSIF EXISTS (SELECT FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_by) THEN
        PERFORM automations_refuse('You edited or submitted this version, so someone else has to agree.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'finance', 'support', 'administrator']) THEN
        PERFORM automations_refuse('Someone of operations, finance, support or an administrator has to agree.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'administrator'])
          AND NOT backoffice_holds(e.asked_by_id, ARRAY['operations', 'administrator']) THEN
        PERFORM automations_refuse('One of the two is of operations or an administrator.');
    ELSIF EXISTS (
        SELECT FROM (VALUES ('operations'), ('finance'), ('support'), ('administrator')) r (role)
         WHERE backoffice_holds(p_by, ARRAY[r.role])
           AND (e.asked_by_id IN (SELECT backoffice_givers(p_by, r.role)) OR automations_given_by_editor(d.id, p_by, r.role))) THEN
        PERFORM automations_refuse('Who asked for this, or edited the version, gave you your role, so someone else has to agree.');
    END IF;
    UPDATE automations_activation SET until_at = moment, ended_by_id = p_by
     WHERE document_id = d.id AND mode = 'shadow' AND until_at IS NULL;
    INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at, expires_at, activated_by_id)
    VALUES (d.rule_id, d.kind, d.key, 'emergency', d.id, moment, moment + interval '60 minutes', p_by) RETURNING id INTO fresh;
    UPDATE automations_emergency SET state = 'agreed', agreed_by_id = p_by, agreed_at = moment,
           ends_at = moment + interval '60 minutes', activation_id = fresh WHERE id = e.id;
    PERFORM automations_next_epoch();
    PERFORM automations_audit('rules.emergency_began', 'automations.rule', d.rule_id, p_by,
        jsonb_build_object('emergency', e.id, 'document', d.id, 'version', d.version, 'sha256', d.sha256,
                           'asked_by', e.asked_by_id, 'why', e.why, 'ends_at', moment + interval '60 minutes'));
    RETURN fresh;
END $$;

-- One person ends it, or the clock (p_by NULL), which only ends what is over.
CREATE FUNCTION automations_end_emergency(p_emergency bigint, p_by bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e automations_emergency;
BEGIN
    SELECT * INTO e FROM automations_emergency WHERE id = p_emergency FOR UPDATE;
    IF e.id IS NULL OR e.state <> 'agreed' THEN
        PERFORM automations_refuse('This is over already.');
    ELSIF p_by IS NULL AND e.ends_at > clock_timestamp() THEN
        PERFORM automations_refuse('Its hour is not over.');
    ELSIF p_by IS NOT NULL THEN
        PERFORM automations_person(p_by);
    END IF;
    UPDATE automations_activation SET until_at = least(expires_at, clock_timestamp()), ended_by_id = p_by
     WHERE id = e.activation_id AND until_at IS NULL;
    UPDATE automations_emergency SET state = 'ended', ended_at = clock_timestamp(), ended_by_id = p_by WHERE id = e.id;
    PERFORM automations_next_epoch();
    IF p_by IS NOT NULL THEN
        PERFORM automations_audit('rules.emergency_ended', 'automations.rule', e.rule_id, p_by,
            jsonb_build_object('emergency', e.id, 'document', e.document_id));
    ELSE
        INSERT INTO backoffice_auditentry (verb, subject, subject_id, actor_kind, actor_label, user_id, detail)
        VALUES ('rules.emergency_ended', 'automations.rule', e.rule_id, 'system', 'Its hour was over', NULL,
            jsonb_build_object('emergency', e.id, 'document', e.document_id));
    END IF;
END $$;

CREATE FUNCTION automations_review_emergency(p_emergency bigint, p_by bigint, p_role text, p_right boolean, p_note text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    e automations_emergency;
    d automations_document;
BEGIN
    SELECT * INTO e FROM automations_emergency WHERE id = p_emergency FOR UPDATE;
    SELECT * INTO d FROM automations_document WHERE id = e.document_id;
    IF e.id IS NULL OR e.state <> 'ended' OR e.reviewed_at IS NOT NULL THEN
        PERFORM automations_refuse('There is nothing to review, or it still acts.');
    END IF;
    PERFORM automations_person(p_by);
    IF p_by IN (e.asked_by_id, e.agreed_by_id) OR EXISTS (
        SELECT FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_by) THEN
        PERFORM automations_refuse('You had a hand in it, so someone else has to review it.');
    ELSIF automations_given_by_editor(d.id, p_by, p_role)
          OR EXISTS (SELECT FROM backoffice_givers(p_by, p_role) AS g (id) WHERE g.id IN (e.asked_by_id, e.agreed_by_id)) THEN
        PERFORM automations_refuse('Someone who had a hand in it gave you your role, so someone else has to review it.');
    ELSIF NOT automations_role_suits(d.risk, p_role) OR NOT automations_has_role(p_by, p_role) THEN
        PERFORM automations_refuse('Someone who could have approved this version reviews it.');
    ELSIF p_right IS NULL OR btrim(coalesce(p_note, '')) = '' THEN
        PERFORM automations_refuse('Say what you found.');
    END IF;
    UPDATE automations_emergency SET reviewed_at = statement_timestamp(), reviewed_by_id = p_by, was_right = p_right, review = p_note
     WHERE id = e.id;
    PERFORM automations_audit('rules.emergency_reviewed', 'automations.rule', e.rule_id, p_by,
        jsonb_build_object('emergency', e.id, 'document', d.id, 'right', p_right, 'role', p_role));
END $$;
REVOKE EXECUTE ON FUNCTION automations_ask_emergency(bigint, text, text, bigint), automations_agree_emergency(bigint, text, bigint),
    automations_end_emergency(bigint, bigint), automations_review_emergency(bigint, bigint, text, boolean, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION automations_run_in_force() RETURNS trigger LANGUAGE plpgsql
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
           AND (a.mode IN ('live', 'emergency') OR added.shadow));
    IF FOUND THEN
        RAISE EXCEPTION 'a run is of a version that was in force'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
"""
UNDO = """
DROP FUNCTION automations_review_emergency(bigint, bigint, text, boolean, text);
DROP FUNCTION automations_end_emergency(bigint, bigint);
DROP FUNCTION automations_agree_emergency(bigint, text, bigint);
DROP FUNCTION automations_ask_emergency(bigint, text, text, bigint);
"""

PERSON = {
    "db_index": False,
    "null": True,
    "on_delete": django.db.models.deletion.PROTECT,
    "related_name": "+",
    "to": settings.AUTH_USER_MODEL,
}
EVERYONE_WHO_ACTS = [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR]


class Migration(migrations.Migration):
    dependencies = [("automations", "0102_quorum")]

    operations = [
        migrations.AlterField(
            model_name="activation",
            name="mode",
            field=models.CharField(
                choices=[("live", "Live"), ("shadow", "In shadow"), ("emergency", "In an emergency")],
                db_default="live",
                default="live",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="activation",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddConstraint(
            model_name="activation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("expires_at__isnull", False), ("mode", "emergency")),
                    models.Q(models.Q(("mode", "emergency"), _negated=True), ("expires_at__isnull", True)),
                    _connector="OR",
                ),
                name="activation_emergency_ends",
            ),
        ),
        migrations.AddIndex(
            model_name="activation",
            index=models.Index(
                condition=models.Q(("mode", "emergency")), fields=["document"], name="activation_emergency"
            ),
        ),
        migrations.CreateModel(
            name="Emergency",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for a second person"),
                            ("lapsed", "Nobody agreed in time"),
                            ("agreed", "Acts now"),
                            ("ended", "Over"),
                        ],
                        max_length=10,
                    ),
                ),
                ("why", models.TextField()),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("agreed_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("was_right", models.BooleanField(null=True)),
                ("review", models.TextField(blank=True, db_default="", default="")),
                ("asked_by", models.ForeignKey(**{**PERSON, "null": False})),
                ("agreed_by", models.ForeignKey(**PERSON)),
                ("ended_by", models.ForeignKey(**PERSON)),
                ("reviewed_by", models.ForeignKey(**PERSON)),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="emergencies",
                        to="automations.rule",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="emergencies",
                        to="automations.document",
                    ),
                ),
                (
                    "activation",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="automations.activation",
                    ),
                ),
            ],
            options={
                "permissions": [("use_emergency", "Can ask for or agree to an emergency")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["asked", "agreed"])), fields=("rule",), name="emergency_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(FUNCTIONS, UNDO),
        grant(
            "automations",
            {"view_emergency": list(ROLES), "use_emergency": EVERYONE_WHO_ACTS},
        ),
    ]
