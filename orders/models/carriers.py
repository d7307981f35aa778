"""Carrier services: until when a parcel must be ready to leave on a day, and on which days."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from backoffice.models import Calendar
from backoffice.money import BEYOND


class CarrierService(models.Model):
    """One way a parcel leaves: a carrier's service, with its cut-off in its own time zone."""

    key = models.SlugField(max_length=40, unique=True)
    carrier = models.CharField(max_length=60)
    name = models.CharField("service", max_length=80)
    time_zone = models.CharField(max_length=40, default="Europe/London")
    # What is ready by then leaves that day.
    cutoff = models.TimeField("cut-off")
    # Days on which it is collected, 1 (Monday) to 7.
    weekdays = ArrayField(models.SmallIntegerField(), default=list)
    # Days it does not come although the week says so. None: it knows no holidays.
    calendar = models.ForeignKey(
        Calendar, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # Who makes its labels: staff by hand, or a connector of this key.
    port = models.CharField(max_length=40, default="by_hand")
    # What it takes; None and empty: anything.
    max_grams = models.IntegerField("heaviest parcel, in grams", null=True, blank=True)
    max_side_cm = models.IntegerField("longest side, in cm", null=True, blank=True)
    countries = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    # What a parcel costs with it. None: it is never chosen by itself.
    price = models.DecimalField(
        "price of a parcel", max_digits=19, decimal_places=4, null=True, blank=True
    )
    currency = models.CharField(max_length=3, blank=True, default="")
    # Collection days from the collection until it arrives. None: nobody knows.
    transit_days = models.SmallIntegerField("days on its way", null=True, blank=True)
    # Days for which what it tells of a parcel under way counts: older news is acted on by no rule.
    # 0: for ever.
    news_days = models.SmallIntegerField("its news counts for", default=7)
    is_active = models.BooleanField("active", default=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        ordering = ["carrier", "name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=[1, 2, 3, 4, 5, 6, 7]),
                name="carrierservice_weekdays",
            ),
            models.CheckConstraint(
                condition=Q(price__isnull=True)
                | Q(price__gte=0, price__lt=BEYOND, currency__regex="^[A-Z]{3}$"),
                name="carrierservice_price",
            ),
            models.CheckConstraint(
                condition=Q(transit_days__isnull=True)
                | Q(transit_days__gte=0, transit_days__lte=90),
                name="carrierservice_transit_days",
            ),
            models.CheckConstraint(
                condition=Q(news_days__gte=0, news_days__lte=90),
                name="carrierservice_news_days",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.carrier} {self.name}"
