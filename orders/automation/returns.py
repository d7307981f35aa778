"""Facts of returns that rules can start on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.triggers import Fact, Trigger, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import (
    ClaimsFacts,
    ReturnFacts,
    ReturnPayload,
    customer_facts,
    line_facts,
    returned_order,
    told,
)
from orders.models.returns import ReturnOrder
from orders.queries.customers import Lately, lately
from orders.queries.figures import (
    ClaimFigures,
    Inspected,
    LineFigures,
    claims_by_order,
    inspected_by_return,
    return_lines,
    returns_by_id,
)


def return_payloads(ids: Iterable[int]) -> dict[int, ReturnPayload]:
    """Returns as they stand now, by id."""
    rows = returns_by_id(ids)
    lines = return_lines(rows)
    habits = lately(row.customer_id for row in rows.values())
    found = inspected_by_return(rows)
    claims = claims_by_order(row.order_id for row in rows.values() if row.order_id)
    return {pk: _payload(row, lines, habits, found, claims) for pk, row in rows.items()}


def _payload(
    row: ReturnOrder,
    lines: Mapping[int, Sequence[LineFigures]],
    habits: Mapping[int, Lately],
    found: Mapping[int, Inspected],
    claims: Mapping[int, Sequence[ClaimFigures]],
) -> ReturnPayload:
    goods = found.get(row.pk, Inspected(0, 0))
    complaints = claims.get(row.order_id or 0, ())
    since = row.inspected_at or row.requested_at
    facts = ReturnFacts(
        number=row.number,
        state=row.state,
        reason=row.reason,
        channel=row.channel.key,
        amount=told(row.amount, row.currency),
        units=row.units,
        has_order=row.order is not None,
        late=row.is_late,
        return_by=row.return_by,
        requested_at=row.requested_at,
        authorised_at=row.authorised_at,
        received_at=row.received_at,
        inspected_at=row.inspected_at,
        condition=_condition(goods),
        scrapped=goods.scrapped,
        lines=line_facts(lines.get(row.pk, ()), row.currency),
    )
    before = row.order.orders_before if row.order else 0
    return ReturnPayload(
        facts,
        returned_order(row.order) if row.order else None,
        customer_facts(row.customer, before, habits),
        ClaimsFacts(
            open=sum(claim.is_open for claim in complaints),
            since=sum(claim.opened_at > since for claim in complaints),
        ),
    )


def _condition(goods: Inspected) -> str | None:
    if not goods.scrapped:
        return "fit" if goods.restocked else None
    return "partly" if goods.restocked else "damaged"


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
