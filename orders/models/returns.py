"""What comes back."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from inventory.models import Location, Sku
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order, OrderLine


class ReturnOrder(models.Model):
    """A return, from the request to the inspected goods. Refunds are finance's, apart from it."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        AUTHORISED = "authorised", "Authorised"
        RECEIVED = "received", "Received"
        INSPECTED = "inspected", "Inspected"
        REFUSED = "refused", "Refused"

    class Reason(models.TextChoices):
        UNWANTED = "unwanted", "Changed their mind"
        DAMAGED = "damaged", "Arrived damaged"
        WRONG_ITEM = "wrong_item", "Wrong item"
        FAULTY = "faulty", "Faulty"
        CANCELLED = "cancelled", "Cancelled after dispatch"
        UNKNOWN = "unknown", "Not said"

    class Refusal(models.TextChoices):
        LATE = "late", "Too late"
        CONDITION = "condition", "Used or damaged by the customer"
        NOT_OURS = "not_ours", "Not our goods"
        EXCLUDED = "excluded", "Can’t be returned"
        KEPT = "kept", "The customer keeps it"
        OTHER = "other", "Other"

    # The goods are still to come.
    COMING = (State.REQUESTED, State.AUTHORISED)

    number = models.CharField(max_length=40, unique=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    external_id = models.CharField(max_length=80, blank=True)
    # None: nobody found the order it belongs to; then a case is open, grouped by the cause.
    order = models.ForeignKey(
        Order, null=True, on_delete=models.PROTECT, related_name="return_orders"
    )
    unmatched_cause = models.CharField(max_length=40, blank=True)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    reason = models.CharField(max_length=12, choices=Reason, default=Reason.UNKNOWN)
    is_history = models.BooleanField(default=False)
    currency = models.CharField(max_length=3)
    # What the returned lines cost, goods and other lines, as agreed at the sale.
    amount = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))
    units = models.IntegerField(default=0)
    requested_at = models.DateTimeField()
    # The last moment to ask, by the channel's window; None where no order says when it left.
    return_by = models.DateTimeField(null=True, blank=True)
    is_late = models.BooleanField(default=False)
    # Who lets the goods come back; a late one takes a reason.
    authorised_at = models.DateTimeField(null=True, blank=True)
    authorised_by = models.CharField(max_length=200, blank=True, default="")
    authorised_why = models.CharField(max_length=300, blank=True, default="")
    refusal = models.CharField(max_length=10, choices=Refusal, blank=True, default="")
    # How it comes back, as the carrier or the customer told it.
    carrier = models.CharField(max_length=60, blank=True, default="")
    tracking = models.CharField(max_length=80, blank=True, default="")
    pickup_point = models.CharField(max_length=200, blank=True, default="")
    received_at = models.DateTimeField(null=True)
    inspected_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "external_id"],
                condition=~Q(external_id=""),
                name="return_external_id",
            ),
            models.CheckConstraint(
                condition=Q(order__isnull=False, unmatched_cause="")
                | Q(order__isnull=True) & ~Q(unmatched_cause=""),
                name="return_matched_or_why_not",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["requested", "refused"], received_at__isnull=True)
                | Q(state="authorised", authorised_at__isnull=False, received_at__isnull=True)
                | Q(state="received", received_at__isnull=False, inspected_at__isnull=True)
                | Q(state="inspected", received_at__isnull=False, inspected_at__isnull=False),
                name="return_state_with_times",
            ),
            models.CheckConstraint(
                condition=Q(state="refused") & ~Q(refusal="") | ~Q(state="refused") & Q(refusal=""),
                name="return_refused_with_reason",
            ),
            # One return label stands on one return.
            models.UniqueConstraint(
                fields=["carrier", "tracking"],
                condition=~Q(tracking=""),
                name="return_tracking_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="return_newest"),
        ]
        permissions = [("take_late_return", "Can authorise returns after the window")]

    def __str__(self) -> str:
        return self.number


class ReturnLine(models.Model):
    """A quantity of one line that comes back, and what became of it."""

    class Outcome(models.TextChoices):
        PENDING = "pending", "Not inspected"
        RESTOCKED = "restocked", "Back in stock"
        SCRAPPED = "scrapped", "Scrapped"
        PARTLY = "partly", "Part scrapped"

    return_order = models.ForeignKey(ReturnOrder, on_delete=models.PROTECT, related_name="lines")
    # None: the line it belongs to was not found, or it is no product.
    order_line = models.ForeignKey(
        OrderLine, null=True, on_delete=models.PROTECT, related_name="return_lines"
    )
    kind = models.CharField(max_length=10, choices=OrderLine.Kind, default=OrderLine.Kind.STOCK)
    sku = models.ForeignKey(Sku, null=True, on_delete=models.PROTECT, related_name="+")
    description = models.CharField(max_length=200, blank=True)
    quantity = models.IntegerField()
    unit_price = models.DecimalField(max_digits=19, decimal_places=4)
    line_total = models.DecimalField(max_digits=19, decimal_places=4)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.PENDING)
    # What became of its units, written once.
    restocked = models.IntegerField(default=0)
    scrapped = models.IntegerField(default=0)
    source_kind = models.CharField(max_length=30, blank=True)
    source_document = models.CharField(max_length=40, blank=True)
    source_row = models.IntegerField(null=True)

    class Meta:
        constraints = [
            # A row of a credit may bring back units of several order lines, each once.
            models.UniqueConstraint(
                fields=["source_kind", "source_document", "source_row", "order_line"],
                condition=~Q(source_kind=""),
                name="return_line_source",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="return_line_quantity"),
            models.CheckConstraint(
                condition=Q(outcome="pending", restocked=0, scrapped=0)
                | ~Q(outcome="pending")
                & Q(restocked__gte=0, scrapped__gte=0)
                & Q(quantity=F("restocked") + F("scrapped")),
                name="return_line_inspected_in_full",
            ),
            models.CheckConstraint(
                condition=Q(kind="stock", sku__isnull=False) | ~Q(kind="stock"),
                name="return_line_of_stock_has_sku",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.description}"
