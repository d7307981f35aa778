"""A rule that opens a ticket, the queue it names, and orders that make it act or fail."""

from __future__ import annotations

from typing import Any

from automations.models.failures import Failure
from automations.models.rules import Rule
from backoffice.actors import HOUSE
from orders.models.channels import Channel
from orders.models.orders import Order
from support.models import Queue
from support.services.queues import close_queue
from tests.automations import factories as make
from tests.inventory.factories import make_sku
from tests.orders import factories as orders
from tests.support.factories import make_queue

TAGS = {"uid": "a1", "do": "orders.add_tag", "with": {"tag": "high-value"}}
OPENS = {
    "uid": "a2",
    "do": "support.open_ticket",
    "with": {
        "queue": "export",
        "priority": "high",
        "subject": {"text": "Check export papers of {{ order.number }}"},
        "message": "Look at the declared value.",
    },
}
DEAR_ABROAD = {
    "all": [
        {"field": "order.total", "op": "gte", "value": {"amount": "500.00", "currency": "GBP"}},
        {"field": "order.country", "op": "is_not", "value": "GB"},
    ]
}


def export_rule(**changes: Any) -> Rule:
    """Live: orders of £500.00 and more that leave the United Kingdom get a tag and a ticket."""
    given: dict[str, Any] = {
        "name": "Check exports of high value",
        "fallback": "Open a ticket for the export desk by hand.",
        "trigger": {"on": "orders.order_placed"},
        "when": DEAR_ABROAD,
        "steps": [TAGS, OPENS],
    }
    return make.live_rule(**{**given, **changes})


def shop() -> Channel:
    return Channel.objects.filter(key="shop").first() or orders.make_channel()


def dear_order(price: str = "640.00", **fields: Any) -> Order:
    """An order of £640.00 to France."""
    fields.setdefault("channel", shop())
    number = Order.objects.count() + 1
    return orders.place(orders.line(make_sku(f"KB-{number:03}", stock=5), price=price), **fields)


def queues() -> tuple[Queue, Queue]:
    """The queue that the rule names, and another."""
    return make_queue("export", "Export desk"), make_queue("parcels", "Parcels")


def failed_run(count: int = 1) -> list[Failure]:
    """Runs of the rule that met a queue which was closed after the approval."""
    export, other = queues()
    export_rule()
    close_queue(export, move_to=other, actor=HOUSE)
    for _ in range(count):
        dear_order()
    make.work_all()
    return list(Failure.objects.order_by("pk"))
