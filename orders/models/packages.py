"""Parcels: what is in them, their labels, and what carriers tell of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import Money
from inventory.models import Location
from orders.models.carriers import CarrierService
from orders.models.orders import Order, OrderLine
from orders.models.shipments import Shipment


class Package(models.Model):
    """One parcel of an order, from packing to delivery. Its state only ever goes forward."""

    class State(models.TextChoices):
        PACKED = "packed", "Packed"
        ANNOUNCED = "announced", "Announced to the carrier"
        MOVING = "moving", "On its way"
        OUT_FOR_DELIVERY = "out_for_delivery", "Out for delivery"
        AT_PICKUP_POINT = "at_pickup_point", "At a pickup point"
        DELIVERED = "delivered", "Delivered"
        RETURNING = "returning", "On its way back"
        RETURNED = "returned", "Back with us"

    class Trouble(models.TextChoices):
        OVERSIZE = "oversize", "Too heavy or too large"
        COUNTRY = "country", "The service does not go there"
        ADDRESS = "address", "The address is incomplete"
        CUSTOMS = "customs", "Customs data is missing"
        VALUE = "value", "Worth more than the service takes"
        COVER = "cover", "Neither insured nor agreed"
        REFUSED = "refused", "The carrier refused it"
        FAILED = "failed", "Could not be delivered"
        LOST = "lost", "Lost or damaged"

    # What carriers report, and what our own checks find before a label is bought.
    REPORTED = (Trouble.FAILED, Trouble.LOST)

    number = models.CharField(max_length=50, unique=True)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="packages")
    location = models.ForeignKey(
        Location, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    weight_grams = models.IntegerField(null=True, blank=True)
    # The longest side.
    side_cm = models.IntegerField(null=True, blank=True)
    declared_value = models.DecimalField(max_digits=19, decimal_places=4)
    currency = models.CharField(max_length=3)
    # It crosses a customs border: no label without code, origin and value of each line.
    needs_customs = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=State, default=State.PACKED)
    trouble = models.CharField(max_length=8, choices=Trouble, blank=True, default="")
    trouble_note = models.CharField(max_length=300, blank=True, default="")
    # Set when it has left.
    shipment = models.OneToOneField(
        Shipment, null=True, on_delete=models.PROTECT, related_name="package"
    )
    packed_at = models.DateTimeField(db_default=Now())
    # Taken apart again, its units open once more.
    unpacked_at = models.DateTimeField(null=True)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(weight_grams__isnull=True) | Q(weight_grams__gt=0),
                name="package_weight",
            ),
            models.CheckConstraint(
                condition=Q(declared_value__gte=0, currency__regex="^[A-Z]{3}$"),
                name="package_declared_value",
            ),
            models.CheckConstraint(
                condition=Q(unpacked_at__isnull=True) | Q(shipment__isnull=True),
                name="package_left_is_not_unpacked",
            ),
        ]
        indexes = [
            # The list, newest first, and those that need somebody.
            models.Index(fields=["-packed_at", "-id"], name="package_newest"),
            models.Index(fields=["packed_at"], condition=~Q(trouble=""), name="package_in_trouble"),
            # Where the next news is due.
            models.Index(
                fields=["id"],
                condition=Q(state__in=["moving", "out_for_delivery", "returning"]),
                name="package_under_way",
            ),
        ]
        permissions = [("pack_order", "Can pack orders, label parcels and hand them over")]

    def __str__(self) -> str:
        return self.number

    @property
    def declared(self) -> Money:
        return Money(self.declared_value, self.currency)


class PackageLine(models.Model):
    """Units of an order line in a parcel, with what customs ask about them."""

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="lines")
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+")
    quantity = models.IntegerField()
    hs_code = models.CharField("HS code", max_length=10, blank=True, default="")
    origin = models.CharField("country of origin", max_length=2, blank=True, default="")
    # In the order's currency; None where nobody has said.
    unit_value = models.DecimalField(max_digits=19, decimal_places=4, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["package", "order_line"], name="package_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="package_line_quantity"),
            models.CheckConstraint(
                condition=Q(hs_code="") | Q(hs_code__regex="^[0-9]{6,10}$"),
                name="package_line_hs_code",
            ),
            models.CheckConstraint(
                condition=Q(origin="") | Q(origin__regex="^[A-Z]{2}$"),
                name="package_line_origin",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of line {self.order_line_id}"

    @property
    def is_declared(self) -> bool:
        """Whether all is known that customs ask about it."""
        return bool(self.hs_code and self.origin) and self.unit_value is not None


class Label(models.Model):
    """One attempt to get a label for a parcel. Attempts are never deleted; one at most is live."""

    class State(models.TextChoices):
        BUYING = "buying", "Being bought"
        BOUGHT = "bought", "Bought"
        FAILED = "failed", "Refused"
        VOID_REQUESTED = "void_requested", "Void asked for"
        VOIDED = "voided", "Voided"

    LIVE = (State.BUYING, State.BOUGHT, State.VOID_REQUESTED)

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="labels")
    service = models.ForeignKey(CarrierService, on_delete=models.PROTECT, related_name="+")
    # One per intent: it goes to the carrier as our reference, so that a retry finds the same label.
    key = models.CharField(max_length=120, unique=True)
    state = models.CharField(max_length=14, choices=State, default=State.BUYING)
    carrier = models.CharField(max_length=60)
    tracking = models.CharField(max_length=80, blank=True, default="")
    # What the carrier calls it.
    reference = models.CharField(max_length=120, blank=True, default="")
    cost = models.DecimalField(max_digits=19, decimal_places=4, null=True)
    cost_currency = models.CharField(max_length=3, blank=True, default="")
    says = models.CharField(max_length=300, blank=True, default="")
    # Whoever buys it has until then; later another attempt looks it up first.
    buying_until = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    actor_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            # No parcel is paid for twice.
            models.UniqueConstraint(
                fields=["package"],
                condition=Q(state__in=["buying", "bought", "void_requested"]),
                name="label_one_live",
            ),
            # One tracking number stands on one parcel.
            models.UniqueConstraint(
                fields=["carrier", "tracking"],
                condition=Q(state__in=["bought", "void_requested"]) & ~Q(tracking=""),
                name="label_tracking_once",
            ),
            models.CheckConstraint(
                condition=~Q(state="bought") | ~Q(tracking=""), name="label_bought_has_tracking"
            ),
        ]

    def __str__(self) -> str:
        return self.tracking or self.key


class TrackerEvent(models.Model):
    """What a carrier said of a parcel, once. Append-only."""

    class State(models.TextChoices):
        ANNOUNCED = "announced", "Announced"
        MOVING = "moving", "On its way"
        OUT_FOR_DELIVERY = "out_for_delivery", "Out for delivery"
        AT_PICKUP_POINT = "at_pickup_point", "At a pickup point"
        DELIVERED = "delivered", "Delivered"
        RETURNING = "returning", "On its way back"
        RETURNED = "returned", "Back with us"
        FAILED = "failed", "Could not be delivered"
        LOST = "lost", "Lost or damaged"

    package = models.ForeignKey(Package, on_delete=models.PROTECT, related_name="events")
    # The carrier's own id of the event, or its state and time: told twice, it counts once.
    key = models.CharField(max_length=120)
    state = models.CharField(max_length=16, choices=State)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    note = models.CharField(max_length=200, blank=True, default="")
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["package", "key"], name="tracker_event_once"),
        ]

    def __str__(self) -> str:
        return self.get_state_display()
