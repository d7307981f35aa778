from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import Error, IntegrityError, transaction
from django.utils import timezone

from backoffice.actors import HOUSE
from inventory.models import Reservation, Sku, StockLevel
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import StockShort
from inventory.services.moves import write_off_stock
from inventory.services.reservations import (
    Claimed,
    Demand,
    Shipping,
    allocate_stock,
    expire_reservations,
    hold_stock,
    release_stock,
    ship_reserved,
)
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_sku, make_warehouse, moving

HOLDER = "orders.orderline"


def demand(sku: Sku, quantity: int, holder_id: int = 1, *, key: str = "") -> Demand:
    return Demand(
        key=key or f"{sku.code}:{holder_id}",
        sku_id=sku.pk,
        location_id=make_warehouse().pk,
        quantity=quantity,
        holder=HOLDER,
        holder_id=holder_id,
    )


def buying(skus: list[Sku], buyer: int) -> Callable[[], Claimed]:
    return lambda: allocate_stock([demand(sku, 1, buyer) for sku in skus], actor=HOUSE)


def counters(sku: Sku) -> tuple[int, int, int]:
    stored = level(sku)
    return stored.on_hand, stored.allocated, stored.reserved


@pytest.mark.requirement("R95")
def test_of_fifty_buyers_of_the_last_unit_one_gets_it(committed_db: None) -> None:
    sku = make_sku(stock=1)
    answers = at_once([buying([sku], buyer) for buyer in range(50)])
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == 49
    assert {type(error) for error in refused} == {StockShort}
    assert counters(sku) == (1, 1, 0)
    assert levels_that_differ() == []


@pytest.mark.requirement("R95")
def test_buyers_of_two_skus_in_opposite_order_never_wait_for_each_other(
    committed_db: None,
) -> None:
    first, second = make_sku("A", stock=100), make_sku("B", stock=100)
    pairs = [[first, second], [second, first]]
    works = [buying(pairs[buyer % 2], buyer) for buyer in range(20)]
    assert [answer for answer in at_once(works) if isinstance(answer, Exception)] == []
    assert counters(first) == counters(second) == (100, 20, 0)


@pytest.mark.django_db
def test_every_short_sku_is_named_and_nothing_is_claimed() -> None:
    first, second, third = make_sku("A", stock=5), make_sku("B", stock=1), make_sku("C")
    with pytest.raises(StockShort) as refusal:
        allocate_stock([demand(first, 5), demand(second, 2), demand(third, 1)], actor=HOUSE)
    assert [shortage.code for shortage in refusal.value.shortages] == ["B", "C"]
    assert not Reservation.objects.exists()
    assert counters(first) == (5, 0, 0)


@pytest.mark.django_db
def test_two_lines_of_one_sku_are_summed_before_they_are_checked() -> None:
    sku = make_sku(stock=3)
    with pytest.raises(StockShort):
        allocate_stock([demand(sku, 2, 1), demand(sku, 2, 2)], actor=HOUSE)
    assert counters(sku) == (3, 0, 0)


@pytest.mark.django_db
def test_a_partial_claim_gives_what_there_is_in_turn() -> None:
    sku = make_sku(stock=3)
    claim = allocate_stock([demand(sku, 2, 1), demand(sku, 2, 2)], partial=True, actor=HOUSE)
    assert [row.quantity for row in claim.reservations] == [2, 1]
    assert [(short.code, short.wanted, short.available) for short in claim.short] == [
        (sku.code, 4, 3)
    ]
    assert counters(sku) == (3, 3, 0)


@pytest.mark.django_db
def test_a_sku_sold_beyond_stock_is_promised_but_not_shipped() -> None:
    sku = make_sku(stock=1, allow_backorder=True)
    allocate_stock([demand(sku, 3)], actor=HOUSE)
    assert counters(sku) == (1, 3, 0)
    with pytest.raises(StockShort):
        ship_reserved(HOLDER, [Shipping(1, moving(sku, 3))], actor=HOUSE)
    assert counters(sku) == (1, 3, 0)
    ship_reserved(HOLDER, [Shipping(1, moving(sku, 1))], actor=HOUSE)
    assert counters(sku) == (0, 2, 0)
    assert levels_that_differ() == []


