"""What products cost in a channel: prices over time, their floors, and changes that wait.

Prices are only added, and the newest that has begun is the valid one. PostgreSQL lets none in that
moves too far or lies under the floor, unless a person agreed to exactly that change.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import BEYOND, Money
from inventory.models import Sku
from orders.models.channels import Channel


def _price() -> models.DecimalField[Decimal, Decimal]:
    return models.DecimalField(max_digits=19, decimal_places=4)


class ExchangeRate(models.Model):
    """What one unit of a currency is worth in another, as of a day. Append-only."""

    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=18, decimal_places=8)
    on_date = models.DateField("of")
    source = models.CharField(max_length=80)
    noted_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(rate__gt=0, base__regex="^[A-Z]{3}$", quote__regex="^[A-Z]{3}$")
                & ~Q(base=models.F("quote")),
                name="rate_between_two_currencies",
            ),
            models.CheckConstraint(condition=Q(rate__lt=BEYOND), name="rate_is_a_number"),
        ]
        indexes = [
            models.Index(fields=["base", "quote", "-on_date", "-id"], name="rate_newest"),
        ]

    def __str__(self) -> str:
        return f"1 {self.base} = {self.rate.normalize():f} {self.quote} of {self.on_date:%d %b %Y}"


class PriceFloor(models.Model):
    """The least a product may cost in a channel. Append-only: the newest counts."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+", db_index=False)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=3)
    # None: what a unit costs us is the floor again.
    amount = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    why = models.CharField(max_length=300)
    set_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__isnull=True) | Q(amount__gte=0), name="floor_not_negative"
            ),
            models.CheckConstraint(condition=Q(amount__lt=BEYOND), name="floor_is_a_number"),
        ]
        indexes = [
            models.Index(fields=["sku", "channel", "currency", "-id"], name="floor_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class PriceOrigin(models.TextChoices):
    HAND = "hand", "By hand"
    FILE = "file", "From a file"
    RULE = "rule", "By a rule"
    RATE = "rate", "Follows another channel"


class PriceChange(models.Model):
    """A price that waits for a person. Written by functions of the database's owner alone."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waits"
        AGREED = "agreed", "Agreed"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        REPLACED = "replaced", "Asked anew"

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="price_changes")
    currency = models.CharField(max_length=3)
    amount = _price()
    # From when. None: from when it is agreed.
    starts_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    # The price when it was asked. None: there was none.
    was = models.ForeignKey(
        "Price", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # By how many percent it moves, the widest of what it was held against. None: no price before.
    variance = models.DecimalField(max_digits=12, decimal_places=1, null=True)
    limit = models.SmallIntegerField()
    floor = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    floor_from = models.CharField(max_length=10, blank=True)
    over_variance = models.BooleanField()
    under_floor = models.BooleanField()
    origin = models.CharField(max_length=8, choices=PriceOrigin)
    rate = models.ForeignKey(
        ExchangeRate, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    why = models.CharField(max_length=300, blank=True)
    asked_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    # None: a rule asked.
    asked_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_label = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=300, blank=True)

    # Whether it waits since just now: services tell of it once.
    is_fresh: bool = False

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sku", "channel", "currency"],
                condition=Q(state="waiting"),
                name="price_change_waits_once",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="price_change_above_zero"),
            models.CheckConstraint(condition=Q(amount__lt=BEYOND), name="price_change_is_a_number"),
            # Not even the owner's functions let one person do both.
            models.CheckConstraint(
                condition=~Q(state="agreed")
                | Q(decided_by__isnull=False)
                & (Q(asked_by__isnull=True) | ~Q(asked_by=models.F("decided_by"))),
                name="price_agreed_by_another",
            ),
        ]
        indexes = [
            models.Index(fields=["-asked_at", "-id"], name="price_change_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.sku}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def was_money(self) -> Money | None:
        return None if self.was is None else self.was.money

    @property
    def floor_money(self) -> Money | None:
        return None if self.floor is None else Money(self.floor, self.currency)

    @property
    def is_waiting(self) -> bool:
        return self.state == self.State.WAITING


class Price(models.Model):
    """What one unit costs in a channel from a moment on. Append-only."""

    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+", db_index=False)
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="prices", db_index=False)
    currency = models.CharField(max_length=3)
    amount = _price()
    # The price before it, kept by PostgreSQL. None: it is the first.
    was = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    starts_at = models.DateTimeField()
    # The agreed change that let it in. None: it is within bounds by itself.
    change = models.OneToOneField(
        PriceChange, null=True, on_delete=models.PROTECT, related_name="price"
    )
    origin = models.CharField(max_length=8, choices=PriceOrigin)
    # With which rate it follows the price of another channel.
    rate = models.ForeignKey(
        ExchangeRate, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    why = models.CharField(max_length=300, blank=True)
    set_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="price_above_zero"),
            models.CheckConstraint(condition=Q(amount__lt=BEYOND), name="price_is_a_number"),
        ]
        indexes = [
            # The price that is valid at a moment.
            models.Index(
                fields=["sku", "channel", "currency", "-starts_at", "-id"], name="price_valid"
            ),
            models.Index(fields=["channel", "sku"], name="price_of_channel"),
        ]
        permissions = [
            ("agree_price", "Can agree to prices that wait"),
            ("guard_price", "Can set price floors and how far prices may move"),
        ]

    def __str__(self) -> str:
        return f"{self.sku}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def was_money(self) -> Money | None:
        return None if self.was is None else Money(self.was, self.currency)
