"""Tickets stand and fall with their order: what blocks the order blocks them too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from automations.cases import Tie, ties
from support.models import Ticket


@ties.register
class TicketOfOrder(Tie):
    key, subject, to = "support.ticket_of_order", "support.ticket", "orders.order"

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        rows = Ticket.objects.filter(pk__in=ids, order__isnull=False)
        return {pk: order_id for pk, order_id in rows.values_list("pk", "order_id") if order_id}
