"""Makes the demonstration company: three weeks of history that end now, and a day's open work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from decimal import Decimal
from typing import TextIO

from django.utils import timezone

from backoffice.actors import outside, person
from backoffice.models import User
from backoffice.roles import ADMINISTRATOR, FINANCE, SUPPORT
from config.demo.aftersale import live_after_the_sale
from config.demo.customers import make_customers
from config.demo.forwarding import forward_some
from config.demo.preorders import sell_some_ahead
from config.demo.promotions import add_promotions
from config.demo.rules import make_rules
from config.demo.selling import add_selling
from config.demo.slice import HISTORY_ENDS, Slice, address, chance, customer, next_delivery
from config.demo.tickets import write_letters
from config.demo.trust import add_trust
from config.imports.online_retail.classify import Document
from config.imports.online_retail.load import order_line, product_names
from config.imports.online_retail.run import find_job, load, moved_by, open_company
from finance.models.payments import Payment
from finance.models.refund_limits import RefundLimit
from finance.models.refunds import Refund
from finance.services.payments import NewPayment, record_payments
from finance.services.refunds import NewRefund, request_refunds
from finance.services.small_refunds import answer_limit, change_limit
from inventory.queries.skus import skus_by_code
from inventory.services.moves import receive_stock
from inventory.services.skus import add_skus
from inventory.services.writing import Moving
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.packages import Package
from orders.models.returns import ReturnOrder
from orders.services.carriers import ServiceEdit, add_service, edit_promise
from orders.services.customers import add_customers
from orders.services.drafts import NewOrder, OnShort
from orders.services.errors import OrderError
from orders.services.labels import Wanted, label_each
from orders.services.packing import pack_order
from orders.services.picking import start_picking
from orders.services.placing import place_orders
from orders.services.returns import inspect_returns
from orders.services.shipping import ship_order

COMPANY = "Larkfield & Wren Ltd"
SHOP = outside("Web shop")
WAREHOUSE = outside("Warehouse")
PROVIDER = "demo-pay"
# One order in so many is never paid.
_UNPAID = 12
_LETTERS = 24
_REFUNDS = 3
_PREPARED = 18


def make_company(part: Slice, out: TextIO) -> Channel:
    """Make the company, or finish making it; what is there stays as it is."""
    channel = open_company(COMPANY)
    known = find_job(part.understood.source)
    shift = timedelta(0) if known else part.shift(timezone.now())
    job = load(part.understood, channel, out, shift=shift, until=HISTORY_ENDS, dress=part.dress).job
    _promise(channel)
    _add_products(part)
    _inspect_old_returns()
    deliver(channel, "opening", part.opening_delivery())
    deliver(channel, "0", next_delivery(part.coming_orders))
    placed = place_live(channel, 0, part.open_orders, moved_by(job))
    pay_due(placed)
    ship_due(placed[: len(placed) // 3])
    prepare(placed[len(placed) // 3 :])
    pay_due(add_trust(channel)[:-1])
    pay_due(sell_some_ahead(channel))
    add_selling(channel)
    pay_due(add_promotions(channel))
    forward_some(channel)
    recent = list(
        Order.objects.filter(customer__isnull=False).order_by("-placed_at")[: _LETTERS * 6]
    )
    write_letters(recent[::6])
    _ask_for_refunds()
    _limit_refunds()
    make_customers()
    gone = [each for each in placed if each.shipments.exists()]
    live_after_the_sale(channel, gone)
    make_rules()
    return channel


def place_live(
    channel: Channel, cycle: int, documents: Sequence[Document], shift: timedelta | None = None
) -> list[Order]:
    """Place orders as a shop sends them: now, or moved in time by `shift`.

    `cycle` counts how often the slice has begun anew. An order that was placed is returned as it
    stands; one that is short of stock waits on hold.
    """
    customers = add_customers(
        [customer(each.customer, each.country) for each in documents if each.customer]
    )
    new = [
        NewOrder(
            channel=channel,
            lines=tuple(order_line(row, imported=False) for row in each.rows),
            external_id=f"live-{cycle}-{each.number}",
            number="" if cycle else each.number,
            customer_id=customers[each.customer].pk if each.customer else None,
            placed_at=None if shift is None else each.at + shift,
            ship_to=address(each.customer, each.country),
        )
        for each in documents
    ]
    return place_orders(new, on_short=OnShort.HOLD, actor=SHOP).orders


def deliver(channel: Channel, key: str, units: Mapping[str, int]) -> None:
    """Take in goods by product code, once per key."""
    skus = skus_by_code(units)
    receive_stock(
        [
            Moving(
                key=f"demo:delivery:{key}:{skus[code].pk}",
                sku_id=skus[code].pk,
                location_id=channel.location_id,
                quantity=count,
                note="delivery",
            )
            for code, count in sorted(units.items())
        ],
        actor=WAREHOUSE,
    )


def will_be_paid(order: Order) -> bool:
    return chance(order.number, _UNPAID) != 0


def pay_due(orders: Sequence[Order]) -> None:
    """Pay what is due on these orders; some customers never do."""
    due = [order for order in orders if order.total > order.amount_paid and will_be_paid(order)]
    now = timezone.now()
    record_payments(
        [
            NewPayment(
                order_id=order.pk,
                provider=PROVIDER,
                external_id=f"{PROVIDER}-{order.number}",
                amount=order.total_money,
                received_at=min(now, order.placed_at + timedelta(seconds=40)),
                method=Payment.Method.CARD,
            )
            for order in due
        ],
        actor=outside(PROVIDER),
    )


def ship_due(orders: Sequence[Order]) -> int:
    """Ship these orders where nothing stands against it; returns how many left."""
    left = 0
    for order in orders:
        try:
            ship_order(
                order.pk, carrier="Royal Mail", key=f"demo:shipment:{order.pk}", actor=WAREHOUSE
            )
        except OrderError:
            continue  # on hold, unpaid or short: it waits for people, as it should
        left += 1
    return left


def _promise(channel: Channel) -> None:
    """What is paid before half past four leaves the next collection day."""
    if channel.service_id is not None:
        return
    edit = ServiceEdit(
        carrier="Royal Mail",
        name="Tracked 48",
        time_zone="Europe/London",
        cutoff=time(16, 30),
        weekdays=[1, 2, 3, 4, 5, 6],
        calendar=None,
        price=Decimal("3.85"),
        currency=channel.currency,
        transit_days=2,
    )
    known = CarrierService.objects.filter(carrier=edit.carrier, name=edit.name).first()
    service = known or add_service(edit, actor=WAREHOUSE)
    edit_promise(
        channel.pk,
        service=service,
        promise_days=1,
        arrives_days=5,
        version=None,
        actor=WAREHOUSE,
    )
    channel.refresh_from_db()


def prepare(orders: Sequence[Order]) -> None:
    """The warehouse at work: some on the pick list, some packed, a few with their labels."""
    if Package.objects.exists():
        return
    ready: list[Order] = []
    for order in orders:
        if len(ready) < _PREPARED and start_picking([order.pk], actor=WAREHOUSE).changed:
            ready.append(order)
    for number, order in enumerate(ready[_PREPARED // 3 :]):
        try:
            package = pack_order(order.pk, actor=WAREHOUSE)
            service_id = order.channel.service_id
            if number % 2 and service_id is not None:
                wanted = Wanted(package.pk, service_id, f"demo:{package}", f"RM{package.pk:09}GB")
                label_each([wanted], actor=WAREHOUSE)
        except OrderError:
            continue


def _add_products(part: Slice) -> None:
    """Products that nobody bought before the last day."""
    names = product_names(part.understood.documents)
    add_skus([part.dress.sku(code, name) for code, name in names.items()], actor=WAREHOUSE)


def _inspect_old_returns() -> None:
    """Everything that came back over a week ago has been looked at; the rest waits."""
    before = timezone.now() - timedelta(days=7)
    waiting = ReturnOrder.objects.filter(
        is_history=True, state=ReturnOrder.State.RECEIVED, received_at__lt=before
    )
    inspect_returns(waiting.values_list("pk", flat=True), history=True, actor=WAREHOUSE)


def _limit_refunds() -> None:
    """What one person pays back alone: a limit in force, and a higher one that waits."""
    people = User.objects.filter(is_active=True).order_by("pk")
    finance = people.filter(groups__name=FINANCE).first()
    second = people.filter(groups__name=ADMINISTRATOR).first()
    if finance is None or second is None or RefundLimit.objects.exists():
        return
    small, more, day = Decimal(20), Decimal(40), Decimal(200)
    change_limit("GBP", small, day, actor=person(finance))
    answer_limit("GBP", small, day, agrees=True, actor=person(second))
    change_limit("GBP", more, day, actor=person(finance))


def _ask_for_refunds() -> None:
    """A few requests that wait for somebody of finance."""
    clerk = User.objects.filter(groups__name=SUPPORT, is_active=True).order_by("pk").first()
    if clerk is None:
        return
    returned = ReturnOrder.objects.filter(
        is_history=True, order__isnull=False, order__amount_paid__gt=0, amount__gt=5
    ).select_related("order")
    asked = [
        NewRefund(
            order_id=back.order.pk,
            amount=back.order.money(min(back.amount, back.order.amount_paid)),
            reason=Refund.Reason.RETURNED,
            actor=person(clerk),
            key=f"demo:refund:{back.number}",
        )
        for back in returned.order_by("-received_at", "pk")[:_REFUNDS]
        if back.order is not None
    ]
    request_refunds(asked)
