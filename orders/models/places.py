"""The places a channel may ship from besides its own."""

from __future__ import annotations

from django.db import models

from inventory.models import Location
from orders.models.channels import Channel


class ChannelPlace(models.Model):
    """One more place that orders of a channel may be routed to, in order of priority."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="places")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    priority = models.SmallIntegerField(default=1)
    # Customers may collect there.
    hands_over = models.BooleanField("customers may collect there", default=False)

    class Meta:
        ordering = ["priority", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["channel", "location"], name="channelplace_once"),
        ]

    def __str__(self) -> str:
        return f"{self.location} for {self.channel}"
