"""What would let prices go lower or move further, and waits for a second person of finance."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import User
from backoffice.money import BEYOND, Money
from inventory.models import Sku
from orders.models.channels import Channel


class PriceGuardChange(models.Model):
    """A lower floor of a product, or a wider move in a channel, that somebody asked for.

    Written by functions of the database's owner alone.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for a second person"
        AGREED = "agreed", "Agreed"
        KEPT = "kept", "Left as it was"
        REPLACED = "replaced", "Asked or set anew"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    # None: how far the prices of the channel may move.
    sku = models.ForeignKey(
        Sku, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    currency = models.CharField(max_length=3)
    # The least price that is wanted. None: what a unit costs us, or it is about the channel.
    amount = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    # By how many percent prices may move then. None: it is about a product.
    percent = models.SmallIntegerField(null=True)
    # What holds now: the floor (None: there is none), or the percent.
    was = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    why = models.CharField(max_length=300)
    state = models.CharField(max_length=8, choices=State)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "sku"],
                condition=Q(state="waiting", sku__isnull=False),
                name="floor_asked_once",
            ),
            models.UniqueConstraint(
                fields=["channel"],
                condition=Q(state="waiting", sku__isnull=True),
                name="variance_asked_once",
            ),
            models.CheckConstraint(
                condition=Q(sku__isnull=True, amount__isnull=True, percent__isnull=False)
                | Q(sku__isnull=False, percent__isnull=True),
                name="price_guard_of_one",
            ),
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0, amount__lt=BEYOND),
                name="price_guard_is_a_number",
            ),
            # Not even the owner's functions let one person do both.
            models.CheckConstraint(
                condition=~Q(state="agreed")
                | Q(decided_by__isnull=False) & ~Q(asked_by=models.F("decided_by")),
                name="price_guard_by_two",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id}, {self.sku_id}: {self.wanted}"

    @property
    def wanted(self) -> str:
        """What holds once it is agreed to, in words."""
        if self.percent is not None:
            return f"{self.percent}%"
        return "what it costs us" if self.amount is None else str(Money(self.amount, self.currency))

    @property
    def before(self) -> str:
        """What holds while it waits, in words."""
        if self.was is None:
            return "no floor"
        return f"{self.was:.0f}%" if self.sku_id is None else str(Money(self.was, self.currency))
