"""Where what is known of an order can't be relied on: two systems disagree, or news is too old."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import User
from orders.models.orders import Order
from orders.models.packages import Package


class Conflict(models.Model):
    """Two sides that don't fit together, until a person decides. Never deleted, never undecided."""

    class Kind(models.TextChoices):
        CANCELLED = "cancelled", "Cancelled, but on its way"
        TRACKING = "tracking", "Nothing new from the carrier"
        MARKET = "market", "Nothing new from the marketplace"

    class Decision(models.TextChoices):
        COMES_BACK = "comes_back", "The cancellation stands: the parcel is called back"
        ARRIVES = "arrives", "The delivery stands: the customer keeps the goods"
        CHECKED = "checked", "Asked there: it still is as was told"
        GIVEN_UP = "given_up", "Nobody there knows more: go on without"
        NEWS = "news", "Newer news came"

    # What a person may decide of each kind; news that comes settles what was only too old.
    CHOICES = {
        Kind.CANCELLED: (Decision.COMES_BACK, Decision.ARRIVES),
        Kind.TRACKING: (Decision.CHECKED, Decision.GIVEN_UP),
        Kind.MARKET: (Decision.CHECKED, Decision.GIVEN_UP),
    }

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="conflicts")
    kind = models.CharField(max_length=10, choices=Kind)
    # Of what is too old: the parcel it was told of.
    package = models.ForeignKey(
        Package, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # Of a cancelled order: the parcels it is about, so that further news of them opens no other.
    package_ids = ArrayField(models.BigIntegerField(), default=list)
    # Who says what, since when.
    ours = models.CharField(max_length=200)
    ours_since = models.DateTimeField()
    theirs = models.CharField(max_length=200)
    theirs_since = models.DateTimeField()
    opened_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)
    decision = models.CharField(max_length=10, choices=Decision, blank=True, default="")
    decided_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    note = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        constraints = [
            # However often and in whatever order the two sides are told, people are asked once.
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(kind="cancelled", decided_at__isnull=True),
                name="conflict_one_open",
            ),
            # One piece of news grows old once, also after somebody decided about it.
            models.UniqueConstraint(
                fields=["package", "theirs_since"],
                condition=Q(kind="tracking"),
                name="conflict_once_of_tracking",
            ),
            models.UniqueConstraint(
                fields=["order", "theirs_since"],
                condition=Q(kind="market"),
                name="conflict_once_of_market",
            ),
            models.CheckConstraint(
                condition=Q(kind="tracking", package__isnull=False)
                | ~Q(kind="tracking") & Q(package__isnull=True),
                name="conflict_package_of_tracking",
            ),
            # A disagreement is decided by a person, as one of two sides; nothing else lets go on
            # what it keeps back.
            models.CheckConstraint(
                condition=Q(decided_at__isnull=True, decision="", decided_by__isnull=True)
                | Q(
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                    kind="cancelled",
                    decision__in=["comes_back", "arrives"],
                )
                | Q(
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                    kind__in=["tracking", "market"],
                    decision__in=["checked", "given_up"],
                )
                | Q(
                    decided_at__isnull=False,
                    decided_by__isnull=True,
                    kind__in=["tracking", "market"],
                    decision="news",
                ),
                name="conflict_decided_by_a_person",
            ),
        ]
        indexes = [
            # Newer news looks for what it settles.
            models.Index(
                fields=["order"],
                condition=Q(decided_at__isnull=True),
                name="conflict_open",
            ),
        ]
        permissions = [("decide_conflict", "Can decide between systems that disagree")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: order {self.order}"

    @property
    def also(self) -> list[Package]:
        """The parcels it is about beside the one that `theirs` tells of, which is the first."""
        others = self.package_ids[1:]
        return list(Package.objects.filter(pk__in=others).order_by("pk")) if others else []
