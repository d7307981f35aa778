"""How rules do beside what they did before: worked out behind the sweep, read by the inventory."""

from __future__ import annotations

from django.db import models

from automations.models.rules import Rule


class RuleStanding(models.Model):
    """One row a rule that is not retired (`engine.inventory` writes it).

    Runs are counted as they end, in hours of UTC. `usual` is the median of a day's runs over the
    last whole days it was in force, at most 28; None while these are fewer than seven.
    """

    rule = models.OneToOneField(
        Rule, primary_key=True, on_delete=models.CASCADE, related_name="standing"
    )
    at = models.DateTimeField()
    # Since when it has been in force, whatever versions came; None: it is not.
    live_since = models.DateTimeField(null=True)
    last_fired_at = models.DateTimeField(null=True)
    runs_day = models.IntegerField(default=0)
    runs_month = models.IntegerField(default=0)
    done_month = models.IntegerField(default=0)
    usual = models.FloatField(null=True)
    # In force for a month and not fired in it, though what starts it came.
    is_stale = models.BooleanField(default=False)
    # Not fired for far longer than it usually takes.
    is_silent = models.BooleanField(default=False)
    # More than twice the usual in a day, or more than its owner expects.
    is_noisy = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"standing of {self.rule_id}"
