"""What rules did: runs, attempts at their steps, and the effects they took.

Hot tables: ids instead of foreign keys (constraints and their indexes halve the speed of inserts),
and only the indexes that a named query needs. Every key begins with the event's id, so that the
tables can be partitioned by it.
"""

from __future__ import annotations

import re

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from automations.models.rules import RULE_SPAN


def run_id(event_id: int, rule_id: int, *, shadow: bool = False) -> int:
    """The id of the one run that this event can have under this rule; of its shadow, negative."""
    number = event_id * RULE_SPAN + rule_id
    return -number if shadow else number


def run_number(key: int) -> str:
    """A run's id as people read it: `4711-3`; a shadow's is `4711-3-shadow`."""
    event_id, rule_id = divmod(abs(key), RULE_SPAN)
    return f"{event_id}-{rule_id}{'-shadow' if key < 0 else ''}"


def step_anchor(cursor: str) -> str:
    """The id of a step's line on its run's page."""
    return "step-" + re.sub(r"[^A-Za-z0-9]+", "-", cursor)


_KEY = models.F("event_id") * models.Value(RULE_SPAN) + models.F("rule_id")


class Run(models.Model):
    """One event under one rule, bound to the document in force. Its id makes it unique.

    A shadow's run goes the same way and takes no effect: it notes what it would have done.
    """

    class State(models.TextChoices):
        DUE = "due", "Due"
        WAITING = "waiting", "Waiting"
        CALLING = "calling", "Under way"
        HELD = "held", "Held for a person"
        PARKED = "parked", "Parked"
        FAILED = "failed", "Failed"
        DONE = "done", "Done"
        OVERTAKEN = "overtaken", "Overtaken"
        SKIPPED = "skipped", "Skipped"
        CANCELLED = "cancelled", "Cancelled"

    class Parked(models.TextChoices):
        STOP = "stop", "Stopped"
        LIMIT = "limit", "Over a limit"
        FIRST_LOOK = "first_look", "Waits for a first look"
        CONNECTOR = "connector", "Connector down"
        CASE = "case", "Blocked by a case"

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
    # The step it stands at (automations.rules.cursor); empty before the first. `leaving`: that step
    # is over, so what comes next is the step after it.
    cursor = models.CharField(max_length=300, blank=True)
    leaving = models.BooleanField(default=False, db_default=False)
    # Who does the step: empty for the engine itself, else the connector that is called.
    lane = models.CharField(max_length=60, blank=True, db_default="")
    run_after = models.DateTimeField(db_default=Now())
    # Attempts at the step it stands at, and attempts recorded in all.
    attempts = models.SmallIntegerField(default=0)
    trace_length = models.SmallIntegerField(default=0)
    has_case = models.BooleanField(default=False)
    # None: no crash. 0: was in a batch that died, so it is claimed alone. Then crashes alone.
    crash_count = models.SmallIntegerField(null=True)
    # A step outside PostgreSQL is taken under a lease; every write about it names the token.
    lease_token = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    shadow = models.BooleanField(default=False, db_default=False)
    # Why it is parked; empty when it is not.
    parked_for = models.CharField(max_length=10, choices=Parked, blank=True, db_default="")
    # The case for which it is parked; None, or of no meaning, where it is parked for none.
    kept_by = models.BigIntegerField(null=True)
    # The triggers that end it while it waits.
    ends_on = ArrayField(models.TextField(), null=True)
    # What each loop goes over, as it was when the loop began, by uid; kept only where it differs
    # from what the event told.
    items = models.JSONField(null=True)
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
    # Someone took its effects back, as far as they could be.
    undone_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("undo_run", "Can take back what a run did")]
        constraints = [
            # One event has at most one run under a rule: the key says so.
            models.CheckConstraint(
                condition=models.Q(shadow=False, id=_KEY) | models.Q(shadow=True, id=-_KEY),
                name="run_id_is_event_and_rule",
            ),
            # A lease without its end would be held for ever.
            models.CheckConstraint(
                condition=~models.Q(state="calling")
                | models.Q(lease_token__isnull=False, lease_until__isnull=False),
                name="run_calling_has_lease",
            ),
            # One that no case keeps back would never be let go.
            models.CheckConstraint(
                condition=~models.Q(state="parked", parked_for="case")
                | models.Q(kept_by__isnull=False),
                name="run_kept_by_a_case",
            ),
        ]
        indexes = [
            # Workers of a lane claim what is due, and waits that are over.
            models.Index(
                fields=["lane", "run_after", "id"],
                name="run_due",
                condition=models.Q(state__in=["due", "waiting"]),
            ),
            # An event that ends waits finds those of its subject.
            models.Index(
                fields=["subject_id", "subject"],
                name="run_ended_by",
                condition=models.Q(state="waiting", ends_on__isnull=False),
            ),
            # The sweep finds calls whose worker is gone.
            models.Index(
                fields=["lease_until"], name="run_lease", condition=models.Q(state="calling")
            ),
            # What waits for a connector that is down, oldest first.
            models.Index(
                fields=["lane", "run_after", "id"],
                name="run_parked",
                condition=models.Q(state="parked"),
            ),
            # What cases about their records keep back: whoever closes one finds its own.
            models.Index(
                fields=["kept_by", "id"],
                name="run_blocked",
                condition=models.Q(state="parked", parked_for="case"),
            ),
            # A rule's runs, newest first.
            models.Index(fields=["rule_id", "-id"], name="run_of_rule"),
            # Figures and lists of what ended in a period, from the index alone.
            models.Index(
                fields=["finished_at"],
                name="run_ended",
                condition=models.Q(finished_at__isnull=False),
                include=["rule_id", "state", "shadow"],
            ),
            # A subject's page shows its runs.
            models.Index(fields=["subject_id", "subject"], name="run_of_subject"),
            # What a stop or a new version finds open.
            models.Index(
                fields=["rule_id", "state"],
                name="run_open",
                condition=models.Q(state__in=["waiting", "calling", "held", "parked", "failed"]),
            ),
            # The list of what was taken back.
            models.Index(
                fields=["-id"], name="run_undone", condition=models.Q(undone_at__isnull=False)
            ),
            # The shadows of a rule, and the list of them.
            models.Index(
                fields=["rule_id", "event_id"], name="run_shadow", condition=models.Q(shadow=True)
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
        DOWN = "down", "Connector down"
        FAILED = "failed", "Definitely not done"
        IN_DOUBT = "in_doubt", "In doubt"
        WAITED = "waited", "Waited"
        ASKED = "asked", "Asked a person"
        ANSWERED = "answered", "Answered"
        WOULD = "would", "Would have been done"
        SKIPPED = "skipped", "Skipped by a person"
        BY_HAND = "by_hand", "Done by hand"
        UNDONE = "undone", "Undone"

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
    # What undoing it needs to know. Empty: it can't be undone. None: there is nothing to undo.
    undo = models.JSONField(null=True)
    user_id = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # Runs by what became of a step, where that is out of the ordinary.
            models.Index(
                fields=["outcome", "run_id"],
                name="steprun_unusual",
                condition=~models.Q(outcome__in=["done", "waited", "would"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.cursor} #{self.attempt}"


class Effect(models.Model):
    """The record that a step's effect on a target happened, or may have. Its key is unique.

    Taking the effect of step `a1` back is an effect of its own, of the step `~a1`.
    """

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
    # Of an effect outside: who takes it under which lease, and when that began and ended.
    lane = models.CharField(max_length=60, blank=True, db_default="")
    token = models.BigIntegerField(null=True)
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    # What the other side said, in a sentence.
    says = models.TextField(blank=True, db_default="")
    # In doubt: when the other side is asked next whether it happened, and how often it was.
    look_up_at = models.DateTimeField(null=True)
    looks = models.SmallIntegerField(default=0, db_default=0)
    # Until when a look-up is under way: it counts like a call.
    looking_until = models.DateTimeField(null=True)
    # What it counted against limits, so that what did not happen can be given back.
    counted = models.JSONField(null=True)
    # What a person gave as proof when it was done by hand.
    reference = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # What is under way or in doubt, by connector.
            models.Index(
                fields=["lane", "state"],
                name="effect_open",
                condition=models.Q(state__in=["intent", "in_doubt"]),
            ),
            # The sweep finds what is to be looked up now.
            models.Index(
                fields=["look_up_at"],
                name="effect_look_up",
                condition=models.Q(state="in_doubt", look_up_at__isnull=False),
            ),
        ]

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


class LimitUse(models.Model):
    """How much of a limit a period has used: one row a rule, limit and period.

    `bucket` tells periods apart (`2026-11-27T14Z`, `2026-11-27`), or is the version of a first
    look. `used` counts runs, units or messages, or is an amount in the limit's currency.
    """

    pk = models.CompositePrimaryKey("rule_id", "name", "bucket")
    rule_id = models.BigIntegerField()
    name = models.CharField(max_length=30)
    bucket = models.CharField(max_length=60)
    used = models.DecimalField(max_digits=23, decimal_places=4, db_default=0)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.rule_id} {self.name} {self.bucket}"


class LimitMark(models.Model):
    """A run that counted for one subject or customer of its rule."""

    pk = models.CompositePrimaryKey("run_id", "name")
    run_id = models.BigIntegerField()
    name = models.CharField(max_length=30)
    rule_id = models.BigIntegerField()
    bucket = models.CharField(max_length=120)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # How many runs of a rule one subject or customer had lately.
            models.Index(fields=["rule_id", "name", "bucket", "at"], name="limitmark_of_one"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.name} {self.bucket}"
