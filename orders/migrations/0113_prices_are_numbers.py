"""`NaN` is above zero, and no floor is above it: no price, floor or rate is one."""

from decimal import Decimal

from django.db import migrations, models

BEYOND = Decimal("1000000000000000")


class Migration(migrations.Migration):
    dependencies = [("orders", "0112_price_by_two_accounts")]

    operations = [
        migrations.AddConstraint(
            "exchangerate",
            models.CheckConstraint(condition=models.Q(rate__lt=BEYOND), name="rate_is_a_number"),
        ),
        migrations.AddConstraint(
            "pricefloor",
            models.CheckConstraint(condition=models.Q(amount__lt=BEYOND), name="floor_is_a_number"),
        ),
        migrations.AddConstraint(
            "pricechange",
            models.CheckConstraint(condition=models.Q(amount__lt=BEYOND), name="price_change_is_a_number"),
        ),
        migrations.AddConstraint(
            "price",
            models.CheckConstraint(condition=models.Q(amount__lt=BEYOND), name="price_is_a_number"),
        ),
    ]
