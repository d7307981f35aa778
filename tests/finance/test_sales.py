"""Real orders through the house: what each step leaves in the books."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from backoffice.actors import HOUSE, person
from backoffice.models import User
from backoffice.money import Money
from finance.models.balances import OrderBalance
from finance.models.ledger import JournalEntry
from finance.queries import TrialBalance, trial_balance
from finance.services.refunds import approve_refund, request_refund
from inventory.models import Sku
from inventory.services.moves import write_off_stock
from inventory.services.writing import Moving
from orders.models.orders import Order, OrderLine
from orders.services.cancelling import cancel_orders
from orders.services.drafts import NewLine
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns
from orders.services.shipping import ship_order
from tests.finance.factories import NOW, Role, make_channel, make_stock, pay, place, pounds

POSTAGE = NewLine(1, Decimal("4.95"), kind=OrderLine.Kind.POSTAGE)


def books(order: Order) -> TrialBalance:
    found = trial_balance(order.channel.legal_entity_id)
    assert not any(found.off.values())
    return found


def of(order: Order, role: Role) -> Decimal:
    return books(order).of(role, order.currency)


def test_money_before_shipping_is_owed_and_becomes_a_sale_when_goods_leave(db: None) -> None:
    make_stock("MIXER")
    order = place(NewLine(2, Decimal("289.00"), "MIXER"), POSTAGE)
    pay(order)
    assert of(order, Role.SALES) == 0
    assert of(order, Role.CUSTOMERS) == Decimal("-582.95")
    ship_order(order.pk, actor=HOUSE)
    assert of(order, Role.SALES) == Decimal("-578.00")
    assert of(order, Role.SHIPPING) == Decimal("-4.95")
    assert of(order, Role.CUSTOMERS) == 0


def test_parcels_of_one_line_add_up_to_the_line_and_charge_postage_once(db: None) -> None:
    make_stock("BOWL")
    order = place(NewLine(3, Decimal("3.335"), "BOWL", tax=Decimal("1.67")), POSTAGE)
    assert order.total == Decimal("14.96")
    pay(order)
    line = order.lines.get(kind="stock")
    for _ in range(3):
        ship_order(order.pk, quantities={line.pk: 1}, actor=HOUSE)
    assert of(order, Role.SALES) == Decimal("-8.34")
    assert of(order, Role.TAX) == Decimal("-1.67")
    assert of(order, Role.SHIPPING) == Decimal("-4.95")
    assert OrderBalance.objects.get(order=order).balance == 0
    sales = JournalEntry.objects.filter(code="sale", reference=order.number)
    assert sorted(sales.values_list("purpose", flat=True)) == ["charges", "sale", "sale", "sale"]


def test_prices_without_tax_charge_it_on_top(db: None) -> None:
    make_stock("BOWL")
    order = place(
        NewLine(1, Decimal("10.00"), "BOWL", tax=Decimal("2.00")),
        prices_include_tax=False,
        shipping=Decimal("5.00"),
        shipping_tax=Decimal("1.00"),
        discount=Decimal("1.50"),
    )
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    assert order.total == Decimal("16.50")
    assert of(order, Role.SALES) == Decimal("-10.00")
    assert of(order, Role.SHIPPING) == Decimal("-5.00")
    assert of(order, Role.TAX) == Decimal("-3.00")
    assert of(order, Role.DISCOUNTS) == Decimal("1.50")
    assert of(order, Role.CUSTOMERS) == 0


def test_cancelled_before_shipping_the_money_goes_back_and_no_sale_ever_was(
    db: None, support_user: User, finance_user: User
) -> None:
    make_stock("MIXER")
    order = place(NewLine(1, Decimal("289.00"), "MIXER"))
    pay(order)
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
    refund = request_refund(order, None, "cancelled", actor=person(support_user))
    approve_refund(refund, amount=refund.money, version=1, actor=person(finance_user))
    for role in (Role.SALES, Role.RETURNS, Role.CUSTOMERS, Role.PSP_CLEARING):
        assert of(order, role) == 0


def test_what_needs_no_shipping_is_sold_when_paid_and_taken_back_when_cancelled(
    db: None,
) -> None:
    card = NewLine(1, Decimal("25.00"), kind=OrderLine.Kind.GIFT_CARD)
    order = place(card, channel=make_channel())
    assert of(order, Role.SALES) == 0
    pay(order)
    assert of(order, Role.SALES) == Decimal("-25.00")
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
    assert of(order, Role.SALES) == 0
    assert of(order, Role.CUSTOMERS) == Decimal("-25.00")
    assert OrderBalance.objects.get(order=order).balance == Decimal("-25.00")


def test_a_return_credits_what_was_charged_and_a_refund_then_pays_it_out(
    db: None, support_user: User, finance_user: User
) -> None:
    make_stock("BOWL")
    order = place(NewLine(2, Decimal("12.00"), "BOWL", tax=Decimal("4.00")), POSTAGE)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    line = order.lines.get(kind="stock")
    back = NewReturn(order.channel, (NewReturnLine(1, line.pk),), order.pk)
    (made,) = request_returns([back], actor=HOUSE)
    assert of(order, Role.RETURNS) == 0
    receive_returns([made.pk], actor=HOUSE)
    assert of(order, Role.RETURNS) == Decimal("10.00")
    assert of(order, Role.TAX) == Decimal("-2.00")
    assert of(order, Role.CUSTOMERS) == Decimal("-12.00")
    refund = request_refund(order, pounds("12.00"), "returned", actor=person(support_user))
    approve_refund(refund, amount=refund.money, version=1, actor=person(finance_user))
    assert of(order, Role.RETURNS) == Decimal("10.00")
    assert of(order, Role.CUSTOMERS) == 0


def test_imported_orders_are_sold_on_the_day_they_were_placed(db: None) -> None:
    make_stock("BOWL")
    long_ago = NOW - timedelta(days=200)
    order = place(
        NewLine(2, Decimal("0.125"), "BOWL"),
        NewLine(1, Decimal("-1.00"), kind=OrderLine.Kind.DISCOUNT),
        NewLine(1, Decimal("18.00"), kind=OrderLine.Kind.POSTAGE),
        placed_at=long_ago,
        shipped_at=long_ago,
    )
    entry = JournalEntry.objects.get(source="orders.order", source_id=order.pk)
    assert entry.posted_on == long_ago.date()
    assert of(order, Role.SALES) == Decimal("-0.25")
    assert of(order, Role.DISCOUNTS) == Decimal("1.00")
    assert OrderBalance.objects.get(order=order).charged == order.total == Decimal("17.25")


def test_a_return_nobody_can_match_is_credited_apart_from_customers(db: None) -> None:
    make_stock("BOWL")
    channel = make_channel()
    line = NewReturnLine(2, sku="BOWL", unit_price=Decimal("1.655"))
    back = NewReturn(channel, (line,), unmatched_cause="guest", requested_at=NOW)
    (made,) = request_returns([back], history=True, actor=HOUSE)
    receive_returns([made.pk], history=True, actor=HOUSE)
    found = trial_balance(channel.legal_entity_id)
    assert found.of(Role.UNMATCHED, "GBP") == Decimal("-3.31")
    assert found.of(Role.RETURNS, "GBP") == Decimal("3.31")
    assert found.of(Role.CUSTOMERS, "GBP") == 0


def test_stock_with_a_cost_is_booked_as_it_comes_goes_and_is_lost(db: None) -> None:
    make_stock("MIXER", 10, cost=Money(Decimal("150.005"), "GBP"))
    order = place(NewLine(2, Decimal("289.00"), "MIXER"))
    assert of(order, Role.INVENTORY) == Decimal("1500.05")
    assert of(order, Role.GOODS_RECEIVED) == Decimal("-1500.05")
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    assert of(order, Role.COST_OF_SALES) == Decimal("300.01")
    mixer = Sku.objects.get(code="MIXER")
    lost = Moving("lost-1", mixer.pk, order.channel.location_id, 1, NOW, "lost")
    write_off_stock([lost], actor=HOUSE)
    assert of(order, Role.SHRINKAGE) == Decimal("150.01")


def test_stock_without_a_cost_moves_no_money(db: None) -> None:
    make_stock("BOWL", 10)
    assert not JournalEntry.objects.exists()
