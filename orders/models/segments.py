"""Groups of customers by a saved condition, and who is in them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from orders.models.customers import Customer


class Segment(models.Model):
    """Customers for whom a condition is true: a rule's condition tree over the facts of one."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=80, unique=True)
    about = models.CharField("what it is for", max_length=200, blank=True, default="")
    condition = models.JSONField()
    is_active = models.BooleanField("kept up to date", default=True)
    # How many are in it, and as of when; None until it was first worked out.
    size = models.IntegerField(default=0)
    refreshed_at = models.DateTimeField(null=True)
    # Why it can't be worked out any more; empty while it can.
    trouble = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        db_index=False,
    )  # fmt: skip
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(size__gte=0), name="segment_size"),
        ]

    def __str__(self) -> str:
        return self.name


class SegmentMember(models.Model):
    """A customer in a segment, since when."""

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="members", db_index=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="segments")
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["segment", "customer"], name="segmentmember_once"),
        ]

    def __str__(self) -> str:
        return f"{self.customer} in {self.segment}"
