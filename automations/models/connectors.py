"""Systems outside: the account that is called, its secrets, its state, and each call.

What an account may do stands in its scope, a document of the kind "connector" under the account's
key: approved like a rule.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

# Documents and activations of a scope have this kind, and the account's key.
SCOPE = "connector"


class ConnectorAccount(models.Model):
    """One account at one system outside. Its key is the lane of the runs that call it."""

    key = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    # Which kind of connector speaks to it (automations.connectors.kinds).
    kind = models.CharField(max_length=60)
    about = models.TextField("what it is for", blank=True)
    # Who is told when it is down.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # Begins each reference that the other side sees, so that two companies never share one.
    prefix = models.CharField(max_length=12, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    version = models.IntegerField(default=1)
    history = HistoricalRecords()

    class Meta:
        permissions = [
            ("use_connectoraccount", "Can let rules call connectors"),
            ("submit_scope", "Can submit a connector's scope for approval"),
            ("tighten_scope", "Can tighten a connector's scope"),
        ]

    def __str__(self) -> str:
        return self.name


class ConnectorState(models.Model):
    """How an account is doing: its breaker, its bucket of tokens. Locked by whoever takes calls."""

    class Breaker(models.TextChoices):
        CLOSED = "closed", "Up"
        OPEN = "open", "Down"
        HALF_OPEN = "half_open", "Being tried"

    account = models.OneToOneField(
        ConnectorAccount, primary_key=True, on_delete=models.CASCADE, related_name="state"
    )
    breaker = models.CharField(
        max_length=10, choices=Breaker, default=Breaker.CLOSED, db_default="closed"
    )
    # Failures in a row, and the last outcomes, newest last: 1 it answered, 0 it failed.
    failures = models.IntegerField(default=0, db_default=0)
    recent = models.CharField(max_length=20, blank=True, default="", db_default="")
    opened_at = models.DateTimeField(null=True)
    # When one call may try whether it is up again.
    probe_at = models.DateTimeField(null=True)
    # None: the bucket is full.
    tokens = models.FloatField(null=True)
    tokens_at = models.DateTimeField(null=True)
    # The other side asked not to be called before (429 with Retry-After).
    not_before = models.DateTimeField(null=True)
    throttled = models.IntegerField("refusals for the rate in a row", default=0, db_default=0)
    # Until when parked runs were let go on last.
    drained_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    last_error_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.account_id}: {self.breaker}"


class Secret(models.Model):
    """One secret of an account, sealed. The newest that is not retired is used.

    The key ring is outside the database (SECRETS_KEYS); the screens never show it again.
    """

    account = models.ForeignKey(ConnectorAccount, on_delete=models.PROTECT, related_name="secrets")
    name = models.CharField(max_length=40)
    sealed = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    retired_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(retired_at=None) | models.Q(retired_by__isnull=False),
                name="secret_retired_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.account_id}"


class StagingMark(models.Model):
    """A person's word that an account of a sandbox reaches no live system. Ended, never changed.

    `seal` binds it to this installation and to what the account calls now (connectors.staging), so
    that a row which was copied here, or is older than the scope or a secret, says nothing.
    """

    account = models.ForeignKey(
        ConnectorAccount, on_delete=models.PROTECT, related_name="marks", db_index=False
    )
    seal = models.CharField(max_length=64)
    marked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    marked_at = models.DateTimeField(db_default=Now())
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("mark_staging", "Can say that a connector of a sandbox is staging")]
        constraints = [
            # One mark at a time; who looks at each call reads it by this.
            models.UniqueConstraint(
                fields=["account"], name="stagingmark_once", condition=models.Q(ended_at=None)
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_by__isnull=False),
                name="stagingmark_ended_by_someone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} marked {self.marked_at}"


class CallLog(models.Model):
    """One call of a system outside, and which secret it used. Append-only.

    Excerpts hold what the scope allows to be kept, never a secret, a whole body or a person's data.
    """

    class Purpose(models.TextChoices):
        CALL = "call", "Step of a run"
        LOOK_UP = "look_up", "Look-up"
        PROBE = "probe", "Is it up again?"

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        LATER = "later", "To be tried again"
        THROTTLED = "throttled", "Too many calls"
        DOWN = "down", "Not reached"
        DOUBT = "doubt", "In doubt"
        BUG = "bug", "Broken"
        NOT_SENT = "not_sent", "Not sent"
        CAUGHT = "caught", "Caught"
        FOUND = "found", "Found"
        ABSENT = "absent", "Not there"
        UNKNOWN = "unknown", "Can't be told"

    account = models.ForeignKey(
        ConnectorAccount, on_delete=models.PROTECT, related_name="calls", db_index=False
    )
    purpose = models.CharField(max_length=10, choices=Purpose)
    run_id = models.BigIntegerField(null=True)
    # The effect's key; empty for a probe.
    effect = models.CharField(max_length=200, blank=True)
    method = models.CharField(max_length=10)
    host = models.CharField(max_length=255)
    path = models.CharField(max_length=2000, blank=True)
    status = models.SmallIntegerField(null=True)
    took_ms = models.IntegerField()
    sent = models.BooleanField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    # It came after the lease had ended: nothing was changed by it.
    late = models.BooleanField(default=False)
    says = models.TextField(blank=True)
    request = models.JSONField(null=True)
    response = models.JSONField(null=True)
    secret_id = models.BigIntegerField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # An account's calls, newest first.
            models.Index(fields=["account", "-id"], name="calllog_of_account"),
            # How many calls the last day had: rows come in the order of time.
            BrinIndex(fields=["at"], name="calllog_by_time"),
            # A case shows the calls of its run.
            models.Index(
                fields=["run_id"], name="calllog_of_run", condition=models.Q(run_id__isnull=False)
            ),
            # When each secret was used last.
            models.Index(
                fields=["secret_id", "-id"],
                name="calllog_of_secret",
                condition=models.Q(secret_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.host}{self.path}"
