"""An event's facts stay on its row as they are: packing them cost more than matching them.

PostgreSQL packs what makes a row larger than 2 kB, which each event of an order is by a little, and
unpacks it whenever it is read: a tenth of what an event costs the server, for half its room on
disk. What is larger than 4 kB is packed as before. Rows that are there stay as they are.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("automations", "0123_kept_by_a_case")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE automations_event SET (toast_tuple_target = 4080)",
            "ALTER TABLE automations_event RESET (toast_tuple_target)",
        )
    ]
