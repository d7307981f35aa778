"""Which carrier service an order leaves with, and why that one."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import User
from orders.models.carriers import CarrierService
from orders.models.orders import Order


class ServiceChoice(models.Model):
    """The latest choice for one order, with what stood to choose from."""

    class Reason(models.TextChoices):
        CHEAPEST = "cheapest", "The cheapest in time"
        FASTEST = "fastest", "None arrives in time: the first to arrive"
        ONLY = "only", "The only one that goes there"
        PERSON = "person", "Chosen by a person"

    order = models.OneToOneField(Order, on_delete=models.PROTECT, related_name="choice")
    service = models.ForeignKey(CarrierService, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=8, choices=Reason)
    # In a sentence, as people read it.
    why = models.CharField(max_length=300)
    # By when it had to arrive. None: nothing was promised.
    promised_on = models.DateField(null=True)
    # When it should arrive. None: nobody knows how long the service takes.
    arrives_on = models.DateField(null=True)
    # Each service looked at: name, price, day, verdict.
    considered = models.JSONField(default=list)
    chosen_at = models.DateTimeField(db_default=Now())
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(why=""), name="servicechoice_says_why"),
        ]

    def __str__(self) -> str:
        return f"{self.order}: {self.service}"
