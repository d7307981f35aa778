"""The table of what people were told."""

from django.db import models
from django.db.models.functions import Now


class Notice(models.Model):
    """Something a person should know: one sentence, and where to look."""

    user = models.ForeignKey(
        "backoffice.User", on_delete=models.PROTECT, related_name="notices", db_index=False
    )
    # Ids, amounts and names of rules, never personal data: notices outlive what they tell of.
    text = models.CharField(max_length=300)
    link = models.CharField(max_length=500, blank=True)
    # The same thing is told once.
    key = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)
    # What it asks for is decided, by whomever; PostgreSQL writes it (migration 0056). None: not
    # yet, or it asks for nothing.
    over_at = models.DateTimeField(null=True)
    # It waits for this person, so it goes out by mail too (backoffice.mailing); once.
    to_mail = models.BooleanField(default=False, db_default=False)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # The same trouble found by two processes at once is still told once.
            models.UniqueConstraint(fields=["user", "key"], name="notice_once"),
        ]
        indexes = [
            # A person's list, newest first.
            models.Index(fields=["user", "-created_at"], name="notice_newest"),
            # The bell's figure.
            models.Index(
                fields=["user"], name="notice_unread", condition=models.Q(read_at__isnull=True)
            ),
            # What is over once something is decided.
            models.Index(
                fields=["key"],
                name="notice_about",
                opclasses=["varchar_pattern_ops"],
                condition=models.Q(over_at__isnull=True),
            ),
            # What waits to be mailed.
            models.Index(
                fields=["id"],
                name="notice_to_mail",
                condition=models.Q(to_mail=True, mailed_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.text
