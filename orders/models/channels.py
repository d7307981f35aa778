"""Where orders come from."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from backoffice.models import LegalEntity
from backoffice.money import BEYOND
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
    # Days after the order, or its payment, by which a parcel has arrived. None: no day is promised.
    arrives_days = models.SmallIntegerField("arrives within", null=True, blank=True)
    # An order's carrier service is chosen when it is packed: the cheapest that arrives in time.
    chooses_service = models.BooleanField("chooses the service", default=False)
    # A delivery address that can't be right holds the order.
    checks_addresses = models.BooleanField("checks addresses", default=True)
    # An order like one placed so many hours before is held; 0: none is.
    duplicate_hours = models.SmallIntegerField("looks for duplicates within", default=24)
    # Parcels declared at so much or more leave insured, or because two people agreed. None: none.
    insure_from = models.DecimalField(
        "insures parcels from", max_digits=19, decimal_places=4, null=True, blank=True
    )
    # Days for which a marketplace's word on an order to be shipped counts. 0: for ever.
    news_days = models.SmallIntegerField("its news counts for", default=14)
    # How long after delivery goods may be sent back without anybody's leave.
    return_days = models.SmallIntegerField("returns within", default=30)
    # A price that moves by more percent waits for a person; 0: every one does.
    price_variance = models.SmallIntegerField("prices may move by", default=30)
    # Its prices are those of another channel, converted by the newest rate. None: its own.
    prices_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="followers"
    )
    # A cart that nobody touched for so long counts as abandoned; 0: none does.
    cart_minutes = models.SmallIntegerField("carts are abandoned after", default=60)
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
                condition=Q(arrives_days__isnull=True)
                | Q(arrives_days__gte=0, arrives_days__lte=120),
                name="channel_arrives_days",
            ),
            models.CheckConstraint(
                condition=Q(news_days__gte=0, news_days__lte=90), name="channel_news_days"
            ),
            models.CheckConstraint(
                condition=Q(duplicate_hours__gte=0, duplicate_hours__lte=720),
                name="channel_duplicate_hours",
            ),
            models.CheckConstraint(
                condition=Q(return_days__gte=0, return_days__lte=3650), name="channel_return_days"
            ),
            models.CheckConstraint(
                condition=Q(price_variance__gte=0, price_variance__lte=1000),
                name="channel_price_variance",
            ),
            models.CheckConstraint(
                condition=Q(prices_from__isnull=True) | ~Q(prices_from=models.F("id")),
                name="channel_follows_another",
            ),
            models.CheckConstraint(
                condition=Q(insure_from__isnull=True)
                | Q(insure_from__gt=0, insure_from__lt=BEYOND),
                name="channel_insure_from",
            ),
            models.CheckConstraint(
                condition=Q(cart_minutes__gte=0, cart_minutes__lte=20160),
                name="channel_cart_minutes",
            ),
        ]

    def __str__(self) -> str:
        return self.name
