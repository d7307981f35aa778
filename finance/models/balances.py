"""The sub-ledger behind the customer accounts: one row per order."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from backoffice.models import LegalEntity
from backoffice.money import BEYOND, Money
from orders.models.orders import Order


def sum_column() -> models.DecimalField[Decimal, Decimal]:
    return models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))


class OrderBalance(models.Model):
    """What one order was charged and credited, paid and refunded, in the order's currency.

    The sum over an entity's orders of `balance` is the balance of its customer accounts.
    """

    order = models.OneToOneField(
        Order, on_delete=models.PROTECT, primary_key=True, related_name="balance"
    )
    entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    currency = models.CharField(max_length=3)
    charged = sum_column()
    credited = sum_column()
    paid = sum_column()
    refunded = sum_column()
    # Asked back and not yet decided.
    reserved = sum_column()

    class Meta:
        constraints = [
            # More may never go back than came in, nor be promised twice.
            models.CheckConstraint(
                condition=Q(paid__gte=F("refunded") + F("reserved")),
                name="balance_refunds_within_payments",
            ),
            models.CheckConstraint(
                condition=Q(charged__gte=0, credited__gte=0, paid__gte=0)
                & Q(refunded__gte=0, reserved__gte=0),
                name="balance_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(charged__lt=BEYOND, credited__lt=BEYOND, paid__lt=BEYOND)
                & Q(refunded__lt=BEYOND, reserved__lt=BEYOND),
                name="balance_is_a_number",
            ),
        ]

    def __str__(self) -> str:
        return str(Money(self.balance, self.currency))

    @property
    def balance(self) -> Decimal:
        """What the customer owes; below zero, what we owe the customer."""
        return self.charged - self.credited - self.paid + self.refunded

    @property
    def refundable(self) -> Money:
        """What can still be asked back."""
        return Money(self.paid - self.refunded - self.reserved, self.currency)
