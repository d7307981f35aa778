"""Orders, their lines and notes.

What stands in the status columns is derived from the order's children and amounts
(`orders.models.axes`); only services write it, and `orders.queries.checks` recomputes it.
"""

from __future__ import annotations

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Case, DecimalField, F, Q, Value, When
from django.db.models.functions import Now, Upper

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import Money
from inventory.models import Location, Sku
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.customers import Customer


def _amount() -> models.DecimalField[Decimal, Decimal]:
    return models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))


# As orders.models.axes.payment_axis has it.
_PAYMENT = (
    Q(payment="refunded", amount_refunded__gt=0, amount_refunded__gte=F("amount_paid"))
    | Q(payment="part_refunded", amount_refunded__gt=0, amount_refunded__lt=F("amount_paid"))
    | Q(payment="overpaid", amount_refunded=0, amount_paid__gt=F("total"))
    | Q(payment="paid", amount_refunded=0, amount_paid=F("total"))
    | Q(payment="part_paid", amount_refunded=0, amount_paid__gt=0, amount_paid__lt=F("total"))
    | Q(payment="unpaid", amount_refunded=0, amount_paid=0, total__gt=0)
)


class Order(models.Model):
    """One order, with snapshots of what was agreed. Amounts are in the order's currency."""

    class Payment(models.TextChoices):
        UNPAID = "unpaid", "Unpaid"
        PART_PAID = "part_paid", "Part paid"
        PAID = "paid", "Paid"
        OVERPAID = "overpaid", "Overpaid"
        PART_REFUNDED = "part_refunded", "Part refunded"
        REFUNDED = "refunded", "Refunded"

    class Fulfilment(models.TextChoices):
        NOTHING_TO_SHIP = "nothing_to_ship", "Nothing to ship"
        UNSHIPPED = "unshipped", "Not shipped"
        PART_SHIPPED = "part_shipped", "Part shipped"
        SHIPPED = "shipped", "Shipped"
        CANCELLED = "cancelled", "Cancelled"

    class Return(models.TextChoices):
        NONE = "none", "No return"
        REQUESTED = "requested", "Return requested"
        PART_RETURNED = "part_returned", "Part returned"
        RETURNED = "returned", "Returned"

    class Method(models.TextChoices):
        HOME = "home", "Delivered"
        PICKUP = "pickup", "Collected"

    class Awaits(models.TextChoices):
        NOTHING = "", "Nothing"
        PART = "part", "Part of what is open was sold ahead"
        ALL = "all", "All that is open was sold ahead"

    class Routing(models.TextChoices):
        ONLY = "only", "the channel's own place"
        STORE = "store", "the customer collects there"
        STOCK = "stock", "the first place that has all of it"
        MOST = "most", "no place has all of it; this one has the most"
        NOWHERE = "nowhere", "no place has any of it"
        MANUAL = "manual", "chosen by hand"

    class CancelReason(models.TextChoices):
        CUSTOMER = "customer", "The customer asked"
        FRAUD = "fraud", "Fraud"
        OUT_OF_STOCK = "out_of_stock", "Out of stock"
        UNPAID = "unpaid", "Never paid"
        DUPLICATE = "duplicate", "Duplicate"
        DECLINED = "declined", "Not approved"
        OTHER = "other", "Other"

    number = models.CharField(max_length=40, unique=True)
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    # The shop's own id; blank for orders entered here.
    external_id = models.CharField(max_length=80, blank=True)
    # None: a guest nobody recorded.
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="orders",
        db_index=False,
    )  # fmt: skip
    # The order it makes up for: its goods are sent again, or exchanged.
    follows = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="follow_ups",
        db_index=False,
    )  # fmt: skip
    # How many orders this customer had placed before this one.
    orders_before = models.IntegerField(default=0)
    # Imported: it happened elsewhere, before. History starts no rule.
    is_history = models.BooleanField(default=False)

    payment = models.CharField(max_length=14, choices=Payment, default=Payment.UNPAID)
    fulfilment = models.CharField(max_length=16, choices=Fulfilment, default=Fulfilment.UNSHIPPED)
    returns = models.CharField(max_length=14, choices=Return, default=Return.NONE)
    is_held = models.BooleanField(default=False)

    currency = models.CharField(max_length=3)
    subtotal = _amount()
    shipping = _amount()
    # Tax of all lines and of shipping; added to the total unless the prices include it.
    tax = _amount()
    shipping_tax = _amount()
    prices_include_tax = models.BooleanField(default=True)
    discount = _amount()
    # How much of the discount stands on the lines, as promotions put it there.
    discount_on_lines = _amount()
    total = _amount()
    amount_paid = _amount()
    amount_refunded = _amount()
    units = models.IntegerField(default=0)
    line_count = models.IntegerField(default=0)

    ship_name = models.CharField(max_length=200, blank=True)
    ship_lines = models.TextField(blank=True)
    ship_city = models.CharField(max_length=120, blank=True)
    ship_postcode = models.CharField(max_length=20, blank=True)
    ship_country = models.CharField(max_length=2, blank=True)
    bill_name = models.CharField(max_length=200, blank=True)
    bill_lines = models.TextField(blank=True)
    bill_city = models.CharField(max_length=120, blank=True)
    bill_postcode = models.CharField(max_length=20, blank=True)
    bill_country = models.CharField(max_length=2, blank=True)

    placed_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    method = models.CharField(max_length=6, choices=Method, default=Method.HOME)
    # Where it is collected; None for what is delivered.
    pickup_at = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # How it leaves. None: as its channel's orders do.
    service = models.ForeignKey(
        CarrierService, null=True, blank=True, on_delete=models.PROTECT, related_name="+",
        db_index=False,
    )  # fmt: skip
    # Where it ships from and why. None: the channel's own place, or nowhere yet.
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    routed = models.CharField(max_length=8, choices=Routing, blank=True, default="")
    # On the pick list since then; None while nobody takes its goods off the shelf.
    picking_since = models.DateTimeField(null=True, blank=True)
    # The day the rest was promised for, where stock was short.
    promised_on = models.DateField(null=True, blank=True)
    # Whether what is still to be shipped was sold before its stock came (orders.models.preorders).
    awaits = models.CharField(max_length=4, choices=Awaits, blank=True, default="")
    # The cut-off it must make, by the channel's promise; None where nothing is to be shipped.
    ship_by = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=14, choices=CancelReason, blank=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            # A shop may send the same order twice.
            models.UniqueConstraint(
                fields=["channel", "external_id"],
                condition=~Q(external_id=""),
                name="order_external_id",
            ),
            models.CheckConstraint(
                condition=Q(
                    total=F("subtotal")
                    + F("shipping")
                    - F("discount")
                    + Case(
                        When(prices_include_tax=True, then=Value(Decimal(0))),
                        default=F("tax"),
                        output_field=DecimalField(max_digits=19, decimal_places=4),
                    )
                ),
                name="order_total_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(discount_on_lines=0)
                | Q(discount_on_lines__gt=0, discount_on_lines__lte=F("discount")),
                name="order_line_discount_within_all",
            ),
            models.CheckConstraint(
                condition=Q(total__gte=0, amount_paid__gte=0, amount_refunded__gte=0)
                & Q(amount_refunded__lte=F("amount_paid")),
                name="order_refunds_within_payments",
            ),
            models.CheckConstraint(condition=_PAYMENT, name="order_payment_axis"),
            models.CheckConstraint(
                condition=Q(cancelled_at__isnull=True, cancel_reason="")
                | Q(cancelled_at__isnull=False, fulfilment="cancelled") & ~Q(cancel_reason=""),
                name="order_cancelled_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="order_currency_code"
            ),
            # Whoever holds or cancels an order takes it off the pick list.
            models.CheckConstraint(
                condition=Q(picking_since__isnull=True)
                | Q(is_held=False, cancelled_at__isnull=True),
                name="order_held_is_not_picked",
            ),
            models.CheckConstraint(
                condition=Q(method="home", pickup_at__isnull=True)
                | Q(method="pickup", pickup_at__isnull=False),
                name="order_collected_somewhere",
            ),
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["-placed_at", "-id"], name="order_newest"),
            # A customer's page.
            models.Index(fields=["customer", "-placed_at"], name="order_of_customer"),
            # Open work: few rows among many shipped ones.
            models.Index(
                fields=["placed_at"],
                condition=Q(fulfilment__in=["unshipped", "part_shipped"]),
                name="order_to_ship",
            ),
            models.Index(fields=["placed_at"], condition=Q(is_held=True), name="order_on_hold"),
            # The desk: what must leave first.
            models.Index(
                fields=["ship_by", "id"],
                condition=Q(fulfilment__in=["unshipped", "part_shipped"]),
                name="order_ship_by",
            ),
            models.Index(
                fields=["picking_since"],
                condition=Q(picking_since__isnull=False),
                name="order_picking",
            ),
            # What made up for an order, on its page.
            models.Index(
                fields=["follows"], condition=Q(follows__isnull=False), name="order_follows"
            ),
            # The list, with a million orders: by value, by country, and what is typed to find one.
            models.Index(fields=["total", "id"], name="order_by_total"),
            models.Index(fields=["ship_country", "total"], name="order_by_country"),
            models.Index(OpClass(Upper("number"), "text_pattern_ops"), name="order_number_like"),
            models.Index(OpClass(Upper("ship_name"), "text_pattern_ops"), name="order_name_like"),
            models.Index(
                fields=["external_id"], condition=~Q(external_id=""), name="order_external"
            ),
            # Schedules go over all but imported orders, page by page.
            models.Index(fields=["id"], condition=Q(is_history=False), name="order_live"),
        ]
        permissions = [
            ("tag_order", "Can tag orders"),
            ("hold_order", "Can put orders on hold"),
            ("release_order", "Can release orders from hold"),
            ("cancel_order", "Can cancel orders"),
            ("ship_order", "Can ship orders"),
            ("pick_order", "Can put orders on the pick list"),
            ("route_order", "Can say where orders ship from, and when"),
            ("note_order", "Can write notes on orders"),
        ]

    def __str__(self) -> str:
        return self.number

    def money(self, amount: Decimal) -> Money:
        return Money(amount, self.currency)

    @property
    def total_money(self) -> Money:
        return Money(self.total, self.currency)

    @property
    def refunded_money(self) -> Money:
        return Money(self.amount_refunded, self.currency)

    @property
    def ships_from_id(self) -> int:
        """The place its stock is claimed in."""
        return self.location_id or self.channel.location_id

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None


