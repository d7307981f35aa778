"""The yearly review: what people said of a rule in force. Written by `automations_review_rule`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from automations.models.documents import Document
from automations.models.rules import Rule


class RuleReview(models.Model):
    """One person's verdict on a rule as it was in force, with the figures they were shown.

    A rule is kept by someone who could approve it and does not own it; to ask for a change or to
    retire takes one person.
    """

    class Verdict(models.TextChoices):
        KEEP = "keep", "Kept"
        CHANGE = "change", "Change asked for"
        RETIRE = "retire", "Retired"

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="reviews")
    document = models.ForeignKey(
        Document, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    sha256 = models.CharField(max_length=64)
    verdict = models.CharField(max_length=10, choices=Verdict)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # In which they kept it; empty for the other verdicts.
    role = models.CharField(max_length=20, blank=True)
    note = models.TextField(blank=True)
    next_on = models.DateField(null=True)
    figures = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(verdict="keep", next_on__isnull=False)
                | (~models.Q(verdict="keep") & models.Q(next_on=None)),
                name="rulereview_kept_until",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} {self.rule_id}"
