"""Goods that come back for others that leave."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from backoffice.money import Money
from orders.models.orders import Order
from orders.models.returns import ReturnOrder


class Exchange(models.Model):
    """A return and the order that leaves in its place, with what is due between them.

    What was agreed never changes; how far it is shows on the return and on the replacement.
    """

    number = models.CharField(max_length=40, unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="exchanges")
    return_order = models.OneToOneField(
        ReturnOrder, on_delete=models.PROTECT, related_name="exchange"
    )
    replacement = models.OneToOneField(
        Order, on_delete=models.PROTECT, related_name="exchanged_for"
    )
    currency = models.CharField(max_length=3)
    # What the goods that come back cost, and what the new ones do; tax included.
    credit = models.DecimalField(max_digits=19, decimal_places=4)
    price = models.DecimalField(max_digits=19, decimal_places=4)
    # Above zero the customer pays it, below zero it goes back to them.
    difference = models.DecimalField(max_digits=19, decimal_places=4)
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=200)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(credit__gt=0, price__gte=0, difference=F("price") - F("credit")),
                name="exchange_difference",
            ),
            models.CheckConstraint(
                condition=~Q(order=F("replacement")), name="exchange_replaces_another_order"
            ),
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["-made_at", "-id"], name="exchange_newest"),
        ]

    def __str__(self) -> str:
        return self.number

    def money(self, name: str) -> Money:
        """One of its amounts: `credit`, `price` or `difference`."""
        return Money(getattr(self, name), self.currency)

    @property
    def due(self) -> Money:
        return self.money("difference")
