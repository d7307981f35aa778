from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, SUPPORT, grant

DESK = [SUPPORT, ADMINISTRATOR]
QUEUES = (
    ("general", "General", "What nobody has sorted yet.", True),
    ("orders", "Orders", "Delivery, changes, cancellations.", False),
    ("returns", "Returns and refunds", "Goods that come back, money that goes back.", False),
)


def make_queues(apps, schema_editor):
    """A ticket is always in a queue, so an empty company has queues too."""
    queue = apps.get_model("support", "Queue")
    for slug, name, description, is_default in QUEUES:
        queue.objects.get_or_create(
            slug=slug,
            defaults={"name": name, "description": description, "is_default": is_default},
        )


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0001_tickets"),
        ("backoffice", "0002_roles_and_guards"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(make_queues, migrations.RunPython.noop),
        append_only("support_message"),
        grant(
            "support",
            {
                "view_queue": list(ROLES),
                "add_queue": [ADMINISTRATOR],
                "change_queue": [ADMINISTRATOR],
                "close_queue": DESK,
                "view_ticket": list(ROLES),
                "view_message": list(ROLES),
                # Operations own rules that open tickets.
                "add_ticket": [OPERATIONS, *DESK],
                "change_ticket": DESK,
                "answer_ticket": DESK,
                "assign_ticket": DESK,
                "solve_ticket": DESK,
            },
        ),
    ]
