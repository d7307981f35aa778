"""Notices that wait for a person go out by mail as well."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0050_deputies")]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="to_mail",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="notice",
            name="mailed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(
                condition=models.Q(("mailed_at", None), ("to_mail", True)),
                fields=["id"],
                name="notice_to_mail",
            ),
        ),
    ]
