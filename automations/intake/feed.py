"""The feed for whatever no domain knows: a report stands for itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from automations.intake.inbox import DELIVERY
from automations.models.intake import Delivery
from automations.triggers import Country, Fact, Feed, Report, labelled, triggers
from backoffice.money import Money


@dataclass(frozen=True, slots=True)
class ReportFacts:
    source: str = labelled("Source", about="The key of the source, such as web-shop.")
    topic: str = labelled("Topic", about="What the sender calls this kind of message.")
    reference: str = labelled("Reference", about="What the sender calls the record it is about.")
    state: str | None = labelled("State")
    amount: Money | None = labelled("Amount")
    quantity: int | None = labelled("Quantity")
    country: Country | None = labelled("Country")
    is_urgent: bool | None = labelled("Urgent")
    happened_at: datetime | None = labelled("Happened")


@dataclass(frozen=True, slots=True)
class DeliveryPayload:
    delivery: ReportFacts | None = labelled("Report")


@triggers.register
class ReportReceived(Feed):
    """A system outside reports something; the delivery itself is what rules act on."""

    key = "automations.report_received"
    label = "Report from a system outside"
    example = "The returns portal reports that R-4711 is “inspected”."
    subject = DELIVERY
    payload_class = DeliveryPayload
    report_class = ReportFacts
    fixed = ("delivery",)

    def answers(self, reports: Sequence[Report]) -> list[Fact]:
        return [
            Fact(
                report.delivery_id,
                1,
                DeliveryPayload(report.told),
                report.occurred_at,
                report.actor,
            )
            for report in reports
        ]

    def current(self, ids: Iterable[int]) -> dict[int, DeliveryPayload]:
        """A report says what it said: all of it is fixed."""
        there = Delivery.objects.filter(pk__in=set(ids)).values_list("pk", flat=True)
        return dict.fromkeys(there, DeliveryPayload(None))
