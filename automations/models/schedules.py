"""The times that scheduled rules come round, and how far each has come."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models.functions import Now

from automations.models.documents import Document
from automations.models.rules import Rule


class ScheduleSlot(models.Model):
    """One time a scheduled rule came round: fired, left out or missed, and what it found.

    A scan stands at `cursor`, the last record it has gone through, and ends at `upto`, the last
    there was when it began. A shadow has slots of its own, at its own times.
    """

    class State(models.TextChoices):
        DUE = "due", "Due"
        SCANNING = "scanning", "Under way"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Left out"
        MISSED = "missed", "Missed"
        FAILED = "failed", "Broken"

    OPEN = (State.DUE, State.SCANNING)

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="slots", db_index=False)
    document = models.ForeignKey(
        Document, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    shadow = models.BooleanField(default=False)
    fire_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.DUE)
    # Why it was left out, missed or broken; of one that was moved, from when.
    says = models.CharField(max_length=300, blank=True)
    cursor = models.BigIntegerField(null=True)
    upto = models.BigIntegerField(null=True)
    # Records gone through, and events written for those that matched or could not be judged.
    examined = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    # Attempts at the page it stands at: a worker that dies there leaves its own behind.
    tries = models.SmallIntegerField(default=0)
    run_after = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    touched_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Two dispatchers at once, or one that was restarted, must not fire a slot twice.
            models.UniqueConstraint(fields=["rule", "shadow", "fire_at"], name="scheduleslot_once"),
        ]
        indexes = [
            # Workers take what is open, oldest first.
            models.Index(
                fields=["fire_at", "id"],
                name="scheduleslot_open",
                condition=models.Q(state__in=["due", "scanning"]),
            ),
        ]

    def __str__(self) -> str:
        return f"rule {self.rule_id} at {self.fire_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        """Whether there is still something to go through."""
        return self.state in self.OPEN

    @property
    def stamp(self) -> str:
        """The slot's time as keys write it."""
        return stamp(self.fire_at)


def stamp(moment: datetime) -> str:
    """A slot's time in the keys of its events; whole minutes, in UTC."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%MZ")


# An event for one rule begins its key with what it came of.
SLOT = "slot:"
SHADOW_SLOT = "shadow-slot:"
PRESS = "press:"
EXISTING = "existing:"


def slot_key(rule_id: int, fire_at: datetime, subject_id: int, *, shadow: bool) -> str:
    """What makes the event of a slot and a record unique."""
    return f"{SHADOW_SLOT if shadow else SLOT}{rule_id}:{stamp(fire_at)}:{subject_id}"


def press_key(rule_id: int, subject_id: int, after: int) -> str:
    """What makes a press unique: the rule, the record, and the press before it (0: none)."""
    return f"{PRESS}{rule_id}:{subject_id}:{after}"


def existing_key(document_id: int, subject_id: int) -> str:
    """What makes the event unique by which a version is applied to a record that was there."""
    return f"{EXISTING}{document_id}:{subject_id}"
