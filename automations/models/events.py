"""What happened: events as domains announced them, and which of them wait to be matched."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Event(models.Model):
    """One announced fact about one subject. Never changed once written.

    The subject is a label and an id, so the engine knows no domain. Being matched is not a column
    here but a row less in `PendingEvent`: rewriting wide rows would bloat the largest table.
    """

    trigger = models.CharField(max_length=80)
    subject = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    subject_version = models.IntegerField()
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    payload_version = models.SmallIntegerField()
    # Flat scalars by path (`order.total`), under 1 kB; lists apart, as few rules look into them.
    facts = models.JSONField(default=dict)
    lists = models.JSONField(null=True)
    actor_kind = models.CharField(max_length=10, blank=True)
    actor_user_id = models.BigIntegerField(null=True)
    # Of a schedule's slot, a person's button or a version that is applied to what was there: the
    # one rule it is for, and what makes it unique.
    rule_id = models.BigIntegerField(null=True)
    key = models.CharField(max_length=200, blank=True, db_default="")
    # The run that caused it, and how many runs stand before it in its chain.
    cause_run_id = models.BigIntegerField(null=True)
    depth = models.SmallIntegerField(default=0)
    # Imported or back-filled: feeds previews and matches no rule.
    history = models.BooleanField(default=False)

    class Meta:
        constraints = [
            # The same slot or the same press of a button would act twice.
            models.UniqueConstraint(
                fields=["key"], name="event_key_once", condition=~models.Q(key="")
            ),
        ]
        indexes = [
            # Previews and backtests read what happened in a period; an event for one rule did not.
            models.Index(
                fields=["trigger", "occurred_at"],
                name="event_preview",
                condition=models.Q(rule_id__isnull=True),
            ),
            # "Why did or didn't it fire?" reads one subject's events.
            models.Index(fields=["subject_id", "subject", "id"], name="event_subject"),
            # A run's page shows what the run set off.
            models.Index(
                fields=["cause_run_id"],
                name="event_caused",
                condition=models.Q(cause_run_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.trigger} {self.subject} {self.subject_id}"


class PendingEvent(models.Model):
    """A live event that no matcher has seen yet: written and deleted with its event's story."""

    event_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.event_id)
