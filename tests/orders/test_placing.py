from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from backoffice.actors import HOUSE
from backoffice.models import TimelineEntry
from inventory.models import Reservation, StockMove
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import StockShort, UnknownSku
from orders.models.customers import Customer
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.queries.checks import orders_that_differ
from orders.services.allocation import allocate_orders
from orders.services.drafts import LineSource, NewLine, OnShort
from orders.services.errors import OrderError, WrongAmount
from orders.services.placing import place_orders
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_sku, receive
from tests.orders.factories import (
    draft,
    fresh,
    line,
    make_channel,
    make_customer,
    place,
    place_history,
    postage,
)

PAST = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


@pytest.mark.django_db
def test_an_order_keeps_what_was_agreed_and_its_stock_is_promised() -> None:
    sku = make_sku(stock=10, is_fragile=True)
    order = place(line(sku, 3, "2.55"), postage("4.00"), discount=Decimal("1.00"))
    assert (order.subtotal, order.total, order.units, order.line_count) == (
        Decimal("11.65"),
        Decimal("10.65"),
        3,
        2,
    )
    product = order.lines.get(kind=OrderLine.Kind.STOCK)
    assert (product.line_total, product.is_fragile) == (Decimal("7.6500"), True)
    assert (level(sku).on_hand, level(sku).allocated) == (10, 3)
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_prices_keep_their_decimals_and_lines_are_rounded_half_up() -> None:
    sku = make_sku(stock=10)
    order = place(line(sku, 5, "0.001"))
    stored = order.lines.get()
    assert (stored.unit_price, stored.line_total) == (Decimal("0.0010"), Decimal("0.0100"))


@pytest.mark.django_db
def test_tax_is_added_only_when_prices_leave_it_out() -> None:
    sku = make_sku(stock=10)
    taxed = NewLine(quantity=1, unit_price=Decimal("10.00"), sku=sku.code, tax=Decimal("2.00"))
    charged = {"shipping": Decimal("3.00"), "shipping_tax": Decimal("0.60")}
    outside = place(taxed, prices_include_tax=False, **charged)
    inside = place(taxed, prices_include_tax=True, **charged)
    assert (outside.tax, outside.total) == (Decimal("2.60"), Decimal("15.60"))
    assert (inside.tax, inside.total) == (Decimal("2.60"), Decimal("13.00"))


@pytest.mark.django_db
def test_own_orders_get_running_numbers_and_imported_ones_keep_a_free_number() -> None:
    sku = make_sku(stock=10)
    first, second = place(line(sku)), place(line(sku))
    assert int(second.number) == int(first.number) + 1 >= 1000002
    assert place(line(sku), number="536365").number == "536365"
    assert place(line(sku), number="536365").number == str(int(second.number) + 1)


@pytest.mark.django_db
def test_an_order_that_the_shop_sends_again_is_not_placed_again() -> None:
    sku = make_sku(stock=10)
    new = draft(line(sku, 2), external_id="58817")
    once = place_orders([new, new], actor=HOUSE)
    again = place_orders([new], actor=HOUSE)
    assert once.orders[0].pk == once.orders[1].pk == again.orders[0].pk
    assert (len(once.new_ids), again.new_ids) == (1, frozenset())
    assert level(sku).allocated == 2


def test_of_eight_deliveries_of_one_shop_order_one_places_it(committed_db: None) -> None:
    sku = make_sku(stock=100)
    new = draft(line(sku, 2), external_id="58817", customer_id=make_customer().pk)
    answers = at_once([lambda: place_orders([new], actor=HOUSE)] * 8)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert Order.objects.count() == 1
    assert level(sku).allocated == 2
    assert Customer.objects.get().orders_count == 1


@pytest.mark.requirement("R95")
def test_of_fifty_orders_for_the_last_unit_one_is_placed(committed_db: None) -> None:
    sku = make_sku(stock=1)
    new = draft(line(sku))
    answers = at_once([lambda: place_orders([new], actor=HOUSE)] * 50)
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == 49
    assert {type(error) for error in refused} == {StockShort}
    assert Order.objects.count() == 1
    assert (level(sku).on_hand, level(sku).allocated) == (1, 1)


@pytest.mark.django_db
def test_an_order_with_two_lines_of_one_sku_beyond_stock_is_refused_whole() -> None:
    sku, other = make_sku("A", stock=3), make_sku("B", stock=9)
    with pytest.raises(StockShort):
        place(line(sku, 2), line(sku, 2), line(other))
    assert not Order.objects.exists()
    assert (level(sku).allocated, level(other).allocated) == (0, 0)


