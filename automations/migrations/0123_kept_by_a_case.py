"""A parked run names the case that keeps it back, so that closing one finds its own."""

from django.db import migrations, models

# One whose case can't be read is asked about by the first sweep, as no case has this number.
NAMED = r"""
UPDATE automations_run
SET kept_by = coalesce(substring(outcome FROM '^Waits for case (\d+):')::bigint, 0)
WHERE state = 'parked' AND parked_for = 'case'
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0122_what_a_rule_starts_on")]

    operations = [
        migrations.AddField("run", "kept_by", models.BigIntegerField(null=True)),
        migrations.RunSQL(NAMED, migrations.RunSQL.noop),
        migrations.RemoveIndex(model_name="run", name="run_blocked"),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("parked_for", "case"), ("state", "parked")),
                fields=["kept_by", "id"],
                name="run_blocked",
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("parked_for", "case"), ("state", "parked"), _negated=True),
                    ("kept_by__isnull", False),
                    _connector="OR",
                ),
                name="run_kept_by_a_case",
            ),
        ),
    ]
