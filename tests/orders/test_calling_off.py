"""Cancelling: stock is free again, labels are given back, and what was booked is reversed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.models import User
from finance.models.ledger import JournalEntry
from finance.queries import trial_balance
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label
from orders.services import ports
from orders.services.calling_off import call_off_order
from orders.services.drafts import NewLine
from orders.services.errors import AlreadyShipped, LabelExists, PickingBegun
from orders.services.packing import pack_order
from orders.services.picking import start_picking
from orders.services.shipping import ship_order
from tests.finance import factories as money
from tests.inventory.factories import level, make_sku
from tests.orders.factories import fresh
from tests.orders.parcels import Post, buy, by_post, paid

pytestmark = pytest.mark.django_db
FRAUD = Order.CancelReason.FRAUD


@pytest.fixture
def post() -> Iterator[Post]:
    """The carrier behind the service that these tests ship with."""
    carrier = Post()
    ports.PORTS["post"] = carrier
    yield carrier
    del ports.PORTS["post"]


@pytest.mark.requirement("R67")
def test_cancelling_frees_the_stock_and_gives_the_label_back(
    client: Client, operations_user: User
) -> None:
    order = paid(2)
    label = buy(pack_order(order.pk, actor=HOUSE))
    assert level(make_sku()).allocated == 2
    client.force_login(operations_user)
    address = f"/orders/{order.number}/_/cancel/?version={fresh(order).version}"
    assert client.post(address, {"reason": "customer"}).status_code == 302
    label.refresh_from_db()
    assert (fresh(order).fulfilment, label.state) == ("cancelled", "voided")
    assert (level(make_sku()).allocated, level(make_sku()).on_hand) == (0, 10)


@pytest.mark.requirement("R67")
def test_an_order_stands_until_the_carrier_takes_its_label_back(post: Post) -> None:
    order = paid(2)
    package = pack_order(order.pk, actor=HOUSE)
    by_post()
    label = buy(package)
    post.takes_back = False
    with pytest.raises(LabelExists, match="has not agreed"):
        call_off_order(order.pk, reason=FRAUD, actor=HOUSE)
    assert not fresh(order).is_cancelled
    post.takes_back = True
    call_off_order(order.pk, reason=FRAUD, actor=HOUSE)
    label.refresh_from_db()
    assert (label.state, fresh(order).cancel_reason) == (Label.State.VOIDED, FRAUD)
    assert call_off_order(order.pk, reason=FRAUD, actor=HOUSE).is_cancelled


@pytest.mark.requirement("R67")
def test_what_was_booked_of_a_cancelled_order_is_reversed() -> None:
    card = NewLine(1, Decimal(20), kind=OrderLine.Kind.GIFT_CARD, description="Card")
    order = money.place(card, channel=money.make_channel(ships_unpaid=True))
    sale = JournalEntry.objects.get(source="orders.order", source_id=order.pk)
    call_off_order(order.pk, reason=FRAUD, actor=HOUSE)
    assert sale.reversals.count() == 1
    books = trial_balance(order.channel.legal_entity_id)
    assert books.of(money.Role.CUSTOMERS, "GBP") == 0
    assert books.of(money.Role.SALES, "GBP") == 0


def test_no_label_is_given_back_of_what_is_picked_or_gone(post: Post) -> None:
    left, picked = paid(2), paid(1)
    ship_order(left.pk, actor=HOUSE)
    start_picking([picked.pk], actor=HOUSE)
    with pytest.raises(AlreadyShipped):
        call_off_order(left.pk, reason=FRAUD, actor=HOUSE)
    with pytest.raises(PickingBegun):
        call_off_order(picked.pk, reason=FRAUD, actor=HOUSE)
    assert not Order.objects.filter(cancelled_at__isnull=False).exists()
