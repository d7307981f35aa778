from django.db import migrations

from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, SUPPORT, grant

EVERYONE = list(ROLES)
DESK = [OPERATIONS, SUPPORT, ADMINISTRATOR]
WAREHOUSE = [OPERATIONS, ADMINISTRATOR]


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_numbers"), ("backoffice", "0002_roles_and_guards")]

    operations = [
        grant(
            "orders",
            {
                "view_channel": EVERYONE,
                "view_customer": EVERYONE,
                "view_order": EVERYONE,
                "view_orderline": EVERYONE,
                "view_ordernote": EVERYONE,
                "view_hold": EVERYONE,
                "view_shipment": EVERYONE,
                "view_returnorder": EVERYONE,
                "view_returnline": EVERYONE,
                "add_channel": [ADMINISTRATOR],
                "change_channel": [ADMINISTRATOR],
                "add_customer": DESK,
                "change_customer": DESK,
                "add_order": DESK,
                "change_order": DESK,
                "tag_order": DESK,
                "hold_order": DESK,
                "release_order": DESK,
                "cancel_order": DESK,
                "note_order": DESK,
                "ship_order": WAREHOUSE,
                "add_returnorder": DESK,
                "change_returnorder": DESK,
            },
        ),
    ]
