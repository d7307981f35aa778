from django.contrib.postgres.fields import ArrayField
from django.db import models


class Parcel(models.Model):
    number = models.CharField(max_length=20, unique=True)
    country = models.CharField(max_length=2)
    total = models.DecimalField(max_digits=19, decimal_places=4)
    carrier = models.CharField(max_length=20, blank=True)
    tags = ArrayField(models.TextField(), default=list)
    sender = models.CharField(max_length=40, blank=True)
    items = models.JSONField(default=list)
    # Raised by each effect: what was done twice is seen here.
    touched = models.IntegerField(default=0)
    # How often a flaky action still fails on it.
    moods = models.IntegerField(default=0)
    version = models.IntegerField(default=1)

    def __str__(self) -> str:
        return self.number


class Specimen(models.Model):
    """A column of each kind of value that a condition can see, twice over, all of them nullable."""

    text = models.CharField(max_length=40, null=True)  # noqa: DJ001 - null is what is tested
    other_text = models.TextField(null=True)  # noqa: DJ001
    choice = models.CharField(max_length=40, null=True)  # noqa: DJ001
    other_choice = models.CharField(max_length=40, null=True)  # noqa: DJ001
    bool = models.BooleanField(null=True)
    other_bool = models.BooleanField(null=True)
    whole = models.IntegerField(null=True)
    other_whole = models.BigIntegerField(null=True)
    decimal = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    other_decimal = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    money_amount = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    money_currency = models.CharField(max_length=3, null=True)  # noqa: DJ001
    other_money_amount = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    other_money_currency = models.CharField(max_length=3, null=True)  # noqa: DJ001
    date = models.DateField(null=True)
    other_date = models.DateField(null=True)
    time = models.TimeField(null=True)
    other_time = models.TimeField(null=True)
    datetime = models.DateTimeField(null=True)
    other_datetime = models.DateTimeField(null=True)
    duration = models.DurationField(null=True)
    other_duration = models.DurationField(null=True)
    country = models.CharField(max_length=2, null=True)  # noqa: DJ001
    other_country = models.CharField(max_length=2, null=True)  # noqa: DJ001
    tags = ArrayField(models.CharField(max_length=40), null=True)
    other_tags = ArrayField(models.TextField(), null=True)

    def __str__(self) -> str:
        return f"specimen {self.pk}"
