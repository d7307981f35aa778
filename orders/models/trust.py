"""What makes an order suspicious: signals, marks to tell buyers by, the blocklist, assessments."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from backoffice.models import ACTOR_KINDS, User
from orders.models.orders import Order


class MarkKind(models.TextChoices):
    """By what a buyer is known again."""

    MAIL = "mail", "Mail address"
    ADDRESS = "address", "Delivery address"
    PHONE = "phone", "Phone number"
    CARD = "card", "Card fingerprint"
    IP = "ip", "IP address"


class RiskSignal(models.Model):
    """One thing to look for in new orders, and what follows from it."""

    class Kind(models.TextChoices):
        MISMATCH = "mismatch", "Billed to one country, shipped to another"
        REGION = "region", "Billed or shipped to a country of a list"
        VELOCITY = "velocity", "Many orders with the same mark in a short time"
        BLOCKLIST = "blocklist", "A mark stands on the blocklist"

    class Mode(models.TextChoices):
        OFF = "off", "Off"
        MONITOR = "monitor", "Monitor: only note it"
        REVIEW = "review", "Review: hold the order for a person"
        BLOCK = "block", "Block: hold the order as blocked"

    key = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind)
    # A new signal is watched before it holds anything.
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.MONITOR)
    weight = models.SmallIntegerField(default=10)
    # Of velocity alone: which mark, and how many orders within how many minutes are too many.
    mark = models.CharField(max_length=8, choices=MarkKind, blank=True, default="")
    orders = models.SmallIntegerField(null=True, blank=True)
    minutes = models.IntegerField(null=True, blank=True)
    # Of region alone.
    countries = ArrayField(models.CharField(max_length=2), default=list, blank=True)
    # One of finance wants it looser (the fields as they would be), until another agrees.
    wanted = models.JSONField(null=True, editable=False)
    wanted_why = models.TextField(blank=True, default="", db_default="", editable=False)
    wanted_by = models.ForeignKey(
        User,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["version", "wanted", "wanted_why", "wanted_by"])

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(weight__gte=0, weight__lte=100), name="risksignal_weight"
            ),
            models.CheckConstraint(
                condition=Q(kind="velocity", orders__gte=2, minutes__gte=1) & ~Q(mark="")
                | ~Q(kind="velocity") & Q(orders__isnull=True, minutes__isnull=True, mark=""),
                name="risksignal_velocity_says_how_many",
            ),
            models.CheckConstraint(
                condition=Q(kind="region", countries__len__gt=0)
                | ~Q(kind="region") & Q(countries=[]),
                name="risksignal_region_names_countries",
            ),
        ]
        permissions = [("loosen_risksignal", "Can make fraud screening let more orders through")]

    def __str__(self) -> str:
        return self.name


class OrderMark(models.Model):
    """One mark of an order's buyer, in one spelling. Personal data: it stays in this row."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="marks")
    kind = models.CharField(max_length=8, choices=MarkKind)
    value = models.CharField(max_length=320)
    placed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "kind"], name="ordermark_once"),
        ]
        indexes = [
            # Velocity: how many orders had this mark lately.
            models.Index(fields=["kind", "value", "placed_at"], name="ordermark_seen"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of order {self.order_id}"


class BlockEntry(models.Model):
    """A mark whose orders are suspect, until a day or until somebody takes it off."""

    kind = models.CharField(max_length=8, choices=MarkKind)
    # In the spelling of marks. Personal data: it stays in this row.
    value = models.CharField(max_length=320)
    reason = models.CharField(max_length=300)
    # None: until somebody takes it off.
    until = models.DateTimeField(null=True, blank=True)
    added_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=200, blank=True, default="")
    end_reason = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "value"],
                condition=Q(ended_at__isnull=True),
                name="blockentry_open_once",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, end_reason="")
                | Q(ended_at__isnull=False) & ~Q(end_reason=""),
                name="blockentry_end_has_reason",
            ),
        ]
        permissions = [("edit_blocklist", "Can put marks on the blocklist and take them off")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"


class RiskAssessment(models.Model):
    """What the signals said of an order, once; what they were then stays in it."""

    class Outcome(models.TextChoices):
        CLEAR = "clear", "Clear"
        REVIEW = "review", "To be reviewed"
        BLOCKED = "blocked", "Blocked"

    class Verdict(models.TextChoices):
        CLEARED = "cleared", "No fraud"
        CONFIRMED = "confirmed", "Fraud"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="assessments")
    # The newest of the order.
    is_current = models.BooleanField(default=True)
    outcome = models.CharField(max_length=8, choices=Outcome)
    # The weights of the signals that fired, without those only monitored.
    score = models.IntegerField()
    # One row per signal: key, name, mode, weight, fired, and what was seen, without personal data.
    findings = models.JSONField(default=list)
    assessed_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    # What people made of it last; blank where nobody has decided.
    verdict = models.CharField(max_length=9, choices=Verdict, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=Q(is_current=True), name="assessment_one_current"
            ),
            models.CheckConstraint(condition=Q(score__gte=0), name="assessment_score"),
        ]
        indexes = [
            # How often each signal was right, and how often it fires.
            models.Index(
                fields=["assessed_at"], condition=~Q(verdict=""), name="assessment_judged"
            ),
            models.Index(fields=["assessed_at"], name="assessment_when"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}, score {self.score}"

    @property
    def fired(self) -> list[dict[str, object]]:
        """The signals that fired, those that hold orders first, then by weight."""
        rows = [row for row in self.findings if row["fired"]]
        return sorted(rows, key=lambda row: (row["mode"] == "monitor", -row["weight"], row["name"]))
