"""Carts: what somebody meant to buy, until they do or do not."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.money import Money
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order


class Cart(models.Model):
    """One cart of a shop, as it told of it last. Amounts are in the channel's currency."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ABANDONED = "abandoned", "Abandoned"
        CONVERTED = "converted", "Ordered"
        EXPIRED = "expired", "Expired"

    # Those that may still become an order.
    LIVE = (State.OPEN, State.ABANDONED)

    number = models.CharField(max_length=40, unique=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    # The shop's own id.
    external_id = models.CharField(max_length=80)
    # None: nobody we know, or several with this mail.
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="carts"
    )
    # Without case and without what stands after a plus, as marks are; empty where nobody said.
    mail = models.CharField(max_length=320, blank=True, default="")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    currency = models.CharField(max_length=3)
    total = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))
    units = models.IntegerField(default=0)
    line_count = models.IntegerField(default=0)
    # When it began, and when somebody did something to it last, by the shop's clock.
    opened_at = models.DateTimeField()
    active_at = models.DateTimeField()
    abandoned_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # The order that made it come true, whatever way it came.
    order = models.ForeignKey(
        Order, null=True, on_delete=models.PROTECT, related_name="carts", db_index=False
    )
    # When the shop told of it last.
    received_at = models.DateTimeField(db_default=Now())
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "external_id"], name="cart_of_channel"),
            models.CheckConstraint(
                condition=Q(state="converted", order__isnull=False)
                | ~Q(state="converted") & Q(order__isnull=True),
                name="cart_converted_by_an_order",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "abandoned"], ended_at__isnull=True)
                | Q(state__in=["converted", "expired"], ended_at__isnull=False),
                name="cart_ended_with_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="abandoned") | Q(abandoned_at__isnull=False),
                name="cart_abandoned_with_time",
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="cart_total"),
        ]
        indexes = [
            # Who orders: which carts that ends.
            models.Index(
                fields=["customer"],
                condition=Q(state__in=["open", "abandoned"]),
                name="cart_live_of_customer",
            ),
            models.Index(
                fields=["mail"],
                condition=Q(state__in=["open", "abandoned"]) & ~Q(mail=""),
                name="cart_live_of_mail",
            ),
            # The sweep.
            models.Index(
                fields=["channel", "active_at"],
                condition=Q(state__in=["open", "abandoned"]),
                name="cart_idle",
            ),
            models.Index(fields=["-active_at", "-id"], name="cart_newest"),
            models.Index(fields=["order"], condition=Q(order__isnull=False), name="cart_order"),
        ]
        permissions = [("receive_cart", "Can bring carts in from a file")]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        return Money(self.total, self.currency)

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE


class CartLine(models.Model):
    """One line of a cart; replaced with the cart."""

    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="lines")
    position = models.IntegerField()
    # None: the shop sells something that we do not know.
    sku = models.ForeignKey(Sku, null=True, on_delete=models.PROTECT, related_name="+")
    # What the shop calls it.
    code = models.CharField(max_length=60, blank=True)
    description = models.CharField(max_length=200, blank=True)
    quantity = models.IntegerField()
    unit_price = models.DecimalField(max_digits=19, decimal_places=4)
    line_total = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, unit_price__gte=0), name="cart_line_amounts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.description or self.code}"
