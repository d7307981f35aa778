"""How each rule does beside its own past, and since when it has been in force."""

import django.db.models.deletion
from django.db import migrations, models

# A version that follows another at once leaves no gap. None: the rule is not in force.
SINCE = """
CREATE FUNCTION automations_live_since(p_rule bigint) RETURNS timestamptz LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT max(b.from_at) FROM automations_activation b
     WHERE b.rule_id = p_rule AND b.mode = 'live'
       AND NOT EXISTS (SELECT FROM automations_activation c
                        WHERE c.rule_id = p_rule AND c.mode = 'live' AND c.id <> b.id AND c.until_at = b.from_at)
       AND EXISTS (SELECT FROM automations_activation o
                    WHERE o.rule_id = p_rule AND o.mode = 'live' AND o.until_at IS NULL);
$$;
"""
UNDO_SINCE = "DROP FUNCTION automations_live_since(bigint);"


class Migration(migrations.Migration):
    dependencies = [("automations", "0085_retention")]

    operations = [
        migrations.CreateModel(
            name="RuleStanding",
            fields=[
                (
                    "rule",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="standing",
                        serialize=False,
                        to="automations.rule",
                    ),
                ),
                ("at", models.DateTimeField()),
                ("live_since", models.DateTimeField(null=True)),
                ("last_fired_at", models.DateTimeField(null=True)),
                ("runs_day", models.IntegerField(default=0)),
                ("runs_month", models.IntegerField(default=0)),
                ("done_month", models.IntegerField(default=0)),
                ("usual", models.FloatField(null=True)),
                ("is_stale", models.BooleanField(default=False)),
                ("is_silent", models.BooleanField(default=False)),
                ("is_noisy", models.BooleanField(default=False)),
            ],
        ),
        migrations.RunSQL(SINCE, UNDO_SINCE),
    ]
