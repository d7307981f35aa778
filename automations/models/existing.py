"""Records that were there before a version: whether, and how far, it was applied to them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from automations.models.documents import Document
from automations.models.rules import Rule


class ExistingRecords(models.Model):
    """A version goes over the records that were there when it went live: once, by its approval.

    Its activation makes the row where everyone who approved said so; the application role may
    only write how far it has come. It stands at `cursor`, the last record it has gone through.
    """

    class State(models.TextChoices):
        DUE = "due", "Due"
        SCANNING = "scanning", "Under way"
        DONE = "done", "Done"
        SKIPPED = "skipped", "The rest was left alone"
        FAILED = "failed", "Broken"

    document = models.OneToOneField(Document, on_delete=models.PROTECT, related_name="existing")
    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="existing")
    # What was told of a record up to here; whatever comes later starts the rule by itself.
    from_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.DUE, db_default="due")
    # What it waits for, or why it ended before its time.
    says = models.CharField(max_length=300, blank=True, db_default="")
    cursor = models.BigIntegerField(null=True)
    upto = models.BigIntegerField(null=True)
    # Records gone through, and events written for those that matched or could not be judged.
    examined = models.BigIntegerField(default=0, db_default=0)
    events = models.BigIntegerField(default=0, db_default=0)
    # Attempts at the page it stands at: a worker that dies there leaves its own behind.
    tries = models.SmallIntegerField(default=0, db_default=0)
    run_after = models.DateTimeField(db_default=Now())
    touched_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            # Workers take what is open.
            models.Index(
                fields=["touched_at", "id"],
                name="existing_open",
                condition=models.Q(state__in=["due", "scanning"]),
            ),
        ]

    def __str__(self) -> str:
        return f"document {self.document_id}, {self.examined} records gone through"
