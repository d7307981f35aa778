"""What a person has folded in the rail is kept with them, whatever machine they sit at."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0052_lent_roles")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="unfolded",
            field=models.JSONField(db_default={}, default=dict, editable=False),
        ),
    ]
