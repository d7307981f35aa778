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