class OrderLine(models.Model):
    """One line as agreed: prices, texts and fragility are snapshots, not looked up again."""

    class Kind(models.TextChoices):
        STOCK = "stock", "Product"
        POSTAGE = "postage", "Postage"
        DISCOUNT = "discount", "Discount"
        FEE = "fee", "Fee"
        GIFT_CARD = "gift_card", "Gift card"
        MANUAL = "manual", "Manual"
        OTHER = "other", "Other"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    position = models.IntegerField()
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.STOCK)
    # None on lines that are no product.
    sku = models.ForeignKey(Sku, null=True, on_delete=models.PROTECT, related_name="+")
    description = models.CharField(max_length=200, blank=True)
    is_fragile = models.BooleanField(default=False)
    # Whether shipping it moves stock: a snapshot of the SKU's is_stocked.
    is_stocked = models.BooleanField(default=True)
    # Sold before its stock came, and still waiting for it.
    awaits_stock = models.BooleanField(default=False)
    quantity = models.IntegerField()
    quantity_shipped = models.IntegerField(default=0)
    quantity_cancelled = models.IntegerField(default=0)
    quantity_returned = models.IntegerField(default=0)
    unit_price = models.DecimalField(max_digits=19, decimal_places=4)
    # Quantity times price, rounded to the currency.
    line_total = models.DecimalField(max_digits=19, decimal_places=4)
    # What promotions took off the line's total; its tax is that of the rest.
    discount = _amount()
    # The tax that would be due on the discount, and is not.
    discount_tax = _amount()
    tax = _amount()
    # Which line of which document it came from, so that an import never doubles it.
    source_kind = models.CharField(max_length=30, blank=True)
    source_document = models.CharField(max_length=40, blank=True)
    source_row = models.IntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source_kind", "source_document", "source_row"],
                condition=~Q(source_kind=""),
                name="line_source",
            ),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, quantity_shipped__gte=0, quantity_cancelled__gte=0),
                name="line_quantities_not_negative",
            ),
            # No unit is shipped twice, or shipped and cancelled.
            models.CheckConstraint(
                condition=Q(quantity__gte=F("quantity_shipped") + F("quantity_cancelled")),
                name="line_shipped_and_cancelled_within_ordered",
            ),
            models.CheckConstraint(
                condition=Q(quantity_returned__gte=0)
                & Q(quantity_returned__lte=F("quantity_shipped")),
                name="line_returned_within_shipped",
            ),
            models.CheckConstraint(
                condition=Q(kind="stock", sku__isnull=False) | ~Q(kind="stock"),
                name="line_of_stock_has_sku",
            ),
            models.CheckConstraint(
                condition=Q(discount=0, discount_tax=0)
                | Q(kind="stock", discount__gt=0, discount__lte=F("line_total"))
                & Q(discount_tax__gte=0, discount_tax__lte=F("discount")),
                name="line_discount_within_total",
            ),
            # Only discounts and corrections lower the total.
            models.CheckConstraint(
                condition=~Q(kind="stock") | Q(unit_price__gte=0), name="line_price_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.description}"

    @property
    def quantity_open(self) -> int:
        """What is still to be shipped."""
        return self.quantity - self.quantity_shipped - self.quantity_cancelled


class OrderNote(models.Model):
    """What staff wrote about an order; free text, so it never leaves this table."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="notes")
    text = models.TextField()
    written_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"Note of {self.actor_label}"
