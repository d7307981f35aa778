"""SKUs, locations, stock moves, stock levels and reservations.

The moves are the truth. The three counters of a stock level (on hand, allocated, reserved) are
kept by triggers in PostgreSQL (migration 0002) and can't be written by hand, so a level is always
the sum of its moves and of its open reservations.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from backoffice.models import ACTOR_KINDS, LegalEntity, User
from backoffice.money import Money


class Sku(models.Model):
    """A thing we sell, known by its code. Case matters: 15056bl and 15056BL are two SKUs."""

    code = models.CharField("SKU", max_length=60, unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_stocked = models.BooleanField("kept in stock", default=True)
    is_fragile = models.BooleanField("fragile", default=False)
    allow_backorder = models.BooleanField("may be sold beyond stock", default=False)
    is_active = models.BooleanField("active", default=True)
    unit_cost = models.DecimalField(max_digits=19, decimal_places=4, null=True, blank=True)
    cost_currency = models.CharField(max_length=3, blank=True, default="")
    # What customs ask about it, so that parcels abroad need not be asked each time.
    hs_code = models.CharField("HS code", max_length=10, blank=True, default="")
    origin_country = models.CharField("country of origin", max_length=2, blank=True, default="")
    # None: nobody is told when the stock runs low.
    reorder_point = models.IntegerField(null=True, blank=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        verbose_name = "SKU"
        verbose_name_plural = "SKUs"
        constraints = [
            models.CheckConstraint(
                condition=Q(unit_cost__isnull=True, cost_currency="")
                | Q(unit_cost__gte=0, cost_currency__regex="^[A-Z]{3}$"),
                name="sku_cost_with_currency",
            ),
            models.CheckConstraint(
                condition=(Q(hs_code="") | Q(hs_code__regex="^[0-9]{6,10}$"))
                & (Q(origin_country="") | Q(origin_country__regex="^[A-Z]{2}$")),
                name="sku_customs_data",
            ),
            models.CheckConstraint(
                condition=Q(reorder_point__isnull=True) | Q(reorder_point__gte=0),
                name="sku_reorder_point_not_negative",
            ),
        ]
        permissions = [("set_reorder_point", "Can set reorder points")]

    def __str__(self) -> str:
        return self.code

    @property
    def cost(self) -> Money | None:
        """What one unit costs us; None while nobody has said."""
        return None if self.unit_cost is None else Money(self.unit_cost, self.cost_currency)


class Location(models.Model):
    """A place stock can be. Its kind never changes: levels and postings depend on it."""

    class Kind(models.TextChoices):
        INTERNAL = "internal", "Warehouse or shop"
        QUARANTINE = "quarantine", "Quarantine"
        TRANSIT = "transit", "In transit"
        SUPPLIER = "supplier", "Suppliers"
        CUSTOMER = "customer", "Customers"
        LOSS = "loss", "Losses"

    # Places of ours; the others are the far ends of moves and keep no level.
    OURS = (Kind.INTERNAL, Kind.QUARANTINE, Kind.TRANSIT)

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    legal_entity = models.ForeignKey(LegalEntity, on_delete=models.PROTECT, related_name="+")
    is_active = models.BooleanField("active", default=True)
    history = HistoricalRecords()

    def __str__(self) -> str:
        return self.code


class StockMove(models.Model):
    """One movement of a quantity from one place to another. Append-only: correct by a new move."""

    class Reason(models.TextChoices):
        OPENING_INFERRED = "opening_inferred", "Opening stock (inferred)"
        RECEIPT = "receipt", "Receipt"
        SHIPMENT = "shipment", "Shipment"
        RETURN = "return", "Return"
        INSPECTION = "inspection", "Inspection"
        WRITE_OFF = "write_off", "Write-off"
        ADJUSTMENT = "adjustment", "Adjustment"

    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", db_index=False)
    from_location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    to_location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    quantity = models.IntegerField()
    reason = models.CharField(max_length=20, choices=Reason)
    # Why in a word (`damaged`, `lost`, `count`), never free text about a person.
    note = models.CharField(max_length=60, blank=True)
    # What caused it: `orders.shipment`, 4711.
    source = models.CharField(max_length=60, blank=True)
    source_id = models.BigIntegerField(null=True)
    # One per intent, so that a repeat moves nothing twice.
    key = models.CharField(max_length=120)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    run_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            # Not `unique=True`: that would keep a second index, for LIKE, on the largest table.
            models.UniqueConstraint(fields=["key"], name="move_key"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="move_quantity_positive"),
            models.CheckConstraint(
                condition=~Q(from_location=F("to_location")), name="move_between_two_places"
            ),
        ]
        indexes = [
            # A SKU's page lists its moves, newest first.
            models.Index(fields=["sku", "-occurred_at", "-id"], name="move_of_sku"),
        ]
        permissions = [
            ("receive_stock", "Can receive stock"),
            ("write_off_stock", "Can write stock off"),
            ("adjust_stock", "Can adjust stock"),
            ("inspect_stock", "Can inspect returned stock"),
        ]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} of {self.quantity}"


class StockLevelQuerySet(models.QuerySet["StockLevel"]):
    def sellable(self) -> StockLevelQuerySet:
        return self.filter(location__kind=Location.Kind.INTERNAL)

    def locked(self, pks: Iterable[int]) -> list[StockLevel]:
        """Lock levels in the house's order, so that no two buyers wait for each other in a ring."""
        rows = self.select_for_update(no_key=True, of=("self",))
        return list(rows.filter(pk__in=set(pks)).order_by("pk"))


