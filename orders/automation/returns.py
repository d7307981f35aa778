"""Facts of returns that rules can start on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.triggers import Fact, Trigger, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import ReturnPayload, return_payload
from orders.models.returns import ReturnOrder
from orders.queries.customers import lately
from orders.queries.figures import return_lines, returns_by_id


def return_payloads(ids: Iterable[int]) -> dict[int, ReturnPayload]:
    """Returns as they stand now, by id."""
    rows = returns_by_id(ids)
    lines = return_lines(rows)
    habits = lately(row.customer_id for row in rows.values())
    return {pk: return_payload(row, lines, habits) for pk, row in rows.items()}


class _ReturnTrigger(Trigger):
    subject = "orders.returnorder"
    customer = "customer.number"
    payload_class = ReturnPayload

    def facts(
        self, *, returns: Sequence[ReturnOrder], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = self.current([row.pk for row in returns])
        return [
            Fact(
                subject_id=row.pk,
                subject_version=row.version,
                payload=payloads[row.pk],
                occurred_at=self.moment(row),
                actor=actor.of(row.pk),
                history=history,
            )
            for row in returns
        ]

    def current(self, ids: Iterable[int]) -> dict[int, ReturnPayload]:
        return return_payloads(ids)

    def moment(self, row: ReturnOrder) -> datetime:
        return row.requested_at


@triggers.register
class ReturnRequested(_ReturnTrigger):
    key = "orders.return_requested"
    label = "Return asked for"
    example = "A customer asks to send back 2 units of order 1000123."
    signal = signals.returns_requested


@triggers.register
class ReturnReceived(_ReturnTrigger):
    key = "orders.return_received"
    label = "Return received"
    example = "The warehouse takes in return R100042."
    signal = signals.returns_received

    def moment(self, row: ReturnOrder) -> datetime:
        return row.received_at or row.requested_at


@triggers.register
class ReturnAuthorised(_ReturnTrigger):
    key = "orders.return_authorised"
    label = "Return authorised"
    example = "Support lets 2 units of order 1000123 come back."
    signal = signals.returns_authorised

    def moment(self, row: ReturnOrder) -> datetime:
        return row.authorised_at or row.requested_at


@triggers.register
class ReturnRefused(_ReturnTrigger):
    key = "orders.return_refused"
    label = "Return refused"
    example = "Support refuses return R100042: too late."
    signal = signals.returns_refused

    def moment(self, row: ReturnOrder) -> datetime:
        return timezone.now()


@triggers.register
class ReturnInspected(_ReturnTrigger):
    key = "orders.return_inspected"
    label = "Return inspected"
    example = "The warehouse puts 2 units of return R100042 back in stock and scraps one."
    signal = signals.returns_inspected

    def moment(self, row: ReturnOrder) -> datetime:
        return row.inspected_at or row.requested_at
