from django.db import migrations

from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, grant

EVERYONE = list(ROLES)
WAREHOUSE = [OPERATIONS, ADMINISTRATOR]


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0002_levels_follow_moves"),
        ("backoffice", "0002_roles_and_guards"),
    ]

    operations = [
        grant(
            "inventory",
            {
                "view_sku": EVERYONE,
                "view_location": EVERYONE,
                "view_stockmove": EVERYONE,
                "view_stocklevel": EVERYONE,
                "view_reservation": EVERYONE,
                "view_lowstock": EVERYONE,
                "add_sku": WAREHOUSE,
                "change_sku": WAREHOUSE,
                "set_reorder_point": WAREHOUSE,
                "add_location": [ADMINISTRATOR],
                "change_location": [ADMINISTRATOR],
                "receive_stock": WAREHOUSE,
                "write_off_stock": WAREHOUSE,
                "adjust_stock": WAREHOUSE,
                "inspect_stock": WAREHOUSE,
            },
        ),
    ]
