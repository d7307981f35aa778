"""Insurance of parcels of value: covered, or sent uninsured because two people said so."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backoffice.models import User
from backoffice.money import BEYOND, Money
from orders.models.packages import Package


class PackageCover(models.Model):
    """How a parcel of value travels. What it cost is part of what its insurer charges."""

    class Kind(models.TextChoices):
        INSURED = "insured", "Insured"
        UNINSURED = "uninsured", "Sent uninsured"

    package = models.OneToOneField(Package, on_delete=models.PROTECT, related_name="cover")
    kind = models.CharField(max_length=9, choices=Kind)
    # In the currency of the parcel's declared value. None: it is not insured.
    amount = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    insurer = models.CharField(max_length=80, blank=True, default="")
    # What the insurer calls it.
    policy = models.CharField(max_length=80, blank=True, default="")
    cost = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    # Why it may go uninsured.
    why = models.CharField(max_length=300, blank=True, default="")
    # None: a rule insured it.
    asked_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    asked_label = models.CharField(max_length=200)
    asked_at = models.DateTimeField(db_default=Now())
    # Who agreed that it goes uninsured: never who asked.
    agreed_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    agreed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="insured", amount__gt=0, amount__lt=BEYOND, agreed_by__isnull=True)
                & ~Q(insurer="")
                | Q(kind="uninsured", amount__isnull=True, asked_by__isnull=False) & ~Q(why=""),
                name="packagecover_says_what",
            ),
            models.CheckConstraint(
                condition=Q(agreed_by__isnull=True) | ~Q(agreed_by=F("asked_by")),
                name="packagecover_by_two",
            ),
            models.CheckConstraint(
                condition=Q(agreed_by__isnull=True, agreed_at__isnull=True)
                | Q(agreed_by__isnull=False, agreed_at__isnull=False),
                name="packagecover_agreed_when",
            ),
            models.CheckConstraint(
                condition=Q(cost__isnull=True) | Q(cost__gte=0, cost__lt=BEYOND),
                name="packagecover_cost",
            ),
        ]
        permissions = [("agree_uninsured", "Can agree that a parcel of value leaves uninsured")]

    def __str__(self) -> str:
        return f"{self.package}: {self.get_kind_display().lower()}"

    @property
    def covered(self) -> Money | None:
        """The amount it is insured for; None when it is not."""
        return None if self.amount is None else Money(self.amount, self.package.currency)
