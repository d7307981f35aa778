"""Reviews: what a person must decide about an order before it goes on."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import ACTOR_KINDS, User
from orders.models.holds import Hold
from orders.models.orders import Order


class Review(models.Model):
    """One doubt about an order, from the moment it is raised until it is settled."""

    class Kind(models.TextChoices):
        FRAUD = "fraud", "Possible fraud"
        ADDRESS = "address", "Address"
        DUPLICATE = "duplicate", "Possible duplicate"
        CREDIT = "credit", "Over the credit limit"
        PRICE = "price", "Price out of bounds"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        PASSED = "passed", "Goes on"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "No longer needed"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="reviews")
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    # What was found, by kind; of an address the original and the proposal.
    found = models.JSONField(default=dict)
    opened_at = models.DateTimeField(db_default=Now())
    # Unanswered by then, it is brought before people once more.
    due_at = models.DateTimeField()
    escalated_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    # How it was settled, in a word such as accepted, kept or edited.
    how = models.CharField(max_length=12, blank=True, default="")
    decided_by = models.CharField(max_length=200, blank=True, default="")
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind"],
                condition=Q(state="open"),
                name="review_open_once_per_kind",
            ),
            models.CheckConstraint(
                condition=Q(state="open", settled_at__isnull=True)
                | ~Q(state="open") & Q(settled_at__isnull=False),
                name="review_settled_has_time",
            ),
        ]
        indexes = [
            # The queue, and the sweep for what nobody answered.
            models.Index(fields=["due_at", "id"], condition=Q(state="open"), name="review_queue"),
            models.Index(fields=["-opened_at", "-id"], name="review_newest"),
        ]
        permissions = [
            ("decide_review", "Can decide about suspicious orders, addresses and duplicates"),
            ("approve_credit", "Can approve orders over a credit limit"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: order {self.order}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN


# The hold that keeps an order back while its review is open.
HOLD_FOR = {
    Review.Kind.FRAUD: Hold.Reason.FRAUD,
    Review.Kind.ADDRESS: Hold.Reason.ADDRESS,
    Review.Kind.DUPLICATE: Hold.Reason.DUPLICATE,
    Review.Kind.CREDIT: Hold.Reason.APPROVAL,
    Review.Kind.PRICE: Hold.Reason.PRICE_CHECK,
}
# These holds end by a verdict alone; PostgreSQL refuses every other way.
BY_VERDICT_ALONE = (Review.Kind.FRAUD, Review.Kind.CREDIT, Review.Kind.PRICE)


class ReviewDecision(models.Model):
    """What somebody decided, and why. Append-only: an overturned decision stays."""

    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=10, choices=Review.State)
    how = models.CharField(max_length=12, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")
    overturns = models.BooleanField(default=False)
    decided_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    def __str__(self) -> str:
        return self.get_verdict_display()
