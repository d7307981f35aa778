"""Up to how much one person pays back alone, by currency.

The application role only reads this; the functions of migration 0053 write it.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from backoffice.money import Money


class RefundLimit(models.Model):
    """What one person may pay back at once, and in any 24 hours together. No row: nothing.

    `wanted`, `wanted_a_day`: one of finance asks for more, and another has to agree.
    """

    currency = models.CharField(max_length=3, primary_key=True)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    a_day = models.DecimalField(max_digits=19, decimal_places=4)
    wanted = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    wanted_a_day = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    asked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(amount__gte=0, a_day__gte=models.F("amount")),
                name="refundlimit_fits_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.money} in {self.currency}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def money_a_day(self) -> Money:
        return Money(self.a_day, self.currency)

    @property
    def wanted_money(self) -> Money | None:
        return None if self.wanted is None else Money(self.wanted, self.currency)

    @property
    def wanted_money_a_day(self) -> Money | None:
        return None if self.wanted_a_day is None else Money(self.wanted_a_day, self.currency)
