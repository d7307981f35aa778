"""Promotions: what they take off, who agreed to it, and the orders that got it.

The application only reads what was asked for and how often a promotion was used; the functions and
triggers of migration 0090 write both.
"""

from __future__ import annotations

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import Money
from orders.models.orders import Order, OrderLine


class Promotion(models.Model):
    """What is taken off which orders, from when to when, how often and how far at most.

    Its terms change freely until it is first started. From then on a second person agrees to each
    start and to whatever gives more; PostgreSQL refuses everything else but stopping it, ending it
    sooner and letting it be used less often.
    """

    class Kind(models.TextChoices):
        THRESHOLD = "threshold", "Spend so much"
        CODE = "code", "With a code"
        BUNDLE = "bundle", "Buy these together"
        TIME = "time", "For a time"

    class Target(models.TextChoices):
        ORDER = "order", "All goods of the order"
        SKUS = "skus", "Some products"
        BUNDLE = "bundle", "The goods of the bundle"

    class UsedUp(models.TextChoices):
        FULL_PRICE = "full_price", "Place the order at full price"
        REFUSE = "refuse", "Refuse the order"

    key = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=10, choices=Kind)
    # Upper case. Blank: it needs no code.
    code = models.CharField(max_length=40, blank=True, default="")
    # Either a share of the price, or an amount by currency such as {"GBP": "5.00"}.
    percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    amounts = models.JSONField(default=dict, blank=True)
    target = models.CharField(max_length=8, choices=Target, default=Target.ORDER)
    skus = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    # What the goods of the order must come to, by currency.
    thresholds = models.JSONField(default=dict, blank=True)
    # Units by SKU that make one bundle.
    bundle = models.JSONField(default=dict, blank=True)
    # Keys of channels; none: all of them.
    channels = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    starts_at = models.DateTimeField()
    # None: until it is stopped.
    ends_at = models.DateTimeField(null=True, blank=True)
    # In which both were meant.
    time_zone = models.CharField(max_length=40, default="Europe/London")
    usage_limit = models.IntegerField(null=True, blank=True)
    # Uses per customer; guests nobody recorded get none of such a promotion.
    customer_limit = models.IntegerField(null=True, blank=True)
    # What becomes of an order whose buyer typed the code when all uses are gone.
    when_used_up = models.CharField(max_length=10, choices=UsedUp, default=UsedUp.FULL_PRICE)
    # Given alone, or together with others that are not exclusive.
    is_exclusive = models.BooleanField(default=False)
    # All discounts of an order that it is part of take at most so much off its goods.
    cap_percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(100))
    # No line goes below its cost and so much more, where the cost is known.
    margin_percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(0))
    # Units of a product set aside for it: it ends with the last of them.
    stock_sku = models.CharField(max_length=60, blank=True, default="")
    stock_units = models.IntegerField(null=True, blank=True)

    is_on = models.BooleanField(default=False)
    # What a second person agreed to last. None: it was never started.
    change = models.ForeignKey(
        "PromotionChange", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stopped_at = models.DateTimeField(null=True)
    stopped_by = models.CharField(max_length=200, blank=True, default="")
    stop_reason = models.CharField(max_length=300, blank=True, default="")
    made_at = models.DateTimeField(db_default=Now())
    made_by = models.CharField(max_length=200)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code"], condition=Q(is_on=True) & ~Q(code=""), name="promotion_code_once"
            ),
            models.CheckConstraint(
                condition=Q(code="") | Q(code__regex="^[A-Z0-9][A-Z0-9_-]*$"),
                name="promotion_code_form",
            ),
            models.CheckConstraint(
                condition=Q(percent__gt=0, percent__lte=100, amounts={})
                | Q(percent__isnull=True) & ~Q(amounts={}),
                name="promotion_percent_or_amount",
            ),
            models.CheckConstraint(
                condition=(Q(kind="threshold") & ~Q(thresholds={}) | ~Q(kind="threshold"))
                & (Q(kind="bundle") & ~Q(bundle={}) | ~Q(kind="bundle") & Q(bundle={}))
                & (Q(kind="code") & ~Q(code="") | ~Q(kind="code"))
                & (Q(kind="time", ends_at__isnull=False) | ~Q(kind="time")),
                name="promotion_kind_has_its_terms",
            ),
            models.CheckConstraint(
                condition=Q(target="skus", skus__len__gt=0)
                | Q(target="bundle", kind="bundle", skus=[])
                | Q(target="order", skus=[]),
                name="promotion_target_named",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gt=F("starts_at")),
                name="promotion_ends_after_start",
            ),
            models.CheckConstraint(
                condition=(Q(usage_limit__isnull=True) | Q(usage_limit__gte=0))
                & (Q(customer_limit__isnull=True) | Q(customer_limit__gt=0)),
                name="promotion_limits",
            ),
            models.CheckConstraint(
                condition=Q(cap_percent__gt=0, cap_percent__lte=100)
                & Q(margin_percent__gte=-100, margin_percent__lt=1000),
                name="promotion_cap_and_margin",
            ),
            models.CheckConstraint(
                condition=Q(stock_sku="", stock_units__isnull=True)
                | ~Q(stock_sku="") & Q(stock_units__gt=0),
                name="promotion_stock_counted",
            ),
            models.CheckConstraint(
                condition=Q(is_on=False) | Q(change__isnull=False), name="promotion_on_was_agreed"
            ),
        ]
        permissions = [
            ("agree_promotion", "Can agree that a promotion starts or gives more"),
            ("stop_promotion", "Can stop promotions"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_limited(self) -> bool:
        """Whether its uses are counted one by one as they happen."""
        return self.usage_limit is not None or self.stock_units is not None


class PromotionCount(models.Model):
    """How often a promotion with a limit was used; exact under any number of orders at once."""

    class Why(models.TextChoices):
        LIMIT = "limit", "All uses are gone"
        STOCK = "stock", "Its stock is gone"
        DATE = "date", "Its time is over"

    promotion = models.OneToOneField(
        Promotion, on_delete=models.PROTECT, primary_key=True, related_name="count"
    )
    used = models.IntegerField(default=0)
    stock_used = models.IntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=5, choices=Why, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used__gte=0, stock_used__gte=0), name="promotioncount_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.used} uses"


class PromotionChange(models.Model):
    """Terms that somebody asked for, as a whole, and what another person made of it."""

    class State(models.TextChoices):
        ASKED = "asked", "Waits for a second person"
        AGREED = "agreed", "Agreed"
        REFUSED = "refused", "Turned down"
        REPLACED = "replaced", "Asked anew"

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="changes")
    state = models.CharField(max_length=8, choices=State)
    terms = models.JSONField()
    # The terms as they stood then, to show what changes.
    before = models.JSONField()
    # Of the promotion when it was asked: agreed to only if nothing has changed since.
    version = models.IntegerField()
    why = models.CharField(max_length=300)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["promotion"], condition=Q(state="asked"), name="promotionchange_asked_once"
            ),
            models.CheckConstraint(
                condition=~Q(state="agreed")
                | Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by")),
                name="promotionchange_takes_two",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.promotion}: {self.get_state_display().lower()}"


