"""What staff own: rules, and the drafts they are edited in."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

# Ids of runs are `event * RULE_SPAN + rule`, so that they begin with the event's id.
RULE_SPAN = 1_000_000


class Rule(models.Model):
    """A rule as its owner knows it. What it does stands in its documents; what acts, in
    activations; whether it is stopped, in stops."""

    class Domain(models.TextChoices):
        ORDERS = "orders", "Orders"
        INVENTORY = "inventory", "Inventory"
        FINANCE = "finance", "Finance"
        SUPPORT = "support", "Support"

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    purpose = models.TextField(blank=True)
    domain = models.CharField(max_length=20, choices=Domain)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="rules_owned"
    )
    # Asked for by one person, until another agrees: where the rule is in force.
    next_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    next_owner_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    fallback = models.TextField("what people do when it fails", blank=True)
    review_on = models.DateField(null=True, blank=True)
    # Of the document in force, or of the draft before there is one.
    trigger = models.CharField(max_length=80, blank=True)
    # Rules of one trigger act on one event in this order.
    position = models.SmallIntegerField(default=100)
    expected_per_day_min = models.IntegerField(null=True, blank=True)
    expected_per_day_max = models.IntegerField(null=True, blank=True)
    minutes_saved = models.DecimalField(
        "minutes of hand work one run saves", max_digits=6, decimal_places=2, default=0
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(db_default=Now())
    retired_at = models.DateTimeField(null=True, blank=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["next_owner", "next_owner_by"])

    class Meta:
        permissions = [
            ("stop_rule", "Can stop a rule or all of them"),
            ("submit_rule", "Can submit a rule for approval"),
        ]
        constraints = [
            # A larger id would run into the next event's runs.
            models.CheckConstraint(condition=models.Q(id__lt=RULE_SPAN), name="rule_id_fits_runs"),
        ]

    def __str__(self) -> str:
        return self.name


class Draft(models.Model):
    """The one candidate a rule is edited in. `revision` is what a stale form is told by."""

    rule = models.OneToOneField(Rule, on_delete=models.CASCADE, related_name="draft")
    body = models.JSONField()
    revision = models.IntegerField(default=1)
    # Where undo stands: the revision whose body this is.
    current = models.IntegerField(default=1)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"draft of {self.rule_id}"


class DraftRevision(models.Model):
    """One saved state of a draft. Append-only: who edited is what approval is refused by."""

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="revisions")
    number = models.IntegerField()
    # The revision it was made from: undo goes there.
    parent = models.IntegerField(null=True)
    # Undo and redo: the revision whose body this repeats.
    repeats = models.IntegerField(null=True)
    # The version whose content this brought back: its editors are editors again.
    restores = models.ForeignKey(
        "automations.Document",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    body = models.JSONField()
    editor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    at = models.DateTimeField(db_default=Now())
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            # Two tabs saving at once: the second is told, instead of one being lost.
            models.UniqueConstraint(fields=["rule", "number"], name="draftrevision_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} r{self.number}"
