"""Holds: an order with an open one is not shipped."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import ACTOR_KINDS, User
from orders.models.orders import Order


class Hold(models.Model):
    """One reason to keep an order back, from placing to release."""

    class Reason(models.TextChoices):
        FRAUD = "fraud", "Possible fraud"
        ADDRESS = "address", "Address"
        PAYMENT = "payment", "Payment"
        OUT_OF_STOCK = "out_of_stock", "Out of stock"
        CUSTOMER_REQUEST = "customer_request", "The customer asked"
        PRICE_CHECK = "price_check", "Price check"
        DUPLICATE = "duplicate", "Possible duplicate"
        APPROVAL = "approval", "Approval"
        OTHER = "other", "Other"

    class Then(models.TextChoices):
        RELEASE = "release", "Release the order"
        REMIND = "remind", "Bring it before people"
        CANCEL = "cancel", "Cancel the order"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="holds")
    reason = models.CharField(max_length=16, choices=Reason)
    note = models.CharField(max_length=500, blank=True)
    placed_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)
    # Until when it is meant to last, and what happens then. None: until somebody releases it.
    ends_at = models.DateTimeField(null=True)
    then = models.CharField(max_length=8, choices=Then, blank=True, default="")
    # When its end was acted on.
    ran_out_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    released_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            # Two rules that see the same danger hold once.
            models.UniqueConstraint(
                fields=["order", "reason"],
                condition=Q(released_at__isnull=True),
                name="hold_open_once_per_reason",
            ),
            # An end without a consequence, or the other way round, would be forgotten.
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True, then="") | Q(ends_at__isnull=False) & ~Q(then=""),
                name="hold_end_says_what_then",
            ),
        ]
        indexes = [
            # The sweep looks for holds that have run out.
            models.Index(
                fields=["ends_at"],
                condition=Q(released_at__isnull=True, ran_out_at__isnull=True),
                name="hold_running_out",
            ),
        ]

    def __str__(self) -> str:
        return self.get_reason_display()
