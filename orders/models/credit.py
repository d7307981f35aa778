"""What companies may owe us."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from backoffice.money import Money
from orders.models.customers import Customer


class CreditAccount(models.Model):
    """How much a company may order unpaid; an order above that waits for an approver."""

    class Resets(models.TextChoices):
        NEVER = "never", "Never: all unpaid orders count"
        MONTH = "month", "Each month"
        QUARTER = "quarter", "Each quarter"
        YEAR = "year", "Each year"

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, related_name="credit")
    limit = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))
    currency = models.CharField(max_length=3)
    # From when on unpaid orders count.
    resets = models.CharField(max_length=8, choices=Resets, default=Resets.NEVER)
    # How long an approver has before it is brought before people once more.
    answer_hours = models.SmallIntegerField(default=24)
    is_active = models.BooleanField("in use", default=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(limit__gte=0, currency__regex="^[A-Z]{3}$"), name="credit_limit"
            ),
            models.CheckConstraint(
                condition=Q(answer_hours__gte=1, answer_hours__lte=720), name="credit_answer_hours"
            ),
        ]

    def __str__(self) -> str:
        return f"Credit of {self.customer}"

    @property
    def limit_money(self) -> Money:
        return Money(self.limit, self.currency)
