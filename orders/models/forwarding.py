"""Shipments that somebody else sends for us: a supplier, or a warehouse that is not ours."""

from __future__ import annotations

from datetime import time

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Cast, Concat, Now
from simple_history.models import HistoricalRecords

from backoffice.models import Calendar
from inventory.models import Location
from orders.models.orders import Order
from orders.models.packages import Package


class Forwarder(models.Model):
    """Who ships from a place of ours: what is to leave there is forwarded to them."""

    class Kind(models.TextChoices):
        SUPPLIER = "supplier", "Supplier"
        WAREHOUSE = "3pl", "Warehouse of others (3PL)"

    location = models.OneToOneField(Location, on_delete=models.PROTECT, related_name="forwarder")
    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    # How it hears of shipments: staff tell it by hand, or a connector of this key.
    port = models.CharField(max_length=40, default="by_hand")
    # It answers within so many of its working hours.
    answer_hours = models.SmallIntegerField("answers within, in working hours", default=8)
    time_zone = models.CharField(max_length=40, default="Europe/London")
    opens_at = models.TimeField("works from", default=time(9))
    closes_at = models.TimeField("works until", default=time(17))
    # Days it does not work. None: Saturdays and Sundays.
    calendar = models.ForeignKey(
        Calendar, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    is_active = models.BooleanField("active", default=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(answer_hours__gt=0, answer_hours__lte=400), name="forwarder_hours"
            ),
            models.CheckConstraint(
                condition=Q(closes_at__gt=models.F("opens_at")), name="forwarder_day"
            ),
        ]
        permissions = [("run_forwarding", "Can forward shipments and note what came of them")]

    def __str__(self) -> str:
        return self.name


class ForwardedOrder(models.Model):
    """One parcel of an order that somebody else sends; what they are told carries `reference`."""

    class State(models.TextChoices):
        TO_SEND = "to_send", "To send"
        SENT = "sent", "Sent, no answer yet"
        UNANSWERED = "unanswered", "No answer in time"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        REFUSED = "refused", "Refused"
        SHIPPED = "shipped", "Shipped"
        WITHDRAWN = "withdrawn", "Withdrawn"

    # They know of it and may ship it any moment.
    KNOWN = (State.SENT, State.UNANSWERED, State.ACKNOWLEDGED)

    number = models.GeneratedField(
        expression=Concat(Value("FW-"), Cast("id", models.CharField())),
        output_field=models.CharField(max_length=30),
        db_persist=True,
    )
    # One for each parcel: nothing is forwarded twice.
    package = models.OneToOneField(Package, on_delete=models.PROTECT, related_name="forwarded")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="forwarded")
    forwarder = models.ForeignKey(Forwarder, on_delete=models.PROTECT, related_name="forwarded")
    # Ours, and the same however often it is sent.
    reference = models.CharField(max_length=60, unique=True)
    state = models.CharField(max_length=12, choices=State, default=State.TO_SEND)
    made_at = models.DateTimeField(db_default=Now())
    sends = models.IntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    answer_by = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    their_reference = models.CharField(max_length=80, blank=True, default="")
    refused_why = models.CharField(max_length=300, blank=True, default="")
    # While a connector tells them, no other worker does.
    claimed_until = models.DateTimeField(null=True, blank=True)
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="forwardedorder_number_once"),
            models.CheckConstraint(
                condition=Q(state__in=["to_send", "withdrawn"], sends=0, sent_at__isnull=True)
                | ~Q(state__in=["to_send", "withdrawn"]),
                name="forwardedorder_unsent",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["sent", "unanswered"])
                | Q(sends__gt=0, sent_at__isnull=False, answer_by__isnull=False),
                name="forwardedorder_sent_with_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="refused") | ~Q(refused_why=""),
                name="forwardedorder_refused_why",
            ),
        ]
        indexes = [
            models.Index(fields=["-made_at", "-id"], name="forwardedorder_newest"),
            # The sweep: who has not answered in time.
            models.Index(
                fields=["answer_by"], condition=Q(state="sent"), name="forwardedorder_waiting"
            ),
        ]

    def __str__(self) -> str:
        return str(self.number)
