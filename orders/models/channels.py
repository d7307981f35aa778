"""Where orders come from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from backoffice.models import LegalEntity
from inventory.models import Location
from orders.models.carriers import CarrierService


class Channel(models.Model):
    """A shop, a marketplace or the telephone, in one currency, of one legal entity."""

    class Kind(models.TextChoices):
        SHOP = "shop", "Web shop"
        MARKETPLACE = "marketplace", "Marketplace"
        MANUAL = "manual", "Entered by staff"
        FILE = "file", "Imported file"

    key = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=Kind)
    currency = models.CharField(max_length=3)
    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    # Orders are allocated here and shipped from here.
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    ships_unpaid = models.BooleanField("may ship before payment", default=False)
    # How parcels leave unless an order says otherwise. None: by the end of a working day.
    service = models.ForeignKey(
        CarrierService, null=True, blank=True, on_delete=models.PROTECT, related_name="channels"
    )
    # Collection days after the first that an order can still catch; 0 is the same day.
    promise_days = models.SmallIntegerField("ships within", default=1)
    # A delivery address that can't be right holds the order.
    checks_addresses = models.BooleanField("checks addresses", default=True)
    # An order like one placed so many hours before is held; 0: none is.
    duplicate_hours = models.SmallIntegerField("looks for duplicates within", default=24)
    # How long after delivery goods may be sent back without anybody's leave.
    return_days = models.SmallIntegerField("returns within", default=30)
    version = models.IntegerField(default=1)
    is_active = models.BooleanField("active", default=True)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="channel_currency_code"
            ),
            models.CheckConstraint(
                condition=Q(promise_days__gte=0, promise_days__lte=60), name="channel_promise_days"
            ),
            models.CheckConstraint(
                condition=Q(duplicate_hours__gte=0, duplicate_hours__lte=720),
                name="channel_duplicate_hours",
            ),
            models.CheckConstraint(
                condition=Q(return_days__gte=0, return_days__lte=3650), name="channel_return_days"
            ),
        ]

    def __str__(self) -> str:
        return self.name
