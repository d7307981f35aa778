"""The ledger. PostgreSQL keeps what must always hold: see migration 0002."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from backoffice.models import ACTOR_KINDS, LegalEntity
from backoffice.money import BEYOND


class Account(models.Model):
    """One account of a legal entity's books."""

    class Kind(models.TextChoices):
        ASSET = "asset", "Asset"
        LIABILITY = "liability", "Liability"
        EQUITY = "equity", "Equity"
        INCOME = "income", "Income"
        EXPENSE = "expense", "Expense"

    class Side(models.TextChoices):
        DEBIT = "debit", "Debit"
        CREDIT = "credit", "Credit"

    class Role(models.TextChoices):
        """What postings use an account for; its code and name may change, this does not."""

        BANK = "bank", "Bank"
        CUSTOMERS = "customers", "Customer accounts"
        UNMATCHED = "unmatched", "Receivables without an order"
        PSP_CLEARING = "psp_clearing", "Payment provider clearing"
        FX_CLEARING = "fx_clearing", "Currency clearing"
        INVENTORY = "inventory", "Inventory"
        TAX = "tax", "Sales tax payable"
        GOODS_RECEIVED = "goods_received", "Goods received, not invoiced"
        OPENING = "opening", "Opening balance equity"
        SALES = "sales", "Sales"
        SHIPPING = "shipping", "Shipping income"
        MANUAL = "manual", "Manual charges"
        RETURNS = "returns", "Sales returns and allowances"
        DISCOUNTS = "discounts", "Discounts given"
        COST_OF_SALES = "cost_of_sales", "Cost of goods sold"
        SHRINKAGE = "shrinkage", "Stock written off"
        SAMPLES = "samples", "Samples given"
        MARKETPLACE_FEES = "marketplace_fees", "Marketplace fees"
        BANK_FEES = "bank_fees", "Bank fees"
        COMMISSIONS = "commissions", "Commissions and donations"
        BAD_DEBT = "bad_debt", "Bad debt"

    entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="accounts")
    code = models.CharField(max_length=10)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind)
    # Not implied by the kind: sales returns are an income account that grows on the debit side.
    normal_side = models.CharField(max_length=6, choices=Side)
    role = models.CharField(max_length=20, choices=Role, blank=True)
    is_active = models.BooleanField("active", default=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "code"], name="account_code_once"),
            # Two accounts of one role would split a posting by chance.
            models.UniqueConstraint(
                fields=["entity", "role"], condition=~Q(role=""), name="account_role_once"
            ),
            # A posting with nowhere to go stops the sale that causes it.
            models.CheckConstraint(
                condition=Q(is_active=True) | Q(role=""), name="account_with_role_is_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class JournalEntry(models.Model):
    """A balanced set of lines, posted once and never changed; a mistake is reversed.

    `source`, `source_id` and `purpose` name the fact it books (`finance.payment`, 17, `received`):
    unique, so no fact is booked twice.
    """

    entity = models.ForeignKey(
        LegalEntity, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # The business day in the entity's zone; `recorded_at` is when we wrote it.
    posted_on = models.DateField()
    recorded_at = models.DateTimeField(db_default=Now())
    code = models.CharField(max_length=40)
    source = models.CharField(max_length=60)
    source_id = models.BigIntegerField()
    purpose = models.CharField(max_length=40)
    reference = models.CharField(max_length=60, blank=True)
    reverses = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="reversals", db_index=False
    )
    # Checked against the lines at commit, so that none can be added later.
    line_count = models.IntegerField()
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    rule_id = models.BigIntegerField(null=True)
    rule_version = models.IntegerField(null=True)
    run_id = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "journal entries"
        permissions = [("post_manual_entry", "Can post and reverse manual entries")]
        constraints = [
            # A fact booked twice is money counted twice.
            models.UniqueConstraint(
                fields=["source", "source_id", "purpose"], name="entry_source_once"
            ),
            # Reversing twice would book the mistake again, the other way round.
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(reverses__isnull=False), name="entry_reversed_once"
            ),
            models.CheckConstraint(condition=Q(line_count__gte=2), name="entry_has_two_lines"),
        ]
        indexes = [
            # The ledger reads an entity's entries, newest day first.
            models.Index(fields=["entity", "-posted_on", "-id"], name="entry_newest"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What people know an entry by; no column, as the busiest table carries no spare index."""
        return f"L-{self.pk}"


class JournalLine(models.Model):
    """One side of an entry: either a debit or a credit, in one currency.

    `posted_on` repeats the entry's day, so that an account's page and the trial balance need no
    join; PostgreSQL checks at commit that the two are equal.
    """

    entry = models.ForeignKey(
        JournalEntry, on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    position = models.IntegerField()
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="lines", db_index=False
    )
    posted_on = models.DateField()
    debit = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    credit = models.DecimalField(max_digits=19, decimal_places=4, default=0)
    currency = models.CharField(max_length=3)
    memo = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            # Positions 1 to line_count are all taken at commit: nothing can join later.
            models.UniqueConstraint(fields=["entry", "position"], name="line_position_once"),
            models.CheckConstraint(condition=Q(position__gte=1), name="line_position_from_one"),
            models.CheckConstraint(
                condition=Q(debit__gt=0, credit=0) | Q(debit=0, credit__gt=0),
                name="line_is_debit_or_credit",
            ),
            # Two lines of NaN would balance.
            models.CheckConstraint(
                condition=Q(debit__lt=BEYOND, credit__lt=BEYOND), name="line_is_a_number"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="line_currency_is_iso"
            ),
        ]
        indexes = [
            # An account's page, newest day first, and its balance up to a day.
            models.Index(
                fields=["account", "posted_on", "id"],
                include=["currency", "debit", "credit"],
                name="line_of_account",
            ),
        ]

    def __str__(self) -> str:
        side = f"Dr {self.debit}" if self.debit else f"Cr {self.credit}"
        return f"{side} {self.currency}"
