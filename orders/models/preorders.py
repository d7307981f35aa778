"""What a channel sells before its stock has come, and the orders that wait for it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Concat, Now

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import Money
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.orders import Order, OrderLine


class PreOrder(models.Model):
    """One SKU that one channel sells ahead, from its opening until it is closed.

    `sold` is counted by PostgreSQL from its lines (migration 0100).
    """

    class Billing(models.TextChoices):
        ORDER = "order", "When ordered"
        FULFILMENT = "fulfilment", "When its stock has come"

    class Reserve(models.TextChoices):
        SALE = "sale", "As soon as stock comes"
        FULFILMENT = "fulfilment", "On the promised day"

    number = models.GeneratedField(
        expression=Concat(Value("PRE-"), Cast("id", models.CharField())),
        output_field=models.CharField(max_length=30),
        db_persist=True,
    )
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="preorders")
    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+")
    billing = models.CharField("is paid", max_length=10, choices=Billing)
    # When its waiting orders get their units set aside.
    reserve = models.CharField("is set aside", max_length=10, choices=Reserve)
    # None: nobody knows yet.
    promised_on = models.DateField("promised for", null=True, blank=True)
    # Units that may be sold in all. None: no limit.
    cap = models.IntegerField("at most", null=True, blank=True)
    sold = models.IntegerField(default=0)
    opened_at = models.DateTimeField(db_default=Now())
    # Since then nothing more of it is sold ahead; what was sold still waits.
    closed_at = models.DateTimeField(null=True, blank=True)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="preorder_number_once"),
            models.UniqueConstraint(
                fields=["channel", "sku"],
                condition=Q(closed_at__isnull=True),
                name="preorder_open_once",
            ),
            models.CheckConstraint(
                condition=Q(cap__isnull=True) | Q(cap__gt=0), name="preorder_cap_above_zero"
            ),
            # The last guard against selling more than will come.
            models.CheckConstraint(
                condition=Q(sold__gte=0) & (Q(cap__isnull=True) | Q(sold__lte=F("cap"))),
                name="preorder_sold_within_cap",
            ),
        ]
        permissions = [("run_preorder", "Can set pre-orders up and move their dates")]

    def __str__(self) -> str:
        return str(self.number)

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


class PreOrderLine(models.Model):
    """An order line that was sold ahead: what was promised, and how far it is."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for stock"
        RELEASED = "released", "Its stock has come"
        CANCELLED = "cancelled", "Cancelled"

    preorder = models.ForeignKey(PreOrder, on_delete=models.PROTECT, related_name="lines")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="preorder_lines")
    order_line = models.OneToOneField(
        OrderLine, on_delete=models.PROTECT, related_name="preorder_line"
    )
    units = models.IntegerField()
    # As it was agreed at the sale.
    billing = models.CharField(max_length=10, choices=PreOrder.Billing)
    # What the customer was told at the sale, and last. None: not known.
    first_promised_on = models.DateField(null=True, blank=True)
    promised_on = models.DateField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    ended_at = models.DateTimeField(null=True, blank=True)
    # What was asked for when its stock came, for what was not to be paid before; asked for once.
    asked_amount = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(units__gt=0), name="preorderline_units"),
            models.CheckConstraint(
                condition=Q(state="waiting", ended_at__isnull=True)
                | ~Q(state="waiting") & Q(ended_at__isnull=False),
                name="preorderline_ended_with_time",
            ),
            # Nothing is asked for before the stock has come.
            models.CheckConstraint(
                condition=Q(asked_amount__isnull=True, asked_at__isnull=True)
                | Q(asked_amount__gt=0, asked_at__isnull=False) & ~Q(state="waiting"),
                name="preorderline_asked_when_released",
            ),
        ]
        indexes = [
            models.Index(
                fields=["preorder", "order"],
                condition=Q(state="waiting"),
                name="preorderline_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.units} sold ahead"

    @property
    def asked(self) -> Money | None:
        """What was asked for when its stock came; None when nothing was."""
        if self.asked_amount is None:
            return None
        return Money(self.asked_amount, self.order.currency)


class PreOrderMove(models.Model):
    """One change of a promised day. Append-only."""

    preorder = models.ForeignKey(PreOrder, on_delete=models.PROTECT, related_name="moves")
    # 1 is the first move of its pre-order.
    step = models.IntegerField()
    before = models.DateField(null=True)
    after = models.DateField(null=True)
    why = models.CharField(max_length=300)
    moved_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["preorder", "step"], name="preordermove_step_once"),
        ]

    def __str__(self) -> str:
        return f"Move {self.step}"


class PreOrderNotice(models.Model):
    """That one order was to be told of one move: once. Append-only."""

    move = models.ForeignKey(PreOrderMove, on_delete=models.PROTECT, related_name="notices")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="preorder_notices")
    was_on = models.DateField(null=True)
    now_on = models.DateField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["move", "order"], name="preordernotice_once"),
        ]

    def __str__(self) -> str:
        return f"Notice of move {self.move_id}"
