"""Own order and return numbers; imported ones keep the shop's."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL(
            """
            CREATE SEQUENCE orders_order_number START 1000001;
            CREATE SEQUENCE orders_return_number START 100001;
            """,
            "DROP SEQUENCE orders_order_number, orders_return_number;",
        ),
    ]
