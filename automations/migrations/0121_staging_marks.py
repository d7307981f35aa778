"""Which connectors of a sandbox are staging: marked by a person, ended, never changed."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from backoffice.roles import ADMINISTRATOR, grant

GUARD = """
CREATE FUNCTION automations_stagingmark_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (to_jsonb(NEW) - ARRAY['ended_at', 'ended_by_id']) IS DISTINCT FROM (to_jsonb(OLD) - ARRAY['ended_at', 'ended_by_id'])
       OR (OLD.ended_at IS NOT NULL AND (NEW.ended_at, NEW.ended_by_id) IS DISTINCT FROM (OLD.ended_at, OLD.ended_by_id)) THEN
        RAISE EXCEPTION 'A mark is ended once, and never changed.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_stagingmark_guard BEFORE UPDATE ON automations_stagingmark
    FOR EACH ROW EXECUTE FUNCTION automations_stagingmark_guard();
"""
UNGUARD = """
DROP TRIGGER automations_stagingmark_guard ON automations_stagingmark;
DROP FUNCTION automations_stagingmark_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0118_blocked_by_a_case"), ("backoffice", "0054_caught_mail")]

    operations = [
        migrations.CreateModel(
            name="StagingMark",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("seal", models.CharField(max_length=64)),
                ("marked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="marks",
                        to="automations.connectoraccount",
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "marked_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("mark_staging", "Can say that a connector of a sandbox is staging")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)), fields=("account",), name="stagingmark_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ended_at", None), ("ended_by__isnull", False), _connector="OR"),
                        name="stagingmark_ended_by_someone",
                    ),
                ],
            },
        ),
        migrations.AlterField(
            model_name="calllog",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("done", "Done"),
                    ("refused", "Refused"),
                    ("later", "To be tried again"),
                    ("throttled", "Too many calls"),
                    ("down", "Not reached"),
                    ("doubt", "In doubt"),
                    ("bug", "Broken"),
                    ("not_sent", "Not sent"),
                    ("caught", "Caught"),
                    ("found", "Found"),
                    ("absent", "Not there"),
                    ("unknown", "Can't be told"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
        grant("automations", {"mark_staging": [ADMINISTRATOR]}),
    ]
