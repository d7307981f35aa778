"""What a rule's next version is tried on before it acts: cases of the past, days in shadow."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from automations.models.documents import Activation
from automations.models.failures import Failure
from automations.models.rules import Rule


class RuleTest(models.Model):
    """A case whose event a rule's draft and candidates are tried on before anything else."""

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="tests", db_index=False)
    failure = models.ForeignKey(Failure, on_delete=models.PROTECT, related_name="+", db_index=False)
    event_id = models.BigIntegerField()
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    added_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "failure"], name="ruletest_once"),
        ]

    def __str__(self) -> str:
        return f"case {self.failure_id} of {self.rule_id}"


class ShadowTrial(models.Model):
    """A shadow for some days: then it is compared with what acted, ended, and told of.

    `compared_at` None: its days are not over. `found` are the figures by then.
    """

    activation = models.OneToOneField(Activation, on_delete=models.PROTECT, related_name="trial")
    days = models.SmallIntegerField()
    due_at = models.DateTimeField()
    compared_at = models.DateTimeField(null=True)
    found = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(
                fields=["due_at"],
                name="shadowtrial_due",
                condition=models.Q(compared_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.days} days of {self.activation_id}"
