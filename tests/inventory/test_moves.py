from collections.abc import Callable, Sequence

import pytest
from django.db import Error, IntegrityError, connection, transaction

from backoffice.actors import HOUSE
from backoffice.models import TimelineEntry
from inventory import signals
from inventory.models import Location, Sku, StockLevel, StockMove
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import InventoryError, StockShort
from inventory.services.moves import (
    adjust_stock,
    inspect_stock,
    receive_stock,
    return_stock,
    ship_stock,
    write_off_stock,
)
from inventory.services.writing import Moving
from tests.inventory.factories import (
    level,
    make_locations,
    make_sku,
    make_warehouse,
    moving,
    receive,
)

pytestmark = pytest.mark.django_db


@pytest.mark.requirement("R94")
def test_on_hand_is_the_sum_of_the_moves() -> None:
    sku = make_sku(stock=100)
    ship_stock([moving(sku, 30)], actor=HOUSE)
    write_off_stock([moving(sku, 5)], actor=HOUSE)
    adjust_stock([moving(sku, 3), moving(sku, -1)], actor=HOUSE)
    assert level(sku).on_hand == 67
    assert levels_that_differ() == []


@pytest.mark.requirement("R94")
def test_a_move_written_in_the_shell_moves_the_level_too() -> None:
    sku = make_sku(stock=10)
    places = make_locations()
    StockMove.objects.create(
        sku=sku,
        from_location=places[Location.Kind.INTERNAL],
        to_location=places[Location.Kind.LOSS],
        quantity=4,
        reason=StockMove.Reason.WRITE_OFF,
        key="by-hand",
        occurred_at="2026-01-01T00:00Z",
        actor_kind="system",
        actor_label="shell",
    )
    assert level(sku).on_hand == 6
    assert levels_that_differ() == []


@pytest.mark.requirement("R94")
@pytest.mark.parametrize(
    "break_it",
    [
        lambda: StockMove.objects.update(quantity=1),
        lambda: StockMove.objects.all().delete(),
        lambda: StockLevel.objects.update(on_hand=99),
        lambda: StockLevel.objects.update(allocated=0),
        lambda: StockLevel.objects.all().delete(),
        lambda: StockLevel.objects.create(
            sku=Sku.objects.get(), location=make_locations()[Location.Kind.QUARANTINE], on_hand=5
        ),
        lambda: Location.objects.filter(kind="internal").update(kind="loss"),
    ],
)
def test_postgresql_refuses_to_change_what_moves_have_written(
    break_it: Callable[[], object],
) -> None:
    sku = make_sku(stock=10)
    with pytest.raises(Error), transaction.atomic():
        break_it()
    assert level(sku).on_hand == 10
    assert StockMove.objects.get().quantity == 10


def test_the_owner_of_the_tables_is_refused_too() -> None:
    make_sku(stock=10)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'inventory_stockmove'::regclass "
            "AND tgenabled = 'O' AND NOT tgisinternal ORDER BY 1"
        )
        assert [name for (name,) in cursor.fetchall()] == [
            "inventory_apply_moves",
            "inventory_stockmove_append_only",
            "inventory_stockmove_no_truncate",
            "orders_restocked_once",
        ]


def test_a_known_key_moves_nothing_again() -> None:
    sku = make_sku()
    once = moving(sku, 10, key="delivery-4711")
    assert len(receive_stock([once, once], actor=HOUSE)) == 1
    assert receive_stock([once], actor=HOUSE) == []
    assert level(sku).on_hand == 10


def test_what_is_not_there_can_not_leave_and_every_short_sku_is_named() -> None:
    first, second = make_sku("A", stock=3), make_sku("B", stock=1)
    with pytest.raises(StockShort) as refusal:
        write_off_stock([moving(first, 5), moving(second, 2)], actor=HOUSE)
    assert [shortage.code for shortage in refusal.value.shortages] == ["A", "B"]
    assert (
        str(refusal.value)
        == "Not enough stock in MAIN. A: 5 wanted, 3 available; B: 2 wanted, 1 available."
    )
    assert (level(first).on_hand, level(second).on_hand) == (3, 1)


def test_two_movings_of_one_sku_are_summed_before_they_are_checked() -> None:
    sku = make_sku(stock=3)
    with pytest.raises(StockShort):
        ship_stock([moving(sku, 2), moving(sku, 2)], actor=HOUSE)
    assert level(sku).on_hand == 3


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_is_above_zero(quantity: int) -> None:
    sku = make_sku(stock=3)
    with pytest.raises(InventoryError):
        receive_stock([moving(sku, quantity)], actor=HOUSE)
    assert level(sku).on_hand == 3


def test_returned_goods_are_sellable_only_after_inspection() -> None:
    sku = make_sku(stock=5)
    quarantine = make_locations()[Location.Kind.QUARANTINE]
    ship_stock([moving(sku, 3)], actor=HOUSE)
    return_stock([moving(sku, 3)], actor=HOUSE)
    assert (level(sku).on_hand, level(sku, quarantine).on_hand) == (2, 3)
    inspect_stock([moving(sku, 2)], sellable=True, actor=HOUSE)
    inspect_stock([moving(sku, 1)], sellable=False, actor=HOUSE)
    assert (level(sku).on_hand, level(sku, quarantine).on_hand) == (4, 0)
    assert levels_that_differ() == []


def test_goods_that_are_not_in_quarantine_can_not_be_inspected() -> None:
    sku = make_sku(stock=5)
    with pytest.raises(StockShort):
        inspect_stock([moving(sku, 1)], sellable=True, actor=HOUSE)
    assert level(sku).on_hand == 5


def test_codes_that_differ_only_in_case_are_two_skus() -> None:
    lower, upper = make_sku("15056bl", stock=1), make_sku("15056BL", stock=2)
    assert lower.pk != upper.pk
    assert (level(lower).on_hand, level(upper).on_hand) == (1, 2)


def test_a_write_off_is_announced_and_told() -> None:
    sku = make_sku(stock=5)
    heard: list[Sequence[StockMove]] = []

    def listen(*, moves: Sequence[StockMove], **kwargs: object) -> None:
        heard.append(moves)

    signals.stock_written_off.connect(listen)
    try:
        loss = Moving("loss-1", sku.pk, make_warehouse().pk, 2, note="damaged")
        write_off_stock([loss], actor=HOUSE)
    finally:
        signals.stock_written_off.disconnect(listen)
    assert [[move.quantity for move in moves] for moves in heard] == [[2]]
    told = TimelineEntry.objects.filter(subject="inventory.sku", subject_id=sku.pk)
    assert "Wrote off 2 at MAIN: damaged" in told.values_list("text", flat=True)


def test_a_bulk_insert_of_many_moves_is_one_update_of_the_levels() -> None:
    sku = make_sku()
    receive_stock([moving(sku, 1) for _ in range(500)], actor=HOUSE)
    stored = level(sku)
    assert (stored.on_hand, stored.version) == (500, 1)


def test_a_level_never_goes_below_zero_even_for_history() -> None:
    sku = make_sku(stock=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        ship_stock([moving(sku, 2)], actor=HOUSE, history=True)
    assert level(sku).on_hand == 1


def test_receipts_are_told_on_the_sku() -> None:
    sku = make_sku()
    receive(sku, 7)
    texts = TimelineEntry.objects.filter(subject_id=sku.pk).values_list("text", flat=True)
    assert "Received 7 at MAIN" in texts
