"""How many have to agree to what, and what acted before they did.

The application role only reads these; the functions of migrations 0102 and 0103 write them.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from automations.actions import Risk
from automations.models.documents import Activation, Document
from automations.models.rules import Rule


class ApprovalPolicy(models.Model):
    """How many people have to agree to a version of a risk.

    `wanted`: one of finance asks for fewer, and another has to agree; None: nobody asks.
    """

    risk = models.CharField(
        max_length=10, primary_key=True, choices=[(risk.value, risk.value) for risk in Risk]
    )
    approvers = models.SmallIntegerField()
    wanted = models.SmallIntegerField(null=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    asked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(approvers__in=[1, 2]), name="policy_one_or_two"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.approvers} for {self.risk}"


class Emergency(models.Model):
    """A version that acts for an hour without an approval, by the will of two people.

    `ends_at` None: nobody has agreed. `was_right` None: it is not reviewed yet.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Waits for a second person"
        LAPSED = "lapsed", "Nobody agreed in time"
        AGREED = "agreed", "Acts now"
        ENDED = "ended", "Over"

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="emergencies")
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="emergencies")
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=State)
    why = models.TextField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    asked_at = models.DateTimeField(db_default=Now())
    agreed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    agreed_at = models.DateTimeField(null=True)
    activation = models.ForeignKey(
        Activation, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ends_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    ended_at = models.DateTimeField(null=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    reviewed_at = models.DateTimeField(null=True)
    was_right = models.BooleanField(null=True)
    review = models.TextField(blank=True, default="", db_default="")

    class Meta:
        permissions = [("use_emergency", "Can ask for or agree to an emergency")]
        constraints = [
            models.UniqueConstraint(
                fields=["rule"],
                name="emergency_once",
                condition=models.Q(state__in=["asked", "agreed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"emergency of {self.rule_id}: {self.state}"
