"""Finance sees people, to agree to their roles; that shows it nobody's bulk jobs."""

from django.db import migrations

from backoffice.roles import ADMINISTRATOR, AUDITOR, grant


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0042_role_grants")]

    operations = [
        migrations.AlterModelOptions(
            name="bulkjob",
            options={"permissions": [("see_everyones_bulkjob", "Can see everyone's bulk jobs")]},
        ),
        grant("backoffice", {"see_everyones_bulkjob": [ADMINISTRATOR, AUDITOR]}),
    ]
