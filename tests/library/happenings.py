"""What happens in a shop, for templates of rules to act on or to leave alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import buttons
from automations.services.errors import NotPossible
from backoffice.actors import HOUSE, person
from backoffice.money import Money
from finance.services.refunds import approve_refund, request_refund
from inventory.models import Sku
from inventory.services.moves import write_off_stock
from orders.models.carts import Cart
from orders.models.channels import Channel
from orders.models.claims import Claim
from orders.models.customers import Customer
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.models.promotions import Promotion
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.services.cancelling import cancel_orders
from orders.services.carts import NewCart, NewCartLine, receive_carts, sweep_carts
from orders.services.claims import open_claim
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address, NewLine
from orders.services.holds import hold_orders
from orders.services.payment import Amount, mark_orders_paid
from orders.services.preorders import move_preorder
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    inspect_returns,
    receive_returns,
    request_returns,
)
from orders.services.segments import write_segment
from orders.services.shipping import ship_order
from support.models import Ticket
from tests.automations import factories as make
from tests.finance import factories as money
from tests.intake import factories as hooks
from tests.inventory.factories import make_sku, moving, receive
from tests.orders import trust
from tests.orders.factories import fresh, line, make_channel, pay, place, sell_ahead
from tests.orders.prices import set_price
from tests.orders.promotions import started
from tests.support.factories import open_ticket

_number = count(1)
CANCEL, HOLD, RETURN = Order.CancelReason, Hold.Reason, ReturnOrder.Reason


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def pounds(amount: str) -> Money:
    return Money(Decimal(amount), "GBP")


def shop() -> Channel:
    return Channel.objects.filter(key="shop").first() or make_channel()


def product(code: str = "MUG", **given: Any) -> Sku:
    return Sku.objects.filter(code=code).first() or make_sku(code, **{"stock": 500, **given})


def customer(kind: Customer.Kind = Customer.Kind.PERSON) -> Customer:
    number = f"C-{next(_number)}"
    new = NewCustomer(number, name="Grace Holloway", email="g@example.com", country="GB", kind=kind)
    return add_customers([new])[number]


def order(total: str = "64.00", units: int = 1, country: str = "GB", **given: Any) -> Order:
    """An order of mugs, of a customer who is new to us."""
    each = str(Decimal(total) / units)
    fields = {"ship_to": Address(name="Grace", country=country), "channel": shop(), **given}
    if "customer_id" not in fields:
        fields["customer_id"] = customer().pk
    return place(line(product(), units, each), **fields)


def paid_at(known: Order, at: datetime | None = None) -> Order:
    return mark_orders_paid([Amount(known.pk, known.total_money, at)], actor=HOUSE)[0]


def regular(orders: int, spent: str) -> int:
    """A customer who has placed and paid so many orders."""
    known = customer().pk
    for _ in range(orders):
        pay(order(spent, customer_id=known, placed_at=ago(days=40)))
    return known


def stayed_away(segment: str) -> None:
    """A customer of two orders, long ago, comes into a segment."""
    known = customer().pk
    for _ in range(2):
        pay(order("20.00", customer_id=known, placed_at=ago(days=200)))
    away = {"field": "customer.last_order_at", "op": "older_than", "value": "P182D"}
    write_segment(segment, {"all": [away]}, actor=HOUSE)


def returned(
    amount: str, reason: str = RETURN.UNWANTED, *, take_in: bool = False, late: bool = False
) -> None:
    sold = pay(order(amount))
    ship_order(sold.pk, actor=HOUSE)
    if late:
        Shipment.objects.filter(order=sold).update(shipped_at=ago(days=60))
    lines = (NewReturnLine(1, order_line_id=sold.lines.get().pk),)
    new = NewReturn(channel=sold.channel, order_id=sold.pk, lines=lines, reason=RETURN(reason))
    (back,) = request_returns([new], actor=HOUSE)
    if take_in:
        receive_returns([back.pk], actor=HOUSE)


def inspected(*, scrap: bool, claims: bool = False) -> None:
    """A lamp comes back and is looked at; a day goes by."""
    returned("64.00", take_in=True)
    back = ReturnOrder.objects.get()
    scrapped = {item.pk: item.quantity for item in back.lines.all()} if scrap else {}
    inspect_returns([back.pk], scrap=scrapped, actor=HOUSE)
    make.work_all()
    if claims:
        units = {back.lines.get().order_line_id or 0: 1}
        open_claim(back.order_id or 0, units, reason=Claim.Reason.DAMAGED, actor=HOUSE)
    Run.objects.filter(state="waiting").update(run_after=ago(minutes=1))


def claimed(amount: str) -> None:
    """A day goes by."""
    sold = pay(order(amount))
    ship_order(sold.pk, actor=HOUSE)
    units = {sold.lines.get().pk: 1}
    open_claim(sold.pk, units, reason=Claim.Reason.DAMAGED, actor=HOUSE)
    make.work_all()
    Run.objects.filter(state="waiting").update(run_after=ago(minutes=1))


def reports(feed: str, state: str) -> None:
    """A system outside tells of an order, by a signed webhook."""
    source, known = hooks.source(), order()
    mapping = {"order": {"at": "data.order"}, "state": {"at": "data.status"}}
    hooks.read(source, mapping, feed=feed)
    hooks.send(source, hooks.message(order=known.number, status=state))
    hooks.take_all()


def press(known: Order) -> None:
    rule, clerk = Rule.objects.latest("pk"), make.staff("support", "clerk")
    buttons.press("orders.order", rule.pk, known.pk, after=0, user=clerk)


def refuses_to_press() -> None:
    known = order()
    cancel_orders([known.pk], reason=CANCEL.CUSTOMER, actor=HOUSE)
    try:
        press(known)
    except NotPossible:
        return
    raise AssertionError("The button was there.")


def second_refund() -> None:
    first_refund()
    (known,) = Order.objects.all()
    decider = person(make.staff("finance", "decider"))
    asked = known.refunds.get()
    approve_refund(asked, amount=asked.money, version=asked.version, actor=decider)
    request_refund(fresh(known), pounds("30.00"), "goodwill", actor=HOUSE)


def first_refund() -> None:
    known = money.make_paid_order("100.00")
    request_refund(known, pounds("30.00"), "damaged", actor=HOUSE)


def paid_twice(extra: str) -> None:
    known = money.make_order("60.00")
    money.pay(known, str(Decimal("60.00") + Decimal(extra)))


def cancelled(total: str) -> None:
    known = money.make_paid_order(total)
    cancel_orders([known.pk], reason=CANCEL.CUSTOMER, actor=HOUSE)


def falls_low(**given: Any) -> None:
    sku = make_sku("LAMP", stock=6, reorder_point=5, **given)
    write_off_stock([moving(sku, 2)], actor=HOUSE)


def written_off(units: int) -> None:
    sku = make_sku("LAMP", stock=50, cost=pounds("15.00"))
    write_off_stock([moving(sku, units)], actor=HOUSE)


def ticket(about: Order | None = None, **given: Any) -> Ticket:
    return open_ticket(order=about, **given)


def several(*acts: Callable[[], object]) -> None:
    """One after the other."""
    for act in acts:
        act()


def two_alike(apart: timedelta) -> None:
    known = customer().pk
    order("64.00", 2, customer_id=known, placed_at=timezone.now() - apart)
    order("64.00", 2, customer_id=known)


def waits(known: Order, *, ships: bool) -> None:
    """Two days go by."""
    paid_at(known)
    make.work_all()
    if ships:
        ship_order(known.pk, actor=HOUSE)
    Run.objects.filter(state="waiting").update(run_after=ago(minutes=1))


def left_behind(total: str) -> Cart:
    """A customer leaves a cart of mugs; a day goes by."""
    goods = (NewCartLine(1, Decimal(total), product().code),)
    buyer = customer().pk
    new = NewCart(shop(), f"cart-{next(_number)}", ago(hours=2), goods, customer_id=buyer)
    (cart,) = receive_carts([new], actor=HOUSE).carts
    sweep_carts(now=timezone.now() + timedelta(minutes=2))
    make.work_all()
    Run.objects.filter(state="waiting").update(run_after=ago(minutes=1))
    return cart


def piled_up(units: int) -> None:
    """So many mugs of one kind, which have a price."""
    known = make_sku("MUG2")
    receive(known, units)
    set_price("10.00", known, shop())


def fragile(*fragile: bool) -> None:
    skus = [make_sku(f"F{n}", stock=5, is_fragile=each) for n, each in enumerate(fragile)]
    place(*(line(sku) for sku in skus), channel=shop())


def paid_fragile(*fragile: bool) -> None:
    skus = [make_sku(f"F{n}", stock=5, is_fragile=each) for n, each in enumerate(fragile)]
    pay(place(*(line(sku) for sku in skus), channel=shop()))


def stopped(*weights: int) -> None:
    kinds: dict[Any, dict[str, Any]] = {
        trust.Kind.MISMATCH: {},
        trust.Kind.REGION: {"countries": ["FR"]},
    }
    for weight, (kind, fields) in zip(weights, kinds.items(), strict=False):
        trust.make_signal(kind, weight=weight, **fields)
    trust.suspect(channel=shop())


def misdirected(postcode: str) -> None:
    careful = make_channel("careful", checks_addresses=True)
    order(channel=careful, ship_to=replace(trust.BATH, postcode=postcode))


def held(known: Order, reason: str) -> None:
    hold_orders([known.pk], reason=HOLD(reason), actor=HOUSE)


def taken_off(percent: int) -> None:
    """A promotion takes so much off an order."""
    started(kind=Promotion.Kind.TIME, percent=Decimal(percent), ends_at=ago(days=-1))
    order()


def moved_by(days: int) -> None:
    """What was promised in thirty days is promised in so many."""
    ahead = sell_ahead(product("LAMP", stock=0), channel=shop())
    known = customer().pk
    place(line(product("LAMP")), channel=shop(), customer_id=known)
    to = timezone.localdate() + timedelta(days=days)
    move_preorder(ahead.pk, to, why="The ship is late", actor=HOUSE)


def gift_card() -> None:
    card = NewLine(1, Decimal(20), kind=OrderLine.Kind.GIFT_CARD, description="Card")
    waits(place(card, channel=shop()), ships=False)
