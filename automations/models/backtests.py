"""Backtests: a version over the events of the past, done by a worker in slices."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from automations.models.documents import Document
from automations.models.rules import Rule


class Backtest(models.Model):
    """One content, told by its hash, over a period of stored events, beside what was live.

    A finished one never changes: it is the evidence that a verdict rests on. `cursor` is the time
    up to which events are counted, `slice` how many are taken at once, `token` the attempt that may
    write. `live` None: nothing was in force. Its sums are `simulation.sums.Sums`.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Counting"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Broken"

    OPEN = (State.QUEUED, State.RUNNING)

    rule = models.ForeignKey(
        Rule, on_delete=models.PROTECT, related_name="backtests", db_index=False
    )
    # Canonical text and contracts as they would be submitted; `sha256` is of all these.
    text = models.TextField()
    pins = ArrayField(models.TextField(), default=list)
    sha256 = models.CharField(max_length=64)
    live = models.ForeignKey(
        Document, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    trigger = models.CharField(max_length=80)
    days = models.SmallIntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    # Why it is broken.
    says = models.CharField(max_length=300, blank=True)
    cursor = models.DateTimeField()
    slice = models.IntegerField(default=5_000)
    # Events of the period as far as they are counted, and how many there are (None: not known yet).
    events = models.BigIntegerField(default=0)
    expected = models.BigIntegerField(null=True)
    sums = models.JSONField(default=dict)
    # Time spent on it, and how many events the predicates had to judge.
    seconds = models.FloatField(default=0)
    judged = models.BigIntegerField(default=0)
    token = models.IntegerField(default=0)
    tries = models.SmallIntegerField(default=0)
    run_after = models.DateTimeField(db_default=Now())
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    touched_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Two people who look at one version wait for the same figures.
            models.UniqueConstraint(
                fields=["rule", "sha256", "live", "days"],
                name="backtest_open_once",
                condition=models.Q(state__in=["queued", "running"]),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=models.Q(cursor__lte=models.F("until")), name="backtest_within_period"
            ),
        ]
        indexes = [
            # Workers take what is open.
            models.Index(
                fields=["touched_at", "id"],
                name="backtest_open",
                condition=models.Q(state__in=["queued", "running"]),
            ),
            # The newest of a content.
            models.Index(fields=["rule", "sha256", "-id"], name="backtest_of_content"),
        ]

    def __str__(self) -> str:
        return f"{self.days} days of {self.sha256[:12]}"

    @property
    def is_open(self) -> bool:
        """Whether there is still something to count."""
        return self.state in self.OPEN

    @property
    def percent(self) -> int:
        """How far it has come; 0 while nothing is known, 100 only at its end."""
        if self.state == self.State.DONE:
            return 100
        return min(99, 100 * self.events // self.expected) if self.expected else 0
