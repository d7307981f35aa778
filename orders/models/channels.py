"""Where orders come from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from backoffice.models import LegalEntity
from inventory.models import Location


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
    is_active = models.BooleanField("active", default=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="channel_currency_code"
            ),
        ]

    def __str__(self) -> str:
        return self.name
