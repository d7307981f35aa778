from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE, ROLES, grant


def make_roles(apps, schema_editor):
    groups = apps.get_model("auth", "Group")
    for role in ROLES:
        groups.objects.get_or_create(name=role)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
        grant(
            "backoffice",
            {
                "view_user": [ADMINISTRATOR, AUDITOR],
                "add_user": [ADMINISTRATOR],
                "change_user": [ADMINISTRATOR],
                "view_legalentity": list(ROLES),
                "change_legalentity": [ADMINISTRATOR],
                "view_auditentry": [ADMINISTRATOR, AUDITOR, FINANCE],
                "view_timelineentry": list(ROLES),
            },
        ),
        append_only("backoffice_timelineentry"),
        append_only("backoffice_auditentry"),
    ]
