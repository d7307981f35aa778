"""The yearly review: kept by someone who could approve the rule and does not own it.

The application role reads the reviews and writes them through `automations_review_rule`. The date of
a rule in force comes later by a review alone, and never more than a year after the last one.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from backoffice.guards import append_only
from backoffice.roles import ROLES, grant

# When a rule in force has to be looked at: on its date, and within a year of the last time.
DUE = """
CREATE FUNCTION automations_review_due(p_rule bigint, p_review_on date) RETURNS date LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT least(p_review_on, (greatest(automations_live_since(p_rule), (
        SELECT max(at) FROM automations_rulereview WHERE rule_id = p_rule AND verdict = 'keep'))
        AT TIME ZONE 'UTC')::date + 366);
$$;

CREATE FUNCTION automations_review_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF automations_live_since(NEW.id) IS NOT NULL
       AND coalesce(NEW.review_on, automations_review_due(NEW.id, NULL))
           > greatest(OLD.review_on, automations_review_due(NEW.id, OLD.review_on))
       AND NOT EXISTS (SELECT FROM automations_rulereview v
                        WHERE v.rule_id = NEW.id AND v.verdict = 'keep' AND v.next_on >= NEW.review_on) THEN
        PERFORM automations_refuse('This rule is in force: its review is put off by reviewing it, not by another date.');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_review_guard BEFORE UPDATE ON automations_rule
    FOR EACH ROW WHEN (NEW.review_on IS DISTINCT FROM OLD.review_on) EXECUTE FUNCTION automations_review_guard();
"""
UNDO_DUE = """
DROP TRIGGER automations_review_guard ON automations_rule;
DROP FUNCTION automations_review_guard();
DROP FUNCTION automations_review_due(bigint, date);
"""

REVIEW = """
CREATE FUNCTION automations_review_rule(
    p_rule bigint, p_document bigint, p_sha256 text, p_reviewer bigint, p_role text, p_verdict text,
    p_note text, p_next_on date, p_figures jsonb
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
    d automations_document;
    fresh bigint;
    today date := (statement_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    SELECT id, owner_id, retired_at INTO owned FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    SELECT o.* INTO d FROM automations_activation a JOIN automations_document o ON o.id = a.document_id
     WHERE a.rule_id = p_rule AND a.mode = 'live' AND a.until_at IS NULL;
    IF owned.id IS NULL OR owned.retired_at IS NOT NULL OR d.id IS NULL THEN
        PERFORM automations_refuse('Only a rule in force is reviewed.');
    ELSIF d.id IS DISTINCT FROM p_document OR d.sha256 IS DISTINCT FROM p_sha256
          OR automations_hash(d.text, d.pins) IS DISTINCT FROM d.sha256 THEN
        PERFORM automations_refuse('Another version is in force by now. Look at it again.');
    END IF;
    PERFORM automations_person(p_reviewer);
    IF p_verdict = 'keep' THEN
        IF p_reviewer IS NOT DISTINCT FROM owned.owner_id THEN
            PERFORM automations_refuse('You own this rule, so someone else has to say that it stays.');
        ELSIF p_reviewer IN (d.author_id, d.submitted_by_id) OR EXISTS (
            SELECT FROM automations_documenteditor WHERE document_id = d.id AND user_id = p_reviewer) THEN
            PERFORM automations_refuse('You edited or submitted this version, so someone else has to say that it stays.');
        ELSIF automations_role_suits(d.risk, p_role) IS NOT TRUE OR NOT automations_has_role(p_reviewer, p_role) THEN
            PERFORM automations_refuse(CASE d.risk
                WHEN 'money' THEN 'This rule moves money: someone of finance has to say that it stays.'
                WHEN 'customer' THEN 'This rule reaches customers: someone of operations or support has to say that it stays.'
                ELSE 'Someone of operations, finance or support has to say that it stays.' END);
        ELSIF automations_given_by_editor(d.id, p_reviewer, p_role) OR owned.owner_id IN (
            SELECT backoffice_givers(p_reviewer, p_role)) THEN
            PERFORM automations_refuse('Who owns or edited this rule gave you your role, so someone else has to say that it stays.');
        ELSIF p_next_on IS NULL OR p_next_on <= today OR p_next_on > today + 366 THEN
            PERFORM automations_refuse('The next review is after today and within a year.');
        END IF;
    ELSIF p_verdict IS NULL OR p_verdict NOT IN ('change', 'retire') THEN
        PERFORM automations_refuse('There is no such verdict.');
    ELSIF p_note IS NULL OR btrim(p_note) = '' THEN
        PERFORM automations_refuse('Say why, so that the owner knows.');
    ELSIF NOT EXISTS (SELECT FROM unnest(ARRAY['operations', 'finance', 'support', 'administrator']) held
                       WHERE automations_has_role(p_reviewer, held)) THEN
        PERFORM automations_refuse('Someone of operations, finance, support or the administrators has to say so.');
    END IF;
    INSERT INTO automations_rulereview (rule_id, document_id, sha256, verdict, reviewer_id, role, note, next_on, figures)
    VALUES (p_rule, d.id, d.sha256, p_verdict, p_reviewer, CASE p_verdict WHEN 'keep' THEN p_role ELSE '' END,
            coalesce(p_note, ''), CASE p_verdict WHEN 'keep' THEN p_next_on END, coalesce(p_figures, '{}'))
    RETURNING id INTO fresh;
    PERFORM automations_audit('rules.reviewed', 'automations.rule', p_rule, p_reviewer,
        jsonb_build_object('verdict', p_verdict, 'version', d.version, 'sha256', d.sha256, 'review', fresh,
                           'next_on', CASE p_verdict WHEN 'keep' THEN p_next_on END, 'why', nullif(p_note, '')));
    RETURN fresh;
END $$;
REVOKE EXECUTE ON FUNCTION
    automations_review_rule(bigint, bigint, text, bigint, text, text, text, date, jsonb) FROM PUBLIC;
"""
UNDO_REVIEW = (
    "DROP FUNCTION automations_review_rule(bigint, bigint, text, bigint, text, text, text, date, jsonb);"
)


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0095_inventory"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RuleReview",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                (
                    "verdict",
                    models.CharField(
                        choices=[("keep", "Kept"), ("change", "Change asked for"), ("retire", "Retired")],
                        max_length=10,
                    ),
                ),
                ("role", models.CharField(blank=True, max_length=20)),
                ("note", models.TextField(blank=True)),
                ("next_on", models.DateField(null=True)),
                ("figures", models.JSONField(default=dict)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "document",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="automations.document",
                    ),
                ),
                (
                    "reviewer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="automations.rule",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("next_on__isnull", False), ("verdict", "keep")
                        ) | models.Q(models.Q(("verdict", "keep"), _negated=True), ("next_on", None)),
                        name="rulereview_kept_until",
                    )
                ],
            },
        ),
        append_only("automations_rulereview"),
        migrations.RunSQL(DUE, UNDO_DUE),
        migrations.RunSQL(REVIEW, UNDO_REVIEW),
        grant("automations", {"view_rulereview": list(ROLES)}),
    ]