@pytest.mark.django_db
def test_a_paid_channel_order_is_accepted_and_held_when_stock_is_short() -> None:
    sku = make_sku(stock=1)
    placed = place_orders([draft(line(sku, 3))], on_short=OnShort.HOLD, actor=HOUSE)
    order = fresh(placed.orders[0])
    assert order.is_held
    assert Hold.objects.get().reason == Hold.Reason.OUT_OF_STOCK
    assert Hold.objects.get().note == "2 × 85123A"
    assert level(sku).allocated == 1
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_stock_that_comes_in_goes_to_the_order_that_waited_longest() -> None:
    sku = make_sku()
    later = draft(line(sku, 2), placed_at=datetime(2026, 3, 2, tzinfo=UTC))
    earlier = draft(line(sku, 2), placed_at=datetime(2026, 3, 1, tzinfo=UTC))
    second, first = place_orders([later, earlier], on_short=OnShort.HOLD, actor=HOUSE).orders
    receive(sku, 3)
    done = allocate_orders([first.pk, second.pk], actor=HOUSE)
    assert [order.pk for order in done.changed] == [first.pk]
    assert str(done.refused[second.pk]) == f"Order {second} still lacks 1 × 85123A."
    assert (fresh(first).is_held, fresh(second).is_held) == (False, True)
    receive(sku, 1)
    assert [order.pk for order in allocate_orders([second.pk], actor=HOUSE).changed] == [second.pk]
    assert level(sku).available == 0
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_history_moves_stock_claims_none_and_tells_its_own_time() -> None:
    sku = make_sku(stock=10)
    order = place_history(line(sku, 4), shipped_at=PAST, number="536365")
    assert (order.is_history, order.fulfilment) == (True, Order.Fulfilment.SHIPPED)
    assert (level(sku).on_hand, level(sku).allocated) == (6, 0)
    assert not Reservation.objects.exists()
    move = StockMove.objects.get(reason=StockMove.Reason.SHIPMENT)
    assert (move.occurred_at, move.source_id) == (PAST, order.lines.get().pk)
    assert TimelineEntry.objects.get(subject="orders.order").at == PAST
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_only_history_arrives_shipped() -> None:
    sku = make_sku(stock=1)
    with pytest.raises(OrderError):
        place(line(sku), shipped_at=PAST)
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_customers_are_counted_in_the_order_of_their_orders() -> None:
    sku, customer = make_sku(stock=10), make_customer()
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 1, 2)]
    new = [draft(line(sku), customer_id=customer.pk, placed_at=day) for day in days]
    orders = place_orders(new, actor=HOUSE).orders
    assert [order.orders_before for order in orders] == [2, 0, 1]
    customer.refresh_from_db()
    assert (customer.orders_count, customer.last_order_at) == (3, days[0])


@pytest.mark.django_db
def test_a_free_order_counts_as_paid() -> None:
    sku = make_sku(stock=1)
    order = place(line(sku, 1, "0.00"))
    assert (order.payment, order.paid_at) == (Order.Payment.PAID, order.placed_at)


@pytest.mark.django_db
def test_codes_are_found_by_case_and_unknown_ones_are_all_named() -> None:
    lower = make_sku("15056bl", stock=1)
    assert place(line(lower)).lines.get().sku == lower
    with pytest.raises(UnknownSku) as refusal:
        place(
            NewLine(quantity=1, unit_price=Decimal(1), sku="15056BL"),
            NewLine(quantity=1, unit_price=Decimal(1), sku="15056Bl"),
        )
    assert refusal.value.codes == ("15056BL", "15056Bl")
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_a_total_below_zero_is_refused() -> None:
    sku = make_sku(stock=1)
    with pytest.raises(WrongAmount):
        place(line(sku, 1, "5.00"), discount=Decimal("6.00"))
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_a_line_of_a_document_is_taken_once() -> None:
    sku = make_sku(stock=10)
    source = LineSource("online-retail", "536365", 1)
    new = NewLine(quantity=1, unit_price=Decimal(1), sku=sku.code, source=source)
    place(new)
    with pytest.raises(IntegrityError), transaction.atomic():
        place(new)
    assert OrderLine.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"total": Decimal("99.00")},
        {"amount_refunded": Decimal("1.00")},
        {"currency": "gbp"},
    ],
)
def test_postgresql_refuses_amounts_that_do_not_add_up(values: dict[str, object]) -> None:
    sku = make_sku(stock=1)
    order = place(line(sku))
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**values)
    assert fresh(order).total == order.total


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values", [{"quantity_shipped": 3}, {"quantity_returned": 1}, {"quantity_cancelled": 3}]
)
def test_postgresql_refuses_more_than_was_ordered(values: dict[str, object]) -> None:
    sku = make_sku(stock=2)
    order = place(line(sku, 2))
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderLine.objects.filter(order=order).update(**values)
    assert order.lines.get().quantity_open == 2


@pytest.mark.django_db
def test_two_hundred_orders_take_as_many_queries_as_two() -> None:
    sku, channel = make_sku(stock=1000), make_channel()

    def queries(count: int) -> int:
        new = [draft(line(sku), channel=channel) for _ in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            place_orders(new, actor=HOUSE)
        return len(captured)

    assert queries(200) <= queries(2) + 8
