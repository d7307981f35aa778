"""Mails that a sandbox kept back, shown to all who see connectors."""

import django.db.models.functions.datetime
from django.db import migrations, models

from backoffice.roles import ROLES, grant


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0053_rail_groups")]

    operations = [
        migrations.CreateModel(
            name="CaughtMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("notice", "Notice to staff"),
                            ("step", "Step of a run"),
                            ("customer", "To a customer"),
                            ("other", "Of the system"),
                        ],
                        default="other",
                        max_length=10,
                    ),
                ),
                ("sender", models.CharField(max_length=320)),
                ("to", models.TextField()),
                ("subject", models.CharField(max_length=500)),
                ("body", models.TextField()),
                ("by", models.CharField(blank=True, max_length=200, verbose_name="sent by")),
                ("run_id", models.BigIntegerField(null=True)),
                ("rule_id", models.BigIntegerField(null=True)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="caught")),
            ],
            options={"indexes": [models.Index(fields=["at"], name="caughtmail_by_time")]},
        ),
        grant("backoffice", {"view_caughtmail": list(ROLES)}),
    ]
