"""The cases that a rule is tried on first, and shadows that are compared after some days."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from backoffice.roles import OPERATIONS, ROLES, grant

PERSON = {
    "db_index": False,
    "on_delete": django.db.models.deletion.PROTECT,
    "related_name": "+",
    "to": settings.AUTH_USER_MODEL,
}


class Migration(migrations.Migration):
    dependencies = [("automations", "0104_tuning")]

    operations = [
        migrations.CreateModel(
            name="RuleTest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.BigIntegerField()),
                ("added_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("added_by", models.ForeignKey(**PERSON)),
                (
                    "failure",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="automations.failure",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tests",
                        to="automations.rule",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("rule", "failure"), name="ruletest_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ShadowTrial",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("days", models.SmallIntegerField()),
                ("due_at", models.DateTimeField()),
                ("compared_at", models.DateTimeField(null=True)),
                ("found", models.JSONField(default=dict)),
                (
                    "activation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="trial",
                        to="automations.activation",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("compared_at", None)), fields=["due_at"], name="shadowtrial_due"
                    )
                ],
            },
        ),
        grant(
            "automations",
            {
                "view_ruletest": list(ROLES),
                "add_ruletest": [OPERATIONS],
                "delete_ruletest": [OPERATIONS],
                "view_shadowtrial": list(ROLES),
            },
        ),
    ]
