"""Money that is asked back, and who let it go."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Cast, Concat, Now

from backoffice.models import ACTOR_KINDS
from backoffice.money import BEYOND, Money
from finance.models.payments import Payment
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder


class Refund(models.Model):
    """A request to pay money back: one asks, somebody else of finance approves it.

    `alone`: it was within what one person may pay back, so who asked let it go.

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
        WRONG_ITEM = "wrong_item", "Wrong item"
        EXCHANGED = "exchanged", "Pays for other goods"
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
    # The goods it is for, where it is for goods that come back.
    return_order = models.ForeignKey(
        ReturnOrder, null=True, blank=True, on_delete=models.PROTECT, related_name="refunds"
    )
    # What else it is for: a complaint, or goods that leave in place of others. Of an exchange, the
    # part that pays for the new goods is paid into their order when it is approved.
    claim = models.ForeignKey(
        Claim, null=True, blank=True, on_delete=models.PROTECT, related_name="refunds"
    )
    exchange = models.ForeignKey(
        Exchange, null=True, blank=True, on_delete=models.PROTECT, related_name="refunds"
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
    alone = models.BooleanField(default=False, db_default=False)
    paid_at = models.DateTimeField(null=True)
    is_history = models.BooleanField(default=False)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="refund_number_once"),
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="refund_key_once"),
            # A claim is paid back once.
            models.UniqueConstraint(
                fields=["claim"],
                condition=Q(state__in=["requested", "approved", "paid"]),
                name="refund_one_live_of_a_claim",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(condition=Q(amount__lt=BEYOND), name="refund_is_a_number"),
            # Four eyes: nobody releases what they asked for, but within the limit.
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True)
                | Q(requested_by__isnull=True)
                | ~Q(approved_by=F("requested_by"))
                | Q(alone=True),
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
            # What one person has paid back alone within a day.
            models.Index(
                fields=["requested_by", "decided_at"],
                condition=Q(alone=True),
                name="refund_alone_lately",
            ),
        ]
        permissions = [
            ("request_refund", "Can ask for refunds"),
            ("approve_refund", "Can approve and reject refunds"),
            ("pay_small_refund", "Can pay back alone within the limit"),
        ]

    def __str__(self) -> str:
        return str(self.number)

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class RefundLine(models.Model):
    """What part of a refund is for which line, tax included. The parts come to the refund."""

    class What(models.TextChoices):
        LINE = "line", "Goods"
        SHIPPING = "shipping", "Delivery"
        OTHER = "other", "Other"

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines")
    what = models.CharField(max_length=8, choices=What)
    order_line = models.ForeignKey(
        OrderLine, null=True, on_delete=models.PROTECT, related_name="refund_lines"
    )
    # None: an amount off, for no unit in particular.
    quantity = models.IntegerField(null=True)
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    # The part of the amount that is tax, as it was charged.
    tax = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["refund", "what", "order_line"],
                name="refund_line_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BEYOND, tax__gte=0) & Q(tax__lte=F("amount")),
                name="refund_line_amounts",
            ),
            models.CheckConstraint(
                condition=Q(what="line", order_line__isnull=False)
                | ~Q(what="line") & Q(order_line__isnull=True, quantity__isnull=True),
                name="refund_line_of_a_line",
            ),
            models.CheckConstraint(
                condition=Q(quantity__isnull=True) | Q(quantity__gt=0),
                name="refund_line_quantity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_what_display()}: {self.amount}"
