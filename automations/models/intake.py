"""What systems outside send us: the sources, their secrets, how they are read, and the inbox.

A delivery is stored once, by its source and its own id, before anyone says "received". What it
said never changes; only how far it has come does.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords


class IntakeSource(models.Model):
    """One sender of webhooks. Its key ends the address it sends to, and never changes."""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    about = models.TextField("what it is for", blank=True)
    # How it signs (automations.intake.signatures), and where its own way differs: the header, and
    # what stands there before the signature.
    scheme = models.CharField(max_length=20)
    header = models.CharField(max_length=60, blank=True)
    lead = models.CharField(max_length=40, blank=True)
    # Where the delivery's own id and its topic stand: `header:X-Topic` or `body:data.type`.
    id_at = models.CharField(max_length=200, blank=True)
    topic_at = models.CharField(max_length=200, blank=True)
    # How far a signed time may be from ours.
    tolerance_seconds = models.IntegerField(default=300)
    is_open = models.BooleanField(default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    version = models.IntegerField(default=1)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            # A signed time that is never too old could be sent again for ever.
            models.CheckConstraint(
                condition=Q(tolerance_seconds__gte=30, tolerance_seconds__lte=3600),
                name="intakesource_tolerance",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class IntakeSecret(models.Model):
    """One signing secret of a source, sealed. All that have not ended are accepted."""

    source = models.ForeignKey(IntakeSource, on_delete=models.PROTECT, related_name="secrets")
    sealed = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    # None: it is accepted until someone ends it.
    ends_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ended_by__isnull=False),
                name="intakesecret_ended_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"secret {self.pk} of source {self.source_id}"


class IntakeRoute(models.Model):
    """What a source's deliveries of one topic feed, and where their values stand."""

    source = models.ForeignKey(IntakeSource, on_delete=models.PROTECT, related_name="routes")
    # Empty: every topic without a route of its own.
    topic = models.CharField(max_length=120, blank=True)
    # The key of the trigger that it feeds.
    feed = models.CharField(max_length=80)
    # By field of the report: where it stands (automations.intake.mapping).
    mapping = models.JSONField(default=dict)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    changed_at = models.DateTimeField(auto_now=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            # Two ways to read the same delivery would start rules twice.
            models.UniqueConstraint(fields=["source", "topic"], name="intakeroute_topic_once"),
        ]

    def __str__(self) -> str:
        return self.topic or "every other topic"


class Delivery(models.Model):
    """One webhook that was received. The raw body is kept as it was signed."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        TAKEN = "taken", "Taken"
        QUARANTINED = "quarantined", "In quarantine"
        OVERTAKEN = "overtaken", "Overtaken"
        UNREAD = "unread", "Not read"
        DROPPED = "dropped", "Put away"

    source = models.ForeignKey(
        IntakeSource, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    # Of the sender: unique, so that a delivery that is sent again is stored once.
    external_id = models.CharField(max_length=200)
    topic = models.CharField(max_length=120, blank=True)
    # None: it was let go after its time.
    body = models.BinaryField(null=True)
    sha256 = models.CharField(max_length=64)
    # Whether the signature covers the id; where it doesn't, the same content under another id is
    # a repeat as well.
    is_id_signed = models.BooleanField()
    secret_id = models.BigIntegerField()
    received_at = models.DateTimeField(db_default=Now())
    state = models.CharField(
        max_length=12, choices=State, default=State.WAITING, db_default="waiting"
    )
    # When it may be taken; later than received where what it is about is not there yet.
    due_at = models.DateTimeField(db_default=Now())
    tries = models.SmallIntegerField(default=0, db_default=0)
    # How often a person had it read again.
    replays = models.SmallIntegerField(default=0, db_default=0)
    taken_at = models.DateTimeField(null=True)
    # Why it started nothing.
    says = models.TextField(blank=True, default="", db_default="")
    cause = models.CharField(max_length=300, blank=True, default="", db_default="")
    # What it became.
    feed = models.CharField(max_length=80, blank=True, default="", db_default="")
    event_id = models.BigIntegerField(null=True)
    subject = models.CharField(max_length=60, blank=True, default="", db_default="")
    subject_id = models.BigIntegerField(null=True)
    # Rules act on it, and what it said never changes.
    version = models.IntegerField(default=1, db_default=1)

    class Meta:
        verbose_name_plural = "deliveries"
        permissions = [("replay_delivery", "Can have deliveries read again or put away")]
        constraints = [
            # The sender tries again until it hears from us.
            models.UniqueConstraint(fields=["source", "external_id"], name="delivery_once"),
            # Where the id is not signed, anyone who saw a body could send it under a new one.
            models.UniqueConstraint(
                fields=["source", "topic", "sha256"],
                name="delivery_content_once",
                condition=Q(is_id_signed=False),
            ),
        ]
        indexes = [
            # What is to be taken, oldest first.
            models.Index(fields=["id"], name="delivery_waiting", condition=Q(state="waiting")),
            # The inbox by source, and a source's latest.
            models.Index(fields=["source", "-id"], name="delivery_of_source"),
            # What needs people, newest first.
            models.Index(
                fields=["-id"], name="delivery_quarantined", condition=Q(state="quarantined")
            ),
            # What is old enough to be let go: rows come in the order of time.
            BrinIndex(fields=["received_at"], name="delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class Newest(models.Model):
    """When the newest report about one record was made, of those that were taken."""

    pk = models.CompositePrimaryKey("source", "topic", "reference")
    source = models.ForeignKey(
        IntakeSource, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    topic = models.CharField(max_length=120)
    reference = models.CharField(max_length=200)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.topic} {self.reference}"
