"""What companies may order unpaid: the limit, the approver, and fifty orders at once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import User
from backoffice.money import Money
from orders.models.credit import CreditAccount
from orders.models.customers import Customer
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.queries.checks import orders_that_differ
from orders.queries.credit import credit_of
from orders.services.cancelling import cancel_orders
from orders.services.credit import CreditEdit, edit_credit
from orders.services.drafts import NewOrder
from orders.services.errors import OrderError, WrongState
from orders.services.holds import release_orders
from orders.services.picking import start_picking
from orders.services.placing import place_orders
from orders.services.reviews import escalate_reviews, settle_review
from tests.bed.databases import Database, at_once
from tests.inventory.factories import level, make_sku
from tests.orders.factories import draft, fresh, line, make_channel, make_customer, pay
from tests.orders.trust import make_company, review_of

CREDIT, State = Review.Kind.CREDIT, Review.State


def new(company: Customer, price: str = "200.00", **fields: object) -> NewOrder:
    fields.setdefault("channel", make_channel("trade", ships_unpaid=True))
    return draft(line(make_sku(stock=100), 1, price), customer_id=company.pk, **fields)


def put(company: Customer, price: str = "200.00", **fields: object) -> Order:
    return place_orders([new(company, price, **fields)], actor=HOUSE).orders[0]


def used(company: Customer) -> Decimal:
    return credit_of([company.pk])[company.pk].used.amount


@pytest.mark.django_db
@pytest.mark.requirement("R70")
def test_an_order_over_the_limit_waits_for_an_approver_and_keeps_its_stock(
    finance_user: User,
) -> None:
    company = make_company(limit="500")
    first, second, third = (put(company) for _ in range(3))
    assert [order.is_held for order in (first, second, third)] == [False, False, True]
    assert third.holds.get().reason == Hold.Reason.APPROVAL
    found = review_of(third, CREDIT).found
    assert Money.from_json(found["used"]) == Money(Decimal(400), "GBP")
    sku = third.lines.get().sku
    assert sku is not None
    assert level(sku).allocated == 3
    assert start_picking([third.pk], actor=HOUSE).refused
    assert isinstance(release_orders([third.pk], actor=HOUSE).refused[third.pk], WrongState)
    # What waits uses nothing yet.
    assert used(company) == 400
    settle_review(
        review_of(third, CREDIT).pk, State.PASSED, reason="Good payer", actor=person(finance_user)
    )
    assert not fresh(third).is_held
    assert used(company) == 600
    assert start_picking([third.pk], actor=HOUSE).changed


@pytest.mark.django_db
@pytest.mark.requirement("R70")
def test_unanswered_it_escalates_and_declined_it_is_cancelled() -> None:
    company = make_company(limit="100", answer_hours=2)
    order = put(company)
    review = review_of(order, CREDIT)
    assert review.due_at - review.opened_at < timedelta(hours=2, minutes=1)
    assert escalate_reviews(now=timezone.now() + timedelta(hours=3)) == 1
    settle_review(review.pk, State.REFUSED, reason="Owes too much", actor=HOUSE)
    assert (fresh(order).is_cancelled, fresh(order).cancel_reason) == (True, "declined")
    sku = order.lines.get().sku
    assert sku is not None
    assert level(sku).allocated == 0
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_payments_and_cancellations_give_credit_back() -> None:
    company = make_company(limit="500")
    first, second = put(company), put(company)
    pay(first, "150.00")
    assert used(company) == 250
    pay(first, "50.00")
    cancel_orders([second.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    assert used(company) == 0
    assert not put(company, "500.00").is_held


@pytest.mark.django_db
def test_an_order_that_is_paid_meanwhile_needs_no_approver() -> None:
    company = make_company(limit="100")
    order = put(company)
    pay(order)
    assert not fresh(order).is_held
    assert review_of(order, CREDIT).state == State.WITHDRAWN


@pytest.mark.django_db
def test_only_the_orders_of_the_period_count_where_the_limit_resets() -> None:
    company = make_company(limit="500", resets=CreditAccount.Resets.MONTH)
    put(company, "400.00", placed_at=timezone.now() - timedelta(days=32))
    assert used(company) == 0
    assert not put(company, "400.00").is_held
    assert put(company, "400.00").is_held


@pytest.mark.django_db
def test_another_currency_is_never_added_up() -> None:
    company = make_company(limit="500")
    account = CreditAccount.objects.get()
    edit = CreditEdit(Money(Decimal(500), "EUR"), CreditAccount.Resets.NEVER)
    edit_credit(company.pk, edit, reason="Moved", version=account.version, actor=HOUSE)
    assert put(company, "10.00").is_held


@pytest.mark.django_db
def test_credit_is_for_companies_and_others_order_without_limit() -> None:
    buyer = make_customer()
    edit = CreditEdit(Money(Decimal(1), "GBP"), CreditAccount.Resets.NEVER)
    with pytest.raises(OrderError, match="companies"):
        edit_credit(buyer.pk, edit, reason="r", actor=HOUSE)
    assert not CreditAccount.objects.exists()
    assert not put(buyer).is_held
    assert not put(make_company("C200", None)).is_held


@pytest.mark.requirement("R70")
def test_of_fifty_orders_at_once_only_those_within_the_limit_pass(
    committed_db: Database,
) -> None:
    company = make_company(limit="500")
    make_channel("trade", ships_unpaid=True)
    drafts = [new(company, "100.00") for _ in range(50)]
    answers = at_once([partial(place_orders, [one], actor=HOUSE) for one in drafts])
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert Order.objects.filter(is_held=False).count() == 5
    assert Review.objects.filter(kind=CREDIT, state=State.OPEN).count() == 45
    assert used(company) == 500
