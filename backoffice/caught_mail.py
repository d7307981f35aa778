"""The table of mails that a sandbox kept back."""

from django.db import models
from django.db.models.functions import Now


class CaughtMail(models.Model):
    """One mail that would have left, had this been no sandbox.

    It holds addresses and words of people, so it is let go after `post.KEPT`; outside a sandbox
    none is ever written.
    """

    class Kind(models.TextChoices):
        NOTICE = "notice", "Notice to staff"
        STEP = "step", "Step of a run"
        CUSTOMER = "customer", "To a customer"
        OTHER = "other", "Of the system"

    kind = models.CharField(max_length=10, choices=Kind, default=Kind.OTHER)
    sender = models.CharField(max_length=320)
    to = models.TextField()
    subject = models.CharField(max_length=500)
    body = models.TextField()
    # Who had it written, and which run of which rule, where one did.
    by = models.CharField("sent by", max_length=200, blank=True)
    run_id = models.BigIntegerField(null=True)
    rule_id = models.BigIntegerField(null=True)
    at = models.DateTimeField("caught", db_default=Now())

    class Meta:
        indexes = [
            # The old ones are let go each minute.
            models.Index(fields=["at"], name="caughtmail_by_time"),
        ]

    def __str__(self) -> str:
        return self.subject
