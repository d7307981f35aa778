"""Whether a version is applied to the records that are there is part of the yes to it.

The answer stands on the approval, which never changes. Putting the version in force makes the one
row by which it goes over them, where everyone whose yes counts said so; the application role can't
make one, nor begin it again.
"""

from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from backoffice.roles import ROLES, grant


def _function(module: str, text: str, name: str, *changes: tuple[str, str]) -> str:
    """A function as an earlier migration wrote it, changed."""
    told: str = getattr(import_module(f"automations.migrations.{module}"), text)
    begins = told.index(f"FUNCTION {name}(")
    told = "CREATE OR REPLACE " + told[begins : told.index("END $$;", begins) + len("END $$;")]
    for before, after in changes:
        if told.count(before) != 1:
            raise ValueError(before)
        told = told.replace(before, after)
    return told


DECIDED = ("0106_no_way_round", "DECIDE", "automations_decide_document")
ACTIVATED = ("0102_quorum", "ACTIVATE", "automations_activate_document")
EVIDENCE = ("0100_evidence_before_approval", "EVIDENCE", "automations_evidence")

BEFORE = "automations_decide_document(bigint, text, bigint, text, text, text, jsonb)"
AFTER = "automations_decide_document(bigint, text, bigint, text, text, text, jsonb, boolean)"

DECIDE = _function(
    *DECIDED,
    ("p_comment text, p_evidence jsonb\n)", "p_comment text, p_evidence jsonb, p_existing boolean DEFAULT false\n)"),
    ("    fresh bigint;\n", "    fresh bigint;\n    on_fact boolean := false;\n"),
    (
        "    PERFORM automations_person(p_approver);\n",
        """    PERFORM automations_person(p_approver);
    IF d.kind = 'rule' THEN
        on_fact := d.text::jsonb -> 'trigger' ->> 'on' IS NOT NULL;
    END IF;
""",
    ),
    (
        "        PERFORM automations_refuse('Say why, so that the author knows what to change.');\n",
        """        PERFORM automations_refuse('Say why, so that the author knows what to change.');
    ELSIF p_existing IS TRUE AND (p_verdict <> 'approve' OR NOT on_fact) THEN
        PERFORM automations_refuse('Only a yes to a rule that starts on a fact can be for the records that are there.');
    ELSIF p_existing IS TRUE AND d.text ~ '"op": ?"changed_(to|from)"' THEN
        PERFORM automations_refuse('Its conditions are about the moment of a change, which the records that are there don''t tell.');
""",
    ),
    ("comment, evidence, expires_at)", "comment, evidence, existing, expires_at)"),
    (
        "            statement_timestamp() + interval '30 days')\n",
        "            p_existing IS TRUE, statement_timestamp() + interval '30 days')\n",
    ),
    (
        "'approval', fresh)\n",
        """'approval', fresh)
            || CASE WHEN p_verdict = 'approve' AND on_fact THEN jsonb_build_object('existing', p_existing IS TRUE) ELSE '{}' END
""",
    ),
)
ACTIVATE = _function(
    *ACTIVATED,
    ("    fresh bigint;\n", "    fresh bigint;\n    everyone boolean := false;\n"),
    (
        "    PERFORM automations_next_epoch();\n",
        """    IF d.kind = 'rule' THEN
        SELECT coalesce(bool_and(p.existing), false) INTO everyone FROM automations_approval p
         WHERE p.document_id = d.id AND p.sha256 = d.sha256 AND p.verdict = 'approve' AND p.expires_at > moment
           AND p.approver_id IN (SELECT automations_valid_approvers(d, moment));
    END IF;
    IF everyone THEN
        INSERT INTO automations_existingrecords (document_id, rule_id, from_at) VALUES (d.id, d.rule_id, moment)
        ON CONFLICT (document_id) DO NOTHING;
    END IF;
    PERFORM automations_next_epoch();
""",
    ),
    (
        "'first_look', p_first_look)",
        "'first_look', p_first_look)\n            || CASE WHEN everyone THEN jsonb_build_object('existing', true) ELSE '{}' END",
    ),
)
# What a version was applied to is no history of its trigger: nothing happened then.
FACTS = _function(
    *EVIDENCE,
    ("AND e.recorded_at < t.created_at", "AND e.recorded_at < t.created_at AND e.rule_id IS NULL"),
    ("WHERE e.trigger = starts_on\n", "WHERE e.trigger = starts_on AND e.rule_id IS NULL\n"),
)

GUARD = """
CREATE FUNCTION automations_existing_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR OLD.state IN ('done', 'skipped', 'failed')
       OR (OLD.id, OLD.document_id, OLD.rule_id, OLD.from_at) IS DISTINCT FROM (NEW.id, NEW.document_id, NEW.rule_id, NEW.from_at)
       OR OLD.cursor IS NOT NULL AND (NEW.cursor IS NULL OR NEW.cursor < OLD.cursor)
       OR OLD.upto IS NOT NULL AND NEW.upto IS DISTINCT FROM OLD.upto THEN
        RAISE EXCEPTION 'A version goes over the records that are there once, and onwards.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_existing_guard BEFORE UPDATE OR DELETE ON automations_existingrecords
    FOR EACH ROW EXECUTE FUNCTION automations_existing_guard();
CREATE TRIGGER automations_existing_no_truncate BEFORE TRUNCATE ON automations_existingrecords
    FOR EACH STATEMENT EXECUTE FUNCTION automations_existing_guard();
"""
UNGUARD = """
DROP TRIGGER automations_existing_no_truncate ON automations_existingrecords;
DROP TRIGGER automations_existing_guard ON automations_existingrecords;
DROP FUNCTION automations_existing_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0112_owner_as_agreed")]

    operations = [
        migrations.AddField(
            model_name="approval",
            name="existing",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="ExistingRecords",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Due"),
                            ("scanning", "Under way"),
                            ("done", "Done"),
                            ("skipped", "The rest was left alone"),
                            ("failed", "Broken"),
                        ],
                        db_default="due",
                        default="due",
                        max_length=8,
                    ),
                ),
                ("says", models.CharField(blank=True, db_default="", max_length=300)),
                ("cursor", models.BigIntegerField(null=True)),
                ("upto", models.BigIntegerField(null=True)),
                ("examined", models.BigIntegerField(db_default=0, default=0)),
                ("events", models.BigIntegerField(db_default=0, default=0)),
                ("tries", models.SmallIntegerField(db_default=0, default=0)),
                ("run_after", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("touched_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "document",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="existing",
                        to="automations.document",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="existing",
                        to="automations.rule",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["due", "scanning"])),
                        fields=["touched_at", "id"],
                        name="existing_open",
                    )
                ],
            },
        ),
        migrations.RemoveIndex(model_name="event", name="event_preview"),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("rule_id__isnull", True)), fields=["trigger", "occurred_at"], name="event_preview"
            ),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
        migrations.RunSQL(
            [
                f"DROP FUNCTION {BEFORE};",
                DECIDE,
                ACTIVATE,
                FACTS,
                f"REVOKE EXECUTE ON FUNCTION {AFTER} FROM PUBLIC;",
            ],
            [
                f"DROP FUNCTION {AFTER};",
                _function(*DECIDED),
                _function(*ACTIVATED),
                _function(*EVIDENCE),
                f"REVOKE EXECUTE ON FUNCTION {BEFORE} FROM PUBLIC;",
            ],
        ),
        grant("automations", {"view_existingrecords": list(ROLES)}),
    ]
