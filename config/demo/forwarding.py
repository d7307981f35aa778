"""A warehouse of others that ships for the company: shipments at each step, one unanswered."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal

from django.utils import timezone

from backoffice.actors import HOUSE, outside
from finance.models.payments import Payment
from finance.services.payments import NewPayment, record_payments
from inventory.models import Location
from inventory.services.moves import receive_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.models.places import ChannelPlace
from orders.services.drafts import Address, NewLine, NewOrder
from orders.services.forwarders import add_forwarder
from orders.services.forwarding import acknowledge, forward_ready, mark_sent, notice_unanswered
from orders.services.placing import place_orders

SHOP, WAREHOUSE = outside("Web shop"), outside("Warehouse")
CODE, NAME, PRICE = "BENCH-OAK", "Garden bench, oak", Decimal("189.00")
_ORDERS = 6


def forward_some(channel: Channel) -> None:
    """Orders of a bench that a warehouse in Tilburg keeps and sends, once."""
    if Forwarder.objects.exists():
        return
    place, _ = Location.objects.get_or_create(
        code="TILBURG",
        defaults={
            "name": "Tilburg", "kind": Location.Kind.INTERNAL,
            "legal_entity_id": channel.legal_entity_id,
        },
    )  # fmt: skip
    ChannelPlace.objects.get_or_create(channel=channel, location=place, defaults={"priority": 5})
    values = {
        "location": place, "name": "Brabant Fulfilment", "kind": Forwarder.Kind.WAREHOUSE,
        "answer_hours": 4, "opens_at": time(8), "closes_at": time(18),
        "time_zone": "Europe/Amsterdam",
    }  # fmt: skip
    add_forwarder(values, actor=WAREHOUSE)
    bench = add_skus([NewSku(code=CODE, name=NAME)], actor=WAREHOUSE)[CODE]
    receive_stock(
        [Moving("demo:benches", bench.pk, place.pk, 20, note="delivery")], actor=WAREHOUSE
    )
    _order_benches(channel)
    forward_ready()
    rows = list(ForwardedOrder.objects.order_by("pk"))
    for row in rows[: _ORDERS // 2 + 1]:
        mark_sent(row.pk, actor=WAREHOUSE)
    if len(rows) > 2:
        acknowledge(rows[0].pk, theirs="BF-20931", actor=WAREHOUSE)
        # One was told long ago.
        first = ForwardedOrder.objects.filter(pk=rows[1].pk)
        first.update(answer_by=timezone.now() - timedelta(hours=2))
        notice_unanswered(actor=HOUSE)


def _order_benches(channel: Channel) -> None:
    buyers = Customer.objects.filter(merged_into=None, country="GB").order_by("pk")[:_ORDERS]
    new = [
        NewOrder(
            channel,
            (NewLine(1, PRICE, CODE, description=NAME),),
            external_id=f"bench-{n}",
            customer_id=buyer.pk,
            placed_at=timezone.now() - timedelta(hours=9 + n),
            ship_to=Address(buyer.name, f"{n + 11} Meadow Road", "Leeds", "LS1 4DY", "GB"),
        )
        for n, buyer in enumerate(buyers)
    ]
    orders = place_orders(new, actor=SHOP).orders
    record_payments(
        [
            NewPayment(
                order.pk, "demo-pay", f"demo-pay-bench-{order.number}", order.total_money,
                order.placed_at, method=Payment.Method.CARD,
            )
            for order in orders
        ],
        actor=outside("demo-pay"),
    )  # fmt: skip
