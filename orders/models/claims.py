"""What customers complain of after the sale. Apart from returns: nothing need come back."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import Money
from orders.models.orders import Order, OrderLine


class Claim(models.Model):
    """A complaint about lines of an order, until it is made good or refused. Never deleted."""

    class Reason(models.TextChoices):
        DAMAGED = "damaged", "Arrived damaged"
        LATE = "late", "Arrived late"
        WRONG_ITEM = "wrong_item", "Wrong item"
        WRONG_MESSAGE = "wrong_message", "Wrong message"
        LOST = "lost", "Lost on the way"
        OTHER = "other", "Other"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESHIPPED = "reshipped", "Sent again"
        REFUNDED = "refunded", "Refund asked for"
        REFUSED = "refused", "Refused"

    number = models.CharField(max_length=40, unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="claims")
    reason = models.CharField(max_length=14, choices=Reason)
    # What the customer says and shows: free text, so it never leaves this table.
    evidence = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    currency = models.CharField(max_length=3)
    # What the units cost at the sale, tax included.
    amount = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))
    units = models.IntegerField(default=0)
    # The order that makes it good, where it was sent again.
    reship = models.OneToOneField(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="makes_good"
    )
    opened_at = models.DateTimeField()
    # By when the customer hears from us.
    answer_by = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True, default="")
    decision_note = models.TextField(blank=True, default="")
    # One per intent, so that a repeat opens it once; blank when nobody named one.
    key = models.CharField(max_length=120, blank=True, default="")
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="claim_key_once"),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True)
                | ~Q(state="open") & Q(decided_at__isnull=False),
                name="claim_decided_with_time",
            ),
            models.CheckConstraint(
                condition=Q(state="reshipped", reship__isnull=False)
                | ~Q(state="reshipped") & Q(reship__isnull=True),
                name="claim_reshipped_by_an_order",
            ),
            models.CheckConstraint(
                condition=Q(reship__isnull=True) | ~Q(reship=F("order")),
                name="claim_reship_is_another_order",
            ),
        ]
        indexes = [
            # The list, and the figures of a span of days.
            models.Index(fields=["-opened_at", "-id"], name="claim_newest"),
            # Who waits for an answer, the first one first.
            models.Index(fields=["answer_by"], condition=Q(state="open"), name="claim_open"),
        ]
        permissions = [("decide_claim", "Can send claimed goods again and refuse claims")]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class ClaimLine(models.Model):
    """So many units of an order's line that a claim is about."""

    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="lines")
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="claim_lines")
    quantity = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "order_line"], name="claim_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="claim_line_quantity"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.order_line.description}"


class OperationsBaseline(models.Model):
    """Figures of a span of days as they were when somebody kept them, to hold later ones against.

    Counts, and one span in seconds; rates are worked out from them. Append-only.
    """

    # None: all channels.
    channel = models.ForeignKey(
        "orders.Channel", null=True, on_delete=models.PROTECT, related_name="+"
    )
    since = models.DateField()
    until = models.DateField()
    shipped = models.IntegerField()
    # Median from payment to the first dispatch; None where nothing left.
    processing_seconds = models.BigIntegerField(null=True)
    touchless = models.IntegerField()
    wrong_items = models.IntegerField()
    wrong_messages = models.IntegerField()
    due = models.IntegerField()
    missed = models.IntegerField()
    taken_at = models.DateTimeField()
    taken_by = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(until__gte=F("since")), name="baseline_span"),
        ]
        permissions = [("take_baseline", "Can keep figures as a baseline")]

    def __str__(self) -> str:
        return f"{self.since} to {self.until}"
