"""What left the warehouse for an order."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orders.models.orders import Order, OrderLine


class Shipment(models.Model):
    """One dispatch of lines of an order."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="shipments")
    # One per intent: a repeated request ships nothing twice.
    key = models.CharField(max_length=120, unique=True)
    carrier = models.CharField(max_length=60, blank=True)
    tracking = models.CharField(max_length=80, blank=True)
    shipped_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The figures of a span of days.
            models.Index(fields=["shipped_at"], name="shipment_left"),
        ]

    def __str__(self) -> str:
        return self.tracking or self.key


class ShipmentLine(models.Model):
    shipment = models.ForeignKey(Shipment, on_delete=models.PROTECT, related_name="lines")
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+")
    quantity = models.IntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipment_line_quantity"),
        ]

    def __str__(self) -> str:
        return str(self.quantity)
