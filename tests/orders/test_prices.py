"""Prices: what moves too far or lies under the floor waits for another person, whoever asks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import User
from backoffice.money import Money
from backoffice.roles import FINANCE
from backoffice.workbench import bulk
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.prices import ExchangeRate, Price, PriceChange
from orders.queries.prices import valid_prices
from orders.services.channels import open_channel
from orders.services.errors import OrderError, WrongAmount
from orders.services.price_floors import set_floor
from orders.services.price_guards import agree_to_looser
from orders.services.prices import Wanted, ask_prices, decide_price
from orders.services.rates import NewRate, edit_price_guard, note_rate
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.inventory.factories import make_sku, make_warehouse
from tests.orders.factories import make_channel
from tests.orders.prices import ask, costs, hours, insert, set_price, wait_for

State = PriceChange.State


@pytest.fixture
def sku(db: None) -> Sku:
    """A product that costs 10.00 in the shop."""
    found = make_sku()
    set_price("10.00", found)
    return found


def agree(change: PriceChange, user: User) -> PriceChange:
    return decide_price(change.pk, State.AGREED, note="Checked", actor=person(user))


@pytest.mark.requirement("R84")
def test_a_small_move_is_live_and_a_wide_one_waits_for_another_person(
    sku: Sku, operations_user: User, finance_user: User
) -> None:
    assert ask("13.00", sku).live[0].was == 10
    change = wait_for("17.00", sku, actor=person(operations_user))
    assert (change.variance, change.limit, change.over_variance) == (Decimal("70.0"), 30, True)
    assert costs(sku) == [10, 13]
    agree(change, finance_user)
    assert costs(sku) == [10, 13, 17]
    price = Price.objects.get(change=change)
    assert (price.actor_label, price.change and price.change.decided_label) == (
        "Priya Shah",
        "Daniel Okafor",
    )


@pytest.mark.requirement("R84")
def test_a_price_under_what_it_costs_us_or_the_least_price_waits(
    db: None, finance_user: User, make_user: MakeUser
) -> None:
    dear = make_sku("DEAR", cost=Money(Decimal(8), "GBP"))
    set_price("10.00", dear)
    change = wait_for("7.99", dear)
    assert (change.under_floor, change.over_variance, change.floor_from) == (True, False, "cost")
    set_floor(make_channel(), dear.pk, Decimal("9.50"), why="Brand", actor=person(finance_user))
    change = wait_for("9.49", dear)
    assert (change.floor, change.floor_from) == (Decimal("9.50"), "minimum")
    lower = set_floor(make_channel(), dear.pk, None, why="Sale", actor=person(finance_user))
    assert lower is not None
    assert ask("8.10", dear).waiting
    agree_to_looser(lower.pk, actor=person(make_user(FINANCE)))
    assert set_price("8.00", dear).amount == 8


def test_nobody_agrees_to_what_they_asked_for_nor_without_the_role(
    sku: Sku, make_user: MakeUser, operations_user: User
) -> None:
    asker = make_user(FINANCE)
    change = wait_for("20.00", sku, actor=person(asker))
    for user, why in ((asker, "somebody else"), (operations_user, "finance")):
        with pytest.raises(OrderError, match=why):
            agree(change, user)
    with pytest.raises(OrderError, match="Only a person"):
        decide_price(change.pk, State.AGREED, actor=HOUSE)
    with pytest.raises(OrderError, match="who asked"):
        decide_price(change.pk, State.WITHDRAWN, actor=person(operations_user))
    assert costs(sku) == [10]
    change.refresh_from_db()
    assert change.state == State.WAITING
    done = decide_price(change.pk, State.WITHDRAWN, actor=person(asker))
    assert (done.state, costs(sku)) == (State.WITHDRAWN, [10])


def test_the_same_change_asked_twice_waits_once_and_another_takes_its_place(sku: Sku) -> None:
    first = wait_for("20.00", sku)
    assert wait_for("20.00", sku).pk == first.pk
    second = wait_for("21.00", sku)
    first.refresh_from_db()
    assert (first.state, second.state) == (State.REPLACED, State.WAITING)
    assert PriceChange.objects.count() == 2


def test_a_price_that_changed_meanwhile_is_not_overwritten(sku: Sku, finance_user: User) -> None:
    change = wait_for("20.00", sku)
    set_price("11.00", sku)
    with pytest.raises(OrderError, match="changed since"):
        agree(change, finance_user)
    assert costs(sku) == [10, 11]
    # Asked anew it is held against what is valid now.
    fresh = wait_for("20.00", sku)
    assert fresh.pk != change.pk
    assert fresh.was is not None
    assert fresh.was.amount == 11
    agree(fresh, finance_user)
    assert costs(sku) == [10, 11, 20]


def test_many_small_steps_within_a_day_add_up(sku: Sku, finance_user: User) -> None:
    set_price("12.50", sku)
    change = wait_for("15.00", sku)  # 20% from 12.50, 50% from where the day began
    assert change.variance == Decimal("50.0")
    agree(change, finance_user)
    assert set_price("18.00", sku).amount == 18  # from what a person agreed to


def test_a_later_price_is_planned_and_one_before_it_is_held_against_it(
    sku: Sku, finance_user: User
) -> None:
    tomorrow = timezone.now() + hours(30)
    assert ask("13.00", sku, starts_at=tomorrow).live
    assert valid_prices().get(sku=sku).amount == 10
    # From 8.00 to the 13.00 of tomorrow would be a leap that nobody has looked at.
    change = wait_for("8.00", sku)
    assert change.over_variance
    agree(change, finance_user)
    assert valid_prices().get(sku=sku).amount == 8
    with pytest.raises(OrderError, match="now or later"):
        ask("9.00", sku, starts_at=timezone.now() - hours(1))


def test_many_are_agreed_to_at_once_but_for_ones_own(sku: Sku, make_user: MakeUser) -> None:
    other = make_sku("OTHER")
    set_price("10.00", other)
    asker = person(make_user(FINANCE))
    mine, theirs = wait_for("20.00", sku, actor=asker), wait_for("20.00", other)
    action = bulk.get("prices.agree")
    told = list(action.on({mine.pk: 0, theirs.pk: 0}, {"note": ""}, asker))
    assert [(each.target_id, each.ok) for each in told] == [(mine.pk, False), (theirs.pk, True)]
    assert (costs(sku), costs(other)) == ([10], [10, 20])


def test_what_is_no_price_is_refused(sku: Sku) -> None:
    for amount in ("0", "-1", "9.999", "NaN", "1e12"):
        with pytest.raises(WrongAmount):
            ask(amount, sku)
    wanted = Wanted(make_channel().pk, sku.pk, Decimal(11))
    with pytest.raises(OrderError, match="once"):
        ask_prices([wanted, wanted], actor=HOUSE)
    assert not ask("10.00", sku).live
    assert costs(sku) == [10]


@pytest.fixture
def euro_shop(sku: Sku) -> Channel:
    """A shop in euros whose prices follow those of the shop in pounds, at 1.20."""
    channel = open_channel(
        "euro", name="The euro shop", kind=Channel.Kind.SHOP, currency="EUR",
        legal_entity=make_channel().legal_entity, location=make_warehouse(),
    )  # fmt: skip
    note("1.20")
    return edit_price_guard(channel.pk, price_variance=20, prices_from=make_channel(), actor=HOUSE)


def note(rate: str) -> ExchangeRate:
    new = NewRate("GBP", "EUR", Decimal(rate), date(2026, 11, 1), "ECB")
    return note_rate(new, actor=HOUSE)[0]


@pytest.mark.requirement("R84")
def test_a_rate_moves_the_prices_that_follow_and_a_wide_one_waits(
    sku: Sku, euro_shop: Channel, finance_user: User
) -> None:
    assert costs(sku, euro_shop) == [12]
    note("1.25")
    set_price("11.00", sku)
    assert costs(sku, euro_shop) == [12, Decimal("12.5"), Decimal("13.75")]
    newest = Price.objects.filter(channel=euro_shop).latest("pk")
    assert str(newest.rate) == "1 GBP = 1.25 EUR of 01 Nov 2026"
    wide = note("12.50")
    change = PriceChange.objects.get(state=State.WAITING)
    assert (change.amount, change.rate, change.channel) == (Decimal("137.5"), wide, euro_shop)
    assert costs(sku, euro_shop)[-1] == Decimal("13.75")
    agree(change, finance_user)
    assert costs(sku, euro_shop)[-1] == Decimal("137.5")
    with pytest.raises(OrderError, match="follow"):
        ask("14.00", sku, euro_shop)


@pytest.mark.requirement("R84")
def test_the_database_lets_no_price_out_of_bounds_in_that_nobody_agreed_to(
    sku: Sku, finance_user: User
) -> None:
    shop = make_channel()
    insert(sku, shop, "12.00")
    change = wait_for("30.00", sku)
    for tries in (
        partial(insert, sku, shop, "30.00"),
        partial(insert, sku, shop, "30.00", change=change.pk),
        partial(PriceChange.objects.filter(pk=change.pk).update, state="agreed"),
        partial(Price.objects.filter(sku=sku).update, amount=1),
        Price.objects.all().delete,
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            tries()
    assert costs(sku) == [10, 12]
    agree(change, finance_user)
    with pytest.raises(DatabaseError), transaction.atomic():
        insert(sku, shop, "30.00", change=change.pk)  # a yes is good for one price
    assert costs(sku) == [10, 12, 30]


@pytest.mark.requirement("R84")
def test_of_fifty_who_ask_and_fifty_who_agree_one_price_comes(
    committed_db: Database, make_user: MakeUser
) -> None:
    sku, shop = make_sku(), make_channel()
    set_price("10.00", sku)
    wanted = [Wanted(shop.pk, sku.pk, Decimal(40))]
    asked = at_once([partial(ask_prices, wanted, actor=HOUSE)] * 50)
    assert [answer for answer in asked if isinstance(answer, Exception)] == []
    change = PriceChange.objects.get()
    clerks = [make_user(FINANCE) for _ in range(2)]
    yes = [
        partial(decide_price, change.pk, State.AGREED, actor=person(clerks[n % 2]))
        for n in range(50)
    ]
    answers = at_once(yes)
    refused = [answer for answer in answers if isinstance(answer, OrderError)]
    assert (len(refused), costs(sku)) == (49, [10, 40])


def test_fifty_steps_at_once_never_leap(committed_db: Database) -> None:
    sku, shop = make_sku(), make_channel()
    set_price("10.00", sku)
    amounts = ["7.50", "8.50", "9.50", "11.00", "12.00", "13.00"] * 8 + ["7.00", "13.00"]
    at_once([partial(insert, sku, shop, amount) for amount in amounts])
    found = costs(sku)
    assert len(found) > 1
    for before, after in pairwise(found):
        assert abs(after - before) * 100 <= 30 * before
    connection.close()
