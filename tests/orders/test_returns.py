from datetime import UTC, datetime
from decimal import Decimal

import pytest

from backoffice.actors import HOUSE
from inventory.models import Location
from inventory.queries.levels import levels_that_differ
from orders import signals
from orders.models.orders import Order
from orders.models.returns import ReturnLine, ReturnOrder
from orders.queries.checks import orders_that_differ
from orders.services.errors import OrderError, TooMany, WrongState
from orders.services.matching import match_return
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    inspect_returns,
    receive_returns,
    refuse_returns,
    request_returns,
)
from orders.services.shipping import ship_order
from tests.inventory.factories import level, make_locations, make_sku
from tests.orders.factories import fresh, line, make_channel, pay, place, place_history

pytestmark = pytest.mark.django_db
Return = Order.Return
PAST = datetime(2010, 12, 1, 9, 41, tzinfo=UTC)


def shipped_order(quantity: int = 3) -> Order:
    order = place(line(make_sku(stock=10), quantity))
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    return fresh(order)


def ask(order: Order, quantity: int, *, external_id: str = "") -> ReturnOrder:
    new = NewReturn(
        channel=order.channel,
        order_id=order.pk,
        lines=(NewReturnLine(quantity, order_line_id=order.lines.get().pk),),
        external_id=external_id,
    )
    return request_returns([new], actor=HOUSE)[0]


def test_a_return_goes_from_the_request_to_the_shelf() -> None:
    order = shipped_order(3)
    quarantine = make_locations()[Location.Kind.QUARANTINE]
    back = ask(order, 2)
    assert (back.amount, back.units) == (Decimal("20.00"), 2)
    assert (fresh(order).returns, level(make_sku()).on_hand) == (Return.REQUESTED, 7)
    receive_returns([back.pk], actor=HOUSE)
    assert fresh(order).returns == Return.PART_RETURNED
    assert (level(make_sku()).on_hand, level(make_sku(), quarantine).on_hand) == (7, 2)
    inspect_returns([back.pk], actor=HOUSE)
    assert (level(make_sku()).on_hand, level(make_sku(), quarantine).on_hand) == (9, 0)
    assert ReturnLine.objects.get().outcome == ReturnLine.Outcome.RESTOCKED
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


def test_what_is_scrapped_never_becomes_sellable() -> None:
    order = shipped_order(3)
    back = ask(order, 3)
    receive_returns([back.pk], actor=HOUSE)
    inspect_returns([back.pk], scrap={back.lines.get().pk: 3}, actor=HOUSE)
    assert (level(make_sku()).on_hand, fresh(order).returns) == (7, Return.RETURNED)
    assert levels_that_differ() == []


def test_no_more_comes_back_than_left_open_requests_included() -> None:
    order = shipped_order(3)
    ask(order, 2)
    with pytest.raises(TooMany):
        ask(order, 2)
    assert ReturnOrder.objects.count() == 1
    ask(order, 1)


def test_a_return_is_received_and_restocked_once() -> None:
    order = shipped_order(3)
    back = ask(order, 2)
    with pytest.raises(WrongState):
        inspect_returns([back.pk], actor=HOUSE)
    receive_returns([back.pk], actor=HOUSE)
    with pytest.raises(WrongState):
        receive_returns([back.pk], actor=HOUSE)
    inspect_returns([back.pk], actor=HOUSE)
    with pytest.raises(WrongState):
        inspect_returns([back.pk], actor=HOUSE)
    assert level(make_sku()).on_hand == 9
    assert order.lines.get().quantity_returned == 2


def test_a_refused_request_frees_what_it_asked_for() -> None:
    order = shipped_order(3)
    refuse_returns([ask(order, 3).pk], actor=HOUSE)
    assert fresh(order).returns == Return.NONE
    ask(order, 3)


def test_a_return_that_arrives_twice_is_recorded_once() -> None:
    order = shipped_order(3)
    ask(order, 1, external_id="C536379")
    again = NewReturn(
        channel=order.channel,
        order_id=order.pk,
        lines=(NewReturnLine(1, order_line_id=order.lines.get().pk),),
        external_id="C536379",
    )
    assert request_returns([again], actor=HOUSE) == []
    assert ReturnOrder.objects.count() == 1


