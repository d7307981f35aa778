"""What a marketplace says of an order it sold: how far it is there, and by when it must leave."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from orders.models.holds import Hold
from orders.models.orders import Order


class MarketOrder(models.Model):
    """The marketplace's side of one order. Its status only ever goes forward."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending there"
        OPEN = "open", "To be shipped"
        SHIPPED = "shipped", "Confirmed as shipped"
        CANCELLED = "cancelled", "Cancelled there"

    # What may follow; what is shipped or cancelled there stays so.
    NEXT = {
        Status.PENDING: (Status.OPEN, Status.SHIPPED, Status.CANCELLED),
        Status.OPEN: (Status.SHIPPED, Status.CANCELLED),
        Status.SHIPPED: (),
        Status.CANCELLED: (),
    }

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="market")
    status = models.CharField(max_length=9, choices=Status, default=Status.OPEN)
    # The latest time it may be handed over by, as the marketplace promised. None: it did not say.
    ship_latest = models.DateTimeField(null=True)
    # When the status held there: what is told later of an earlier time changes nothing.
    told_at = models.DateTimeField()
    # When it was cancelled there although it counted as shipped already, and stays so.
    called_off_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField(db_default=Now())
    # What keeps the order while it is pending there.
    pending_hold = models.ForeignKey(
        Hold, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        indexes = [
            # Whose news may be too old.
            models.Index(
                fields=["told_at"],
                condition=models.Q(status__in=["pending", "open"]),
                name="marketorder_waits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order}: {self.get_status_display().lower()}"
