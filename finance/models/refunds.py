"""Money that is asked back, and who let it go."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Concat, Now

from backoffice.models import ACTOR_KINDS
from backoffice.money import BEYOND, Money
from finance.models.payments import Payment
from orders.models.orders import Order


class Refund(models.Model):
    """A request to pay money back: one asks, somebody else of finance approves it.

    What was asked never changes; a different amount is a new request.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", "Waiting for finance"
        APPROVED = "approved", "Approved"
        PAID = "paid", "Paid back"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Reason(models.TextChoices):
        RETURNED = "returned", "Goods came back"
        CANCELLED = "cancelled", "Order cancelled"
        LOST = "lost", "Lost in the post"
        DAMAGED = "damaged", "Arrived damaged"
        LATE = "late", "Arrived too late"
        OVERPAID = "overpaid", "Paid too much"
        PRICE_ERROR = "price_error", "Wrong price"
        GOODWILL = "goodwill", "Goodwill"
        OTHER = "other", "Other"

    RELEASED = (State.APPROVED, State.PAID)

    number = models.GeneratedField(
        expression=Concat(Value("R-"), Cast("id", models.CharField())),
        output_field=models.CharField(max_length=30),
        db_persist=True,
    )
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    # None: whoever pays it out chooses which payment it goes back to.
    payment = models.ForeignKey(
        Payment, null=True, on_delete=models.PROTECT, related_name="refunds", db_index=False
    )
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=12, choices=Reason)
    # Free text of staff: it never leaves this table.
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    # One per intent, so that a repeat asks once; blank when nobody named one.
    key = models.CharField(max_length=120, blank=True)
    requested_at = models.DateTimeField(db_default=Now())
    # None: a rule's run asked, see run_id.
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    rule_id = models.BigIntegerField(null=True)
    rule_version = models.IntegerField(null=True)
    run_id = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    decision_note = models.TextField(blank=True)
    paid_at = models.DateTimeField(null=True)
    is_history = models.BooleanField(default=False)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="refund_number_once"),
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="refund_key_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(condition=Q(amount__lt=BEYOND), name="refund_is_a_number"),
            # Four eyes: nobody releases what they asked for.
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True)
                | Q(requested_by__isnull=True)
                | ~Q(approved_by=F("requested_by")),
                name="refund_approver_is_not_requester",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["approved", "paid"],
                    approved_by__isnull=False,
                    decided_at__isnull=False,
                )
                | Q(state="requested", approved_by__isnull=True, decided_at__isnull=True)
                | Q(
                    state__in=["rejected", "withdrawn"],
                    approved_by__isnull=True,
                    decided_at__isnull=False,
                ),
                name="refund_released_by_a_person",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False)
                | ~Q(state="paid") & Q(paid_at__isnull=True),
                name="refund_paid_with_time",
            ),
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["-requested_at", "-id"], name="refund_newest"),
            # Approvals: the few that wait, oldest first.
            models.Index(
                fields=["requested_at"], condition=Q(state="requested"), name="refund_waiting"
            ),
        ]
        permissions = [
            ("request_refund", "Can ask for refunds"),
            ("approve_refund", "Can approve and reject refunds"),
        ]

    def __str__(self) -> str:
        return str(self.number)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)
