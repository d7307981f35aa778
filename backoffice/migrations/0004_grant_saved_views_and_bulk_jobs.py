from django.db import migrations

from backoffice.roles import ADMINISTRATOR, FINANCE, OPERATIONS, ROLES, SUPPORT, grant


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0003_saved_views_and_bulk_jobs")]

    operations = [
        grant(
            "backoffice",
            {
                "view_bulkjob": list(ROLES),
                "view_note": list(ROLES),
                "add_note": [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR],
                "share_savedview": [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR],
                "default_savedview": [ADMINISTRATOR],
            },
        ),
    ]
