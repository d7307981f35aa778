from django.db import migrations

from backoffice.roles import OPERATIONS, grant


class Migration(migrations.Migration):
    dependencies = [("support", "0002_guards")]

    operations = [
        # A rule may do what its owner may do, and operations own the rules that set priorities.
        grant("support", {"change_ticket": [OPERATIONS]}),
    ]
