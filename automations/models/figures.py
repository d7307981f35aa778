"""Figures over ended runs, counted once (`engine.measure`), and runs that took too long."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Measured(models.Model):
    """One row: up to which moment ended runs are counted below, and how many by how they ended."""

    upto = models.DateTimeField()
    done = models.BigIntegerField(default=0)
    overtaken = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"up to {self.upto:%Y-%m-%d %H:%M:%S}"


class RunHour(models.Model):
    """Runs of one rule that ended one way in one hour, and the one that waited longest to begin."""

    pk = models.CompositePrimaryKey("hour", "rule_id", "state")
    hour = models.DateTimeField()
    rule_id = models.BigIntegerField()
    state = models.CharField(max_length=10)
    runs = models.IntegerField()
    longest = models.FloatField("seconds from its event to its first step")
    longest_run_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"rule {self.rule_id}, {self.hour:%Y-%m-%d %H}: {self.runs} {self.state}"


class RunReach(models.Model):
    """How long runs of one rule took from event to done in one hour, as a histogram.

    Bucket b holds times from 10^(b/20) ms to 12 % more, so that percentiles of any window can be
    told from sums.
    """

    pk = models.CompositePrimaryKey("hour", "rule_id", "bucket")
    hour = models.DateTimeField()
    rule_id = models.BigIntegerField()
    bucket = models.SmallIntegerField()
    runs = models.IntegerField()

    def __str__(self) -> str:
        return f"rule {self.rule_id}, {self.hour:%Y-%m-%d %H}, bucket {self.bucket}: {self.runs}"


class RunMinute(models.Model):
    """Runs of all rules that ended in one minute; kept for two months."""

    minute = models.DateTimeField(primary_key=True)
    runs = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M}: {self.runs}"


class Overrun(models.Model):
    """A run that took too long at one thing; written once, its owner is told."""

    class Kind(models.TextChoices):
        START = "start", "Began late"
        STEP = "step", "Slow step"
        TRYING = "trying", "Keeps trying"

    pk = models.CompositePrimaryKey("run_id", "kind")
    run_id = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    rule_id = models.BigIntegerField()
    # What the rule declared: `real_time` or `batch`.
    latency = models.CharField(max_length=10)
    # The step it is about; empty for a late beginning.
    cursor = models.CharField(max_length=300, blank=True)
    action = models.CharField(max_length=80, blank=True)
    seconds = models.FloatField()
    noticed_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The list of what was late in a period, and what owners were not told of yet.
            models.Index(fields=["noticed_at"], name="overrun_noticed"),
        ]

    def __str__(self) -> str:
        return f"run {self.run_id}: {self.kind} {self.seconds:.0f} s"