class Redemption(models.Model):
    """An order got a promotion: how much in all, and how it was worked out. Append-only."""

    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="redemptions")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="redemptions")
    amount = models.DecimalField(max_digits=19, decimal_places=4)
    # What the terms alone would have given, before floor and cap.
    asked = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3)
    # Units of the promotion's own stock that the order took.
    stock_units = models.IntegerField(default=0)
    how = models.CharField(max_length=300)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "promotion"], name="redemption_once"),
            models.CheckConstraint(
                condition=Q(amount__gt=0, asked__gte=F("amount"), stock_units__gte=0),
                name="redemption_amount",
            ),
        ]
        indexes = [models.Index(fields=["promotion", "-id"], name="redemption_newest")]

    def __str__(self) -> str:
        return f"{self.promotion}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class RedemptionLine(models.Model):
    """What of a redemption stands on one line. Append-only."""

    redemption = models.ForeignKey(Redemption, on_delete=models.PROTECT, related_name="lines")
    order_line = models.ForeignKey(
        OrderLine, on_delete=models.PROTECT, related_name="redemption_lines"
    )
    amount = models.DecimalField(max_digits=19, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["redemption", "order_line"], name="redemptionline_once"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="redemptionline_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} off line {self.order_line_id}"


class RedemptionRelease(models.Model):
    """The order was cancelled: the use is free again, once. Append-only."""

    redemption = models.OneToOneField(
        Redemption, on_delete=models.PROTECT, primary_key=True, related_name="release"
    )
    at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"Release of {self.redemption_id}"