class StockLevel(models.Model):
    """How many of a SKU are in one of our places. Counters are written by PostgreSQL alone."""

    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="levels", db_index=False)
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    on_hand = models.IntegerField(default=0)
    # Promised to orders.
    allocated = models.IntegerField(default=0)
    # Held for baskets, for a while.
    reserved = models.IntegerField(default=0)
    # A copy of the SKU's allow_backorder, so that a CHECK can see it.
    may_backorder = models.BooleanField(default=False)
    version = models.IntegerField(default=1)

    objects = StockLevelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sku", "location"], name="level_sku_location"),
            models.CheckConstraint(
                condition=Q(on_hand__gte=0, allocated__gte=0, reserved__gte=0),
                name="level_not_negative",
            ),
            # The last guard against overselling.
            models.CheckConstraint(
                condition=Q(may_backorder=True) | Q(on_hand__gte=F("allocated") + F("reserved")),
                name="level_not_oversold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.available} available"

    @property
    def available(self) -> int:
        """What can still be promised; negative while backorders are open."""
        return self.on_hand - self.allocated - self.reserved


class Reservation(models.Model):
    """A claim on stock: held for a basket or allocated to an order line, until it ends."""

    class State(models.TextChoices):
        HELD = "held", "Held"
        ALLOCATED = "allocated", "Allocated"
        SHIPPED = "shipped", "Shipped"
        RELEASED = "released", "Released"
        EXPIRED = "expired", "Expired"

    OPEN = (State.HELD, State.ALLOCATED)

    sku = models.ForeignKey(Sku, on_delete=models.PROTECT, related_name="+", db_index=False)
    location = models.ForeignKey(
        Location, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    quantity = models.IntegerField()
    state = models.CharField(max_length=10, choices=State)
    # For whom: `orders.orderline`, 4711.
    holder = models.CharField(max_length=60)
    holder_id = models.BigIntegerField(null=True)
    key = models.CharField(max_length=120)
    # None: it does not expire.
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], name="reservation_key"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0), name="reservation_quantity_positive"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["held", "allocated"], ended_at__isnull=True)
                | Q(state__in=["shipped", "released", "expired"], ended_at__isnull=False),
                name="reservation_ended_when_closed",
            ),
        ]
        indexes = [
            # Shipping and cancelling look up what a line holds.
            models.Index(fields=["holder", "holder_id"], name="reservation_holder"),
            # The sweep looks for holds that have run out.
            models.Index(fields=["expires_at"], condition=Q(state="held"), name="reservation_due"),
            # A SKU's page lists who holds it.
            models.Index(
                fields=["sku"],
                condition=Q(state__in=["held", "allocated"]),
                name="reservation_open_of_sku",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.get_state_display().lower()}"


class LowStock(models.Model):
    """A SKU at or under its reorder point: one row from the fall until it rises above again."""

    sku = models.OneToOneField(
        Sku, on_delete=models.CASCADE, primary_key=True, related_name="low_stock"
    )
    since = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "low stock"

    def __str__(self) -> str:
        return f"low since {self.since:%Y-%m-%d %H:%M}"
