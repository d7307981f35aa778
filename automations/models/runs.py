"""What rules did: runs, attempts at their steps, and the effects they took.

Hot tables: ids instead of foreign keys (constraints and their indexes halve the speed of inserts),
and only the indexes that a named query needs. Every key begins with the event's id, so that the
tables can be partitioned by it.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from automations.models.rules import RULE_SPAN


def run_id(event_id: int, rule_id: int) -> int:
    """The id of the one run that this event can have under this rule."""
    return event_id * RULE_SPAN + rule_id


def run_number(key: int) -> str:
    """A run's id as people read it: `4711-3`."""
    return f"{key // RULE_SPAN}-{key % RULE_SPAN}"


class Run(models.Model):
    """One event under one rule, bound to the document in force. Its id makes it unique."""

    class State(models.TextChoices):
        DUE = "due", "Due"
        WAITING = "waiting", "Waiting"
        HELD = "held", "Held for a person"
        PARKED = "parked", "Parked"
        FAILED = "failed", "Failed"
        DONE = "done", "Done"
        OVERTAKEN = "overtaken", "Overtaken"
        SKIPPED = "skipped", "Skipped"
        CANCELLED = "cancelled", "Cancelled"

    id = models.BigIntegerField(primary_key=True)
    event_id = models.BigIntegerField()
    rule_id = models.BigIntegerField()
    document_id = models.BigIntegerField()
    subject = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    # The subject's version when the conditions last held: unchanged means still true.
    subject_version = models.IntegerField()
    position = models.SmallIntegerField()
    # The run of the same event that comes before it by position: it acts first.
    after_id = models.BigIntegerField(null=True)
    depth = models.SmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    # The step to do next (automations.rules.cursor); empty before the first.
    cursor = models.CharField(max_length=300, blank=True)
    run_after = models.DateTimeField(db_default=Now())
    # Attempts at the step it stands at, and attempts recorded in all.
    attempts = models.SmallIntegerField(default=0)
    trace_length = models.SmallIntegerField(default=0)
    has_case = models.BooleanField(default=False)
    # None: no crash. 0: was in a batch that died, so it is claimed alone. Then crashes alone.
    crash_count = models.SmallIntegerField(null=True)
    lease_token = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    # One sentence: how it ended, or what it waits for.
    outcome = models.TextField(blank=True)
    # Why it matched is told from the event and the document, which never change, as of
    # `created_at` (queries.explanations). Why it no longer held can't be told again, so it stands
    # here: each clause with the value seen at the recheck.
    overtaken = models.JSONField(null=True)
    # The tunables in use.
    params = models.JSONField(null=True)
    # What a person changed before a retry, by step uid.
    overrides = models.JSONField(null=True)
    # When the matching transaction began.
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # One event has at most one run under a rule: the key says so.
            models.CheckConstraint(
                condition=models.Q(
                    id=models.F("event_id") * models.Value(RULE_SPAN) + models.F("rule_id")
                ),
                name="run_id_is_event_and_rule",
            ),
        ]
        indexes = [
            # Workers claim what is due.
            models.Index(
                fields=["run_after", "id"], name="run_due", condition=models.Q(state="due")
            ),
            # A rule's runs, newest first.
            models.Index(fields=["rule_id", "-id"], name="run_of_rule"),
            # A subject's page shows its runs.
            models.Index(fields=["subject_id", "subject"], name="run_of_subject"),
            # What a stop or a new version finds open.
            models.Index(
                fields=["rule_id", "state"],
                name="run_open",
                condition=models.Q(state__in=["waiting", "held", "parked", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.number}"

    @property
    def number(self) -> str:
        """What people call it: the event's number and the rule's, `4711-3`."""
        return run_number(self.id)


class StepRun(models.Model):
    """One attempt at one step, or what a person did about it. Append-only in practice."""

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        RETRY = "retry", "Will be tried again"
        REJECTED = "rejected", "Refused"
        BUG = "bug", "Broken"
        CRASH = "crash", "Worker died"
        SKIPPED = "skipped", "Skipped by a person"
        BY_HAND = "by_hand", "Done by hand"

    pk = models.CompositePrimaryKey("run_id", "number")
    run_id = models.BigIntegerField()
    number = models.SmallIntegerField()
    cursor = models.CharField(max_length=300)
    action = models.CharField(max_length=80)
    attempt = models.SmallIntegerField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    says = models.TextField(blank=True)
    input = models.JSONField(null=True)
    link = models.CharField(max_length=60, blank=True)
    link_id = models.BigIntegerField(null=True)
    user_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.run_id} {self.cursor} #{self.attempt}"


class Effect(models.Model):
    """The record that a step's effect on a target happened, or may have. Its key is unique."""

    class State(models.TextChoices):
        CONFIRMED = "confirmed", "Confirmed"
        INTENT = "intent", "Under way"
        FAILED = "failed", "Not done"
        IN_DOUBT = "in_doubt", "In doubt"

    pk = models.CompositePrimaryKey("run_id", "uid", "target", "generation")
    run_id = models.BigIntegerField()
    uid = models.CharField(max_length=60)
    # Empty for the run's subject itself; a loop names its item.
    target = models.CharField(max_length=120, blank=True)
    generation = models.SmallIntegerField(default=0)
    action = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State, default=State.CONFIRMED)
    request_hash = models.CharField(max_length=64, blank=True)
    # What a person gave as proof when it was done by hand.
    reference = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.run_id}:{self.uid}:{self.target}:{self.generation}"


class RunClaim(models.Model):
    """A worker's committed note "these runs are mine now", deleted with the work's own commit.

    One that no transaction holds any more belongs to a worker that died: its runs crashed.
    """

    worker = models.CharField(max_length=120)
    at = models.DateTimeField(db_default=Now())
    run_ids = ArrayField(models.BigIntegerField())

    def __str__(self) -> str:
        return f"{self.worker}: {len(self.run_ids)} runs"
