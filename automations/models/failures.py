"""Cases for people: failed and held runs, and what domains report."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from automations.models.rules import Rule


class Failure(models.Model):
    """One case. `kind` is "run" or the key of a domain's kind of case; `key` is unique in it."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SNOOZED = "snoozed", "Snoozed"
        RETRYING = "retrying", "Being retried"
        RESOLVED = "resolved", "Resolved"

    class Error(models.TextChoices):
        REJECTED = "rejected", "Refused"
        BUG = "bug", "Broken"
        RETRIES = "retries", "Out of retries"
        CRASH = "crash", "Worker died"
        MISSING = "missing", "Data missing"
        LOOP = "loop", "Rules in a circle"
        DOUBT = "doubt", "In doubt"
        QUESTION = "question", "Waits for an answer"
        UNANSWERED = "unanswered", "Nobody answered"
        UNSURE = "unsure", "Draft to confirm"
        LIMIT = "limit", "Over a limit"
        FIRST_LOOK = "first_look", "Waits for a first look"
        DOWN = "down", "Connector down"
        STALE = "stale", "Waited too long"
        DOMAIN = "domain", "Reported"

    class Priority(models.IntegerChoices):
        URGENT = 1, "Urgent"
        HIGH = 2, "High"
        NORMAL = 3, "Normal"
        LOW = 4, "Low"

    class Resolution(models.TextChoices):
        RETRIED = "retried", "Retried"
        EDITED = "edited", "Edited and retried"
        SKIPPED = "skipped", "Step skipped"
        BY_HAND = "by_hand", "Done by hand"
        ENDED = "ended", "Run ended"
        SOLVED = "solved", "Solved"
        ANSWERED = "answered", "Answered"
        CHECKED = "checked", "Looked up"
        RELEASED = "released", "Released"
        MENDED = "mended", "Mended by itself"

    kind = models.CharField(max_length=80)
    key = models.CharField(max_length=120)
    error = models.CharField(max_length=10, choices=Error)
    # Cases of one cause are grouped: a fingerprint, and the cause in plain words.
    cause = models.CharField(max_length=64)
    cause_words = models.CharField(max_length=300)
    says = models.TextField()
    rule = models.ForeignKey(Rule, null=True, on_delete=models.PROTECT, related_name="+")
    document_id = models.BigIntegerField(null=True)
    run_id = models.BigIntegerField(null=True)
    cursor = models.CharField(max_length=300, blank=True)
    action = models.CharField(max_length=80, blank=True)
    subject = models.CharField(max_length=60, blank=True)
    subject_id = models.BigIntegerField(null=True)
    # Who may answer a question; empty for everyone who works on cases.
    role = models.CharField(max_length=20, blank=True, default="", db_default="")
    # What is known of the subject is in doubt: no rule spends or writes over it meanwhile.
    blocks = models.BooleanField(default=False, db_default=False)
    # A later one on the subject means: it changed since.
    subject_version = models.IntegerField(null=True)
    done = models.JSONField(default=list)
    not_done = models.JSONField(default=list)
    detail = models.JSONField(default=dict)
    at_stake = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    at_stake_currency = models.CharField(max_length=3, blank=True)
    fallback = models.TextField(blank=True)
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    # The role it was handed to while nobody has taken it; empty for the common queue.
    team = models.CharField(max_length=20, blank=True, default="", db_default="")
    # 1: past due, its owner was told. 2: past twice the time, everyone of the role was told.
    escalated = models.SmallIntegerField(default=0, db_default=0)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()
    snoozed_until = models.DateTimeField(null=True)
    # How bad it was when it was put aside: it comes back as soon as it is worse. None: by time
    # alone. {"times": 1, "at_stake": "250.0000", "alike": 3}
    snoozed_while = models.JSONField(null=True)
    times = models.IntegerField("how often it failed", default=1)
    resolution = models.CharField(max_length=10, choices=Resolution, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    resolved_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)

    class Meta:
        permissions = [("work_failure", "Can work on cases")]
        constraints = [
            # A repeat of the same failure finds its case instead of doubling it.
            models.UniqueConstraint(fields=["kind", "key"], name="failure_once"),
            models.CheckConstraint(
                condition=models.Q(state="resolved", resolved_at__isnull=False)
                | (~models.Q(state="resolved") & models.Q(resolved_at=None)),
                name="failure_resolved_has_time",
            ),
        ]
        indexes = [
            # The inbox: what is open, by priority and due time.
            models.Index(
                fields=["priority", "due_at"],
                name="failure_inbox",
                condition=~models.Q(state="resolved"),
            ),
            # Groups by cause, and "how like cases were solved".
            models.Index(fields=["cause", "state"], name="failure_cause"),
            # Failures of a period, and of a rule in it.
            models.Index(fields=["opened_at", "rule"], name="failure_opened"),
            # A subject's page shows its cases.
            models.Index(fields=["subject_id", "subject"], name="failure_subject"),
            # Before money and messages: is the subject blocked?
            models.Index(
                fields=["subject", "subject_id"],
                name="failure_blocks",
                condition=models.Q(blocks=True) & ~models.Q(state="resolved"),
            ),
            # The execution closes and reopens a run's case.
            models.Index(fields=["run_id"], name="failure_run"),
            # The list, by due time.
            models.Index(
                fields=["due_at", "id"],
                name="failure_due",
                condition=~models.Q(state="resolved"),
                include=["state"],
            ),
            # The money at stake in a view, summed by currency.
            models.Index(
                fields=["at_stake_currency"],
                name="failure_stakes",
                condition=~models.Q(state="resolved") & models.Q(at_stake__isnull=False),
                include=["at_stake", "state"],
            ),
            # What was handed to a role, or is asked of it, and nobody has taken.
            models.Index(
                fields=["team"],
                name="failure_of_team",
                condition=~models.Q(state="resolved") & ~models.Q(team=""),
            ),
            models.Index(
                fields=["role"],
                name="failure_of_role",
                condition=~models.Q(state="resolved") & ~models.Q(role=""),
            ),
            # What the sweep looks for: what is late, and what was put aside.
            models.Index(
                fields=["due_at"],
                name="failure_late",
                condition=models.Q(state="open", escalated__lt=2),
            ),
            models.Index(
                fields=["snoozed_until"],
                name="failure_snoozed",
                condition=models.Q(state="snoozed"),
            ),
            # What one person, or nobody, has to do.
            models.Index(
                fields=["owner", "due_at"],
                name="failure_mine",
                condition=~models.Q(state="resolved"),
            ),
        ]

    def __str__(self) -> str:
        return self.says


class FailureWatch(models.Model):
    """Someone who handed a case over and wants to know how it goes on."""

    failure = models.ForeignKey(Failure, on_delete=models.CASCADE, related_name="watches")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["failure", "user"], name="failurewatch_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.failure_id}"


class FailureAction(models.Model):
    """What someone did about a case: the verb, why, and what it changed. Append-only."""

    failure = models.ForeignKey(Failure, on_delete=models.PROTECT, related_name="log")
    at = models.DateTimeField(db_default=Now())
    # None: the engine itself.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    verb = models.CharField(max_length=20)
    text = models.TextField(blank=True)
    reference = models.CharField(max_length=200, blank=True)
    # {"field": {"from": …, "to": …}}: the original is kept beside the change.
    changes = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.verb} {self.failure_id}"
