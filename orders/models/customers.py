"""Who buys, and the figures kept about them."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from simple_history.models import HistoricalRecords

from backoffice.money import Money


class Customer(models.Model):
    """A person or a company. Name and mail are personal data: they stay in this row."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        COMPANY = "company", "Company"

    number = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSON)
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    country = models.CharField(max_length=2, blank=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    version = models.IntegerField(default=1)
    # Kept by the services, so that no rule has to count history inside a sale.
    orders_count = models.IntegerField(default=0)
    # Paid less refunded, in the currency of the first order; blank before that.
    lifetime_spend = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))
    spend_currency = models.CharField(max_length=3, blank=True, default="")
    last_order_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(
        excluded_fields=[
            "version", "orders_count", "lifetime_spend", "spend_currency", "last_order_at",
        ]
    )  # fmt: skip

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(orders_count__gte=0), name="customer_orders_count"),
        ]
        indexes = [
            # Mail and chat look a customer up by address.
            models.Index(fields=["email"], name="customer_email", condition=~Q(email="")),
            # The list, last buyers first; those who never bought end it.
            models.Index(
                F("last_order_at").desc(nulls_last=True), F("id").desc(), name="customer_recent"
            ),
            # The search of the palette, letter by letter.
            models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="customer_name"),
            GinIndex(fields=["tags"], name="customer_tags"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def spend(self) -> Money | None:
        """Paid less refunded so far; None before the first order."""
        if not self.spend_currency:
            return None
        return Money(self.lifetime_spend, self.spend_currency)