def test_a_return_without_an_order_is_announced_and_still_comes_in() -> None:
    sku = make_sku(stock=1)
    heard: list[list[ReturnOrder]] = []

    def listen(*, returns: list[ReturnOrder], **sent: object) -> None:
        heard.append(returns)

    signals.returns_unmatched.connect(listen)
    try:
        new = NewReturn(
            channel=make_channel(),
            unmatched_cause="no_purchase_found",
            lines=(NewReturnLine(5, sku=sku.code, unit_price=Decimal("1.25")),),
            number="C536379",
        )
        (back,) = request_returns([new], actor=HOUSE)
    finally:
        signals.returns_unmatched.disconnect(listen)
    assert [[row.number for row in rows] for rows in heard] == [["C536379"]]
    assert back.amount == Decimal("6.25")
    receive_returns([back.pk], actor=HOUSE)
    inspect_returns([back.pk], actor=HOUSE)
    assert level(sku).on_hand == 6


def test_a_return_names_its_order_or_says_why_not() -> None:
    sku = make_sku(stock=1)
    lines = (NewReturnLine(1, sku=sku.code),)
    with pytest.raises(OrderError):
        request_returns([NewReturn(channel=make_channel(), lines=lines)], actor=HOUSE)
    assert not ReturnOrder.objects.exists()


def test_a_line_of_another_order_is_not_taken_back() -> None:
    order, other = shipped_order(1), shipped_order(1)
    lines = (NewReturnLine(1, order_line_id=other.lines.get().pk),)
    with pytest.raises(OrderError):
        request_returns(
            [NewReturn(channel=order.channel, order_id=order.pk, lines=lines)], actor=HOUSE
        )
    assert not ReturnOrder.objects.exists()


def test_history_returns_keep_their_own_time() -> None:
    order = place_history(line(make_sku(stock=10), 3), shipped_at=PAST)
    new = NewReturn(
        channel=order.channel,
        order_id=order.pk,
        lines=(NewReturnLine(2, order_line_id=order.lines.get().pk),),
        requested_at=PAST,
    )
    (back,) = request_returns([new], history=True, actor=HOUSE)
    receive_returns([back.pk], history=True, actor=HOUSE)
    inspect_returns([back.pk], history=True, actor=HOUSE)
    back.refresh_from_db()
    assert back.received_at == back.inspected_at == PAST
    assert level(make_sku()).on_hand == 9
    assert orders_that_differ([order.pk]) == []


def test_a_return_is_given_its_order_after_all() -> None:
    order = shipped_order(3)
    sku = make_sku()
    new = NewReturn(
        channel=order.channel, unmatched_cause="guest", lines=(NewReturnLine(2, sku=sku.code),)
    )
    (back,) = request_returns([new], actor=HOUSE)
    receive_returns([back.pk], actor=HOUSE)
    lines = {back.lines.get().pk: order.lines.get().pk}
    matched = match_return(back.pk, order.pk, lines, actor=HOUSE)
    assert (matched.order, matched.unmatched_cause) == (order, "")
    assert (fresh(order).returns, order.lines.get().quantity_returned) == (Return.PART_RETURNED, 2)
    assert orders_that_differ([order.pk]) == []
    with pytest.raises(WrongState):
        match_return(back.pk, order.pk, lines, actor=HOUSE)


def test_a_return_of_more_than_the_order_had_is_not_matched() -> None:
    order = shipped_order(1)
    new = NewReturn(
        channel=order.channel,
        unmatched_cause="guest",
        lines=(NewReturnLine(2, sku=make_sku().code),),
    )
    (back,) = request_returns([new], actor=HOUSE)
    with pytest.raises(TooMany):
        match_return(back.pk, order.pk, {back.lines.get().pk: order.lines.get().pk}, actor=HOUSE)
    with pytest.raises(OrderError):
        match_return(back.pk, order.pk, {}, actor=HOUSE)
    back.refresh_from_db()
    assert (back.order, back.version) == (None, 1)
