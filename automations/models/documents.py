"""What can be approved, by whom it was, and what is in force.

The application role only reads these tables; the functions of migration 0002 write them.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from automations.actions import Risk
from automations.models.rules import Rule


class DocumentQuerySet(models.QuerySet["Document"]):
    def never_in_force(self) -> DocumentQuerySet:
        """Those that never acted; running in shadow is no acting."""
        acted = Activation.objects.filter(document=models.OuterRef("pk"), mode=Activation.Mode.LIVE)
        return self.filter(~models.Exists(acted))


class Document(models.Model):
    """One submitted version of something approvable. Its content never changes."""

    class State(models.TextChoices):
        SUBMITTED = "submitted", "Waiting for approval"
        CHANGES = "changes", "Changes requested"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"
        APPROVED = "approved", "Approved"

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=80)
    version = models.IntegerField()
    rule = models.ForeignKey(
        Rule, null=True, on_delete=models.PROTECT, related_name="documents", db_index=False
    )
    # Canonical text, and the hashes and contract versions it depends on: `sha256` is of all these,
    # one a line.
    text = models.TextField()
    pins = ArrayField(models.TextField(), default=list)
    sha256 = models.CharField(max_length=64)
    risk = models.CharField(max_length=10, choices=[(risk.value, risk.value) for risk in Risk])
    state = models.CharField(max_length=10, choices=State, default=State.SUBMITTED)
    why = models.TextField(blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    submitted_at = models.DateTimeField(db_default=Now())
    decided_at = models.DateTimeField(null=True)
    draft_revision = models.IntegerField(null=True)
    # The version in force that its owner changed a value of, inside the range that was approved
    # with it. None: it needs an approval of its own.
    tuned_from = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        permissions = [("approve_document", "Can approve what others submitted")]
        constraints = [
            models.UniqueConstraint(fields=["kind", "key", "version"], name="document_version"),
        ]
        indexes = [
            # The approval queue.
            models.Index(
                fields=["submitted_at"],
                name="document_waiting",
                condition=models.Q(state="submitted"),
            ),
            # A rule's history, newest first.
            models.Index(fields=["rule", "-version"], name="document_of_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} v{self.version}"


class DocumentEditor(models.Model):
    """A person who edited a document before it was submitted, and so can't approve it."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="editors")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "user"], name="documenteditor_once")
        ]

    def __str__(self) -> str:
        return f"{self.document_id} by {self.user_id}"


class Approval(models.Model):
    """One person's verdict on exactly one content hash."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"
        CHANGES = "changes", "Changes requested"

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="approvals")
    sha256 = models.CharField(max_length=64)
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    role = models.CharField(max_length=20)
    verdict = models.CharField(max_length=10, choices=Verdict)
    comment = models.TextField(blank=True)
    # What the approver saw: counts, samples, hashes.
    evidence = models.JSONField(default=dict)
    # Whether it is also applied to the records that are there when it goes live.
    existing = models.BooleanField(default=False, db_default=False)
    at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.verdict} of {self.document_id}"


class ActivationQuerySet(models.QuerySet["Activation"]):
    def in_force(self) -> ActivationQuerySet:
        """What acts now."""
        return self.filter(mode=Activation.Mode.LIVE, until_at=None)

    def in_shadow(self) -> ActivationQuerySet:
        """What runs beside it now without acting."""
        return self.filter(mode=Activation.Mode.SHADOW, until_at=None)


class Activation(models.Model):
    """A period in which a document was in force. The open one acts.

    A document of a rule names the rule; any other is told by kind and key (a connector's scope).
    `shadow`: it runs beside what acts and takes no effect, so it needs no approval. `emergency`: it
    acts instead of what is live, for an hour, by the will of two.
    """

    class Mode(models.TextChoices):
        LIVE = "live", "Live"
        SHADOW = "shadow", "In shadow"
        EMERGENCY = "emergency", "In an emergency"

    rule = models.ForeignKey(Rule, null=True, on_delete=models.PROTECT, related_name="activations")
    kind = models.CharField(max_length=20, db_default="rule")
    key = models.CharField(max_length=80, db_default="")
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.LIVE, db_default="live")
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="activations")
    from_at = models.DateTimeField(db_default=Now())
    until_at = models.DateTimeField(null=True)
    # Of an emergency: it acts no longer than this, whether or not anybody has ended it.
    expires_at = models.DateTimeField(null=True)
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    # A first look: after so many runs, or from a time on, runs are parked until the reviewer has
    # seen what the version does. {"after": 20, "from": null, "reviewer": 7}; None: no first look.
    first_look = models.JSONField(null=True)
    looked_at = models.DateTimeField(null=True)
    looked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ActivationQuerySet.as_manager()

    class Meta:
        constraints = [
            # Two open periods would let two versions act on one event.
            models.UniqueConstraint(
                fields=["kind", "key", "mode"],
                name="activation_open",
                condition=models.Q(until_at=None),
            ),
            models.CheckConstraint(
                condition=models.Q(until_at=None) | models.Q(until_at__gte=models.F("from_at")),
                name="activation_ends_after_start",
            ),
            models.CheckConstraint(
                condition=models.Q(mode="emergency", expires_at__isnull=False)
                | (~models.Q(mode="emergency") & models.Q(expires_at__isnull=True)),
                name="activation_emergency_ends",
            ),
        ]
        indexes = [
            # Each effect asks whether the emergency it belongs to is over.
            models.Index(
                fields=["document"],
                name="activation_emergency",
                condition=models.Q(mode="emergency"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: document {self.document_id}"

    @property
    def is_in_force(self) -> bool:
        """Whether it acts now."""
        return self.mode == self.Mode.LIVE and self.until_at is None

    @property
    def is_in_shadow(self) -> bool:
        """Whether it runs in shadow now."""
        return self.mode == self.Mode.SHADOW and self.until_at is None


class ActionRisk(models.Model):
    """What an action risks, as its code says it; written at `migrate`, by the owner alone.

    A submission is judged by these, so that no caller can make light of what it does.
    """

    action = models.CharField(max_length=80, primary_key=True)
    risk = models.CharField(max_length=10, choices=[(risk.value, risk.value) for risk in Risk])

    def __str__(self) -> str:
        return f"{self.action}: {self.risk}"


class Epoch(models.Model):
    """One row that counts changes to what is in force, so that matchers know when to reload."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)


class Stop(models.Model):
    """A stop of a rule, of a connector (`lane`), or of all when neither is named.

    One person sets it, two lift it. The application role may add a row; only
    `automations_start_again` lifts one.
    """

    lane = models.CharField(max_length=60, blank=True, default="", db_default="")
    rule = models.ForeignKey(Rule, null=True, on_delete=models.PROTECT, related_name="stops")
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stopped_at = models.DateTimeField(db_default=Now())
    reason = models.TextField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    asked_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # A second stop of the same rule would outlive the lifting of the first.
            models.UniqueConstraint(
                fields=["rule", "lane"],
                name="stop_open",
                condition=models.Q(lifted_at=None),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(lane="") | models.Q(rule=None), name="stop_of_one_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"stop of {self.rule_id or self.lane or 'all'}"
