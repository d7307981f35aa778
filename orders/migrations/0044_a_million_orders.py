"""Indexes for the order list with a million orders: its sorts, its filter by country, its search."""

from django.contrib.postgres.indexes import OpClass
from django.db import migrations, models
from django.db.models.functions import Upper

INDEXES = (
    models.Index(fields=["total", "id"], name="order_by_total"),
    models.Index(fields=["ship_country", "total"], name="order_by_country"),
    models.Index(OpClass(Upper("number"), "text_pattern_ops"), name="order_number_like"),
    models.Index(OpClass(Upper("ship_name"), "text_pattern_ops"), name="order_name_like"),
    models.Index(fields=["external_id"], condition=~models.Q(external_id=""), name="order_external"),
)


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0030_customs_data"),
        ("orders", "0043_pinned_paths"),
    ]

    operations = [migrations.AddIndex("order", index) for index in INDEXES]