@pytest.mark.requirement("R95")
@pytest.mark.django_db
def test_a_hold_that_runs_out_frees_the_stock() -> None:
    sku = make_sku(stock=2)
    now = timezone.now()
    hold_stock([demand(sku, 2)], expires_at=now + timedelta(minutes=15), actor=HOUSE)
    assert counters(sku) == (2, 0, 2)
    with pytest.raises(StockShort):
        allocate_stock([demand(sku, 1, 2)], actor=HOUSE)
    assert expire_reservations(now=now) == []
    ended = expire_reservations(now=now + timedelta(minutes=16))
    assert [row.state for row in ended] == ["expired"]
    assert expire_reservations(now=now + timedelta(minutes=17)) == []
    allocate_stock([demand(sku, 2, 2)], actor=HOUSE)
    assert counters(sku) == (2, 2, 0)


@pytest.mark.django_db
def test_shipping_part_of_a_claim_leaves_the_rest_claimed() -> None:
    sku = make_sku(stock=5)
    allocate_stock([demand(sku, 4)], actor=HOUSE)
    shipping = Shipping(1, moving(sku, 3, key="parcel-1"))
    ship_reserved(HOLDER, [shipping], actor=HOUSE)
    assert counters(sku) == (2, 1, 0)
    assert ship_reserved(HOLDER, [shipping], actor=HOUSE) == []
    assert counters(sku) == (2, 1, 0)
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_more_than_was_claimed_is_not_shipped() -> None:
    sku = make_sku(stock=5)
    allocate_stock([demand(sku, 2)], actor=HOUSE)
    with pytest.raises(StockShort):
        ship_reserved(HOLDER, [Shipping(1, moving(sku, 3))], actor=HOUSE)
    assert counters(sku) == (5, 2, 0)


@pytest.mark.django_db
def test_a_released_claim_is_free_for_others_once() -> None:
    sku = make_sku(stock=1)
    allocate_stock([demand(sku, 1)], actor=HOUSE)
    assert len(release_stock(HOLDER, [1], actor=HOUSE)) == 1
    assert release_stock(HOLDER, [1], actor=HOUSE) == []
    assert counters(sku) == (1, 0, 0)


@pytest.mark.django_db
def test_promised_goods_can_not_be_written_off() -> None:
    sku = make_sku(stock=3)
    allocate_stock([demand(sku, 2)], actor=HOUSE)
    with pytest.raises(StockShort):
        write_off_stock([moving(sku, 2)], actor=HOUSE)
    assert counters(sku) == (3, 2, 0)


@pytest.mark.django_db
def test_postgresql_refuses_an_oversell_even_from_the_shell() -> None:
    sku = make_sku(stock=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Reservation.objects.create(
            sku=sku,
            location=make_warehouse(),
            quantity=2,
            state=Reservation.State.ALLOCATED,
            holder=HOLDER,
            key="by-hand",
        )
    allocate_stock([demand(sku, 1)], actor=HOUSE)
    with pytest.raises(IntegrityError), transaction.atomic():
        Reservation.objects.update(quantity=2)
    with pytest.raises(Error), transaction.atomic():
        Reservation.objects.all().delete()
    assert counters(sku) == (1, 1, 0)


@pytest.mark.django_db
def test_backorders_can_not_be_switched_off_in_the_shell_while_some_are_open() -> None:
    sku = make_sku(allow_backorder=True)
    allocate_stock([demand(sku, 1)], actor=HOUSE)
    with pytest.raises(IntegrityError), transaction.atomic():
        Sku.objects.update(allow_backorder=False)
    assert StockLevel.objects.get().may_backorder
