"""Money that came in."""

from __future__ import annotations

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Cast, Concat, Now

from backoffice.money import BEYOND, Money
from orders.models.orders import Order


class Payment(models.Model):
    """One receipt of money for an order, as the provider reported it. Its amount never changes."""

    class State(models.TextChoices):
        RECEIVED = "received", "Received"

    class Method(models.TextChoices):
        CARD = "card", "Card"
        TRANSFER = "transfer", "Bank transfer"
        WALLET = "wallet", "Wallet"
        INVOICE = "invoice", "On account"
        OTHER = "other", "Other"

    number = models.GeneratedField(
        expression=Concat(Value("P-"), Cast("id", models.CharField())),
        output_field=models.CharField(max_length=30),
        db_persist=True,
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=40)
    external_id = models.CharField(max_length=120)
    method = models.CharField(max_length=10, choices=Method)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    received_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    # Imported: it happened elsewhere, before. History starts no rule.
    is_history = models.BooleanField(default=False)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="payment_number_once"),
            # A provider reports the same payment more than once.
            models.UniqueConstraint(
                fields=["provider", "external_id"], name="payment_external_id_once"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(condition=Q(amount__lt=BEYOND), name="payment_is_a_number"),
            models.CheckConstraint(
                condition=~Q(external_id="") & ~Q(provider=""), name="payment_has_reference"
            ),
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["-received_at", "-id"], name="payment_newest"),
        ]
        permissions = [("record_payment", "Can record payments by hand")]

    def __str__(self) -> str:
        return str(self.number)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)
