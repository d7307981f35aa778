from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from backoffice.actors import HOUSE
from backoffice.models import TimelineEntry
from backoffice.money import Money
from backoffice.versions import StaleVersion
from inventory import signals
from inventory.models import LowStock, Sku
from inventory.services.errors import InventoryError
from inventory.services.moves import ship_stock
from inventory.services.reservations import Demand, allocate_stock, release_stock
from inventory.services.skus import NewSku, SkuEdit, add_skus, edit_sku, set_reorder_point
from tests.inventory.factories import make_sku, make_warehouse, moving, receive


class Falls:
    """Listens for SKUs that fell low."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, *, skus: list[Sku], **sent: object) -> None:
        self.codes += [sku.code for sku in skus]

    def __enter__(self) -> list[str]:
        signals.stock_fell_low.connect(self)
        return self.codes

    def __exit__(self, *error: object) -> None:
        signals.stock_fell_low.disconnect(self)


@pytest.mark.django_db
def test_a_fall_to_the_reorder_point_is_announced_once_until_it_rises_again() -> None:
    sku = make_sku("A", stock=10, reorder_point=5)
    with Falls() as codes:
        ship_stock([moving(sku, 4)], actor=HOUSE)
        assert codes == []
        ship_stock([moving(sku, 1)], actor=HOUSE)
        ship_stock([moving(sku, 1)], actor=HOUSE)
        assert codes == ["A"]
        receive(sku, 10)
        assert not LowStock.objects.exists()
        ship_stock([moving(sku, 9)], actor=HOUSE)
        assert codes == ["A", "A"]
    assert LowStock.objects.get().sku == sku


@pytest.mark.django_db
def test_promised_stock_counts_as_gone_and_released_stock_as_back() -> None:
    sku = make_sku("A", stock=10, reorder_point=5)
    demand = Demand("claim", sku.pk, make_warehouse().pk, 6, "orders.orderline", 1)
    with Falls() as codes:
        allocate_stock([demand], actor=HOUSE)
        assert codes == ["A"]
        release_stock("orders.orderline", [1], actor=HOUSE)
    assert not LowStock.objects.exists()


@pytest.mark.django_db
def test_the_version_of_a_low_sku_follows_its_stock() -> None:
    sku = make_sku("A", stock=10, reorder_point=5)
    ship_stock([moving(sku, 1)], actor=HOUSE)
    assert Sku.objects.get().version == sku.version
    ship_stock([moving(sku, 5)], actor=HOUSE)
    low = Sku.objects.get().version
    assert low > sku.version
    ship_stock([moving(sku, 1)], actor=HOUSE)
    assert Sku.objects.get().version > low


@pytest.mark.django_db
def test_history_tells_nobody_that_stock_is_low() -> None:
    sku = make_sku("A", stock=10, reorder_point=5)
    with Falls() as codes:
        ship_stock([moving(sku, 9)], actor=HOUSE, history=True)
    assert codes == []


@pytest.mark.django_db
def test_a_reorder_point_set_above_the_stock_is_a_fall() -> None:
    sku = make_sku("A", stock=10)
    with Falls() as codes:
        assert set_reorder_point([sku.pk], 10, actor=HOUSE) == [sku]
        assert set_reorder_point([sku.pk], 10, actor=HOUSE) == []
    assert codes == ["A"]
    texts = list(TimelineEntry.objects.values_list("text", flat=True))
    assert "Reorder point none → 10" in texts


@pytest.mark.django_db
def test_a_stale_form_sets_no_reorder_point() -> None:
    sku = make_sku("A")
    with pytest.raises(StaleVersion):
        set_reorder_point([sku.pk], 5, versions={sku.pk: sku.version + 1}, actor=HOUSE)
    with pytest.raises(InventoryError):
        set_reorder_point([sku.pk], -1, actor=HOUSE)
    assert Sku.objects.get().reorder_point is None


@pytest.mark.django_db
def test_skus_are_added_once_and_kept_as_they_are() -> None:
    first = add_skus([NewSku("A", name="First")], actor=HOUSE)["A"]
    again = add_skus([NewSku("A", name="Other"), NewSku("a")], actor=HOUSE)
    assert (again["A"].pk, again["A"].name) == (first.pk, "First")
    assert sorted(Sku.objects.values_list("code", flat=True)) == ["A", "a"]
    assert first.history.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("code", ["", " A", "A "])
def test_a_code_has_no_spaces_around_it(code: str) -> None:
    with pytest.raises(InventoryError):
        add_skus([NewSku(code)], actor=HOUSE)
    assert not Sku.objects.exists()


@pytest.mark.django_db
def test_editing_keeps_who_changed_what_and_refuses_stale_forms() -> None:
    sku = make_sku("A")
    edit = SkuEdit("Lamp", True, True, False, Money(Decimal("2.50"), "GBP"))
    changed = edit_sku(sku.pk, edit, version=sku.version, actor=HOUSE)
    assert (changed.cost, changed.version) == (Money(Decimal("2.50"), "GBP"), sku.version + 1)
    assert changed.history.count() == 2
    with pytest.raises(StaleVersion):
        edit_sku(sku.pk, edit, version=sku.version, actor=HOUSE)


@pytest.mark.django_db
def test_backorders_stay_allowed_while_some_are_open() -> None:
    sku = make_sku("A", allow_backorder=True)
    demand = Demand("claim", sku.pk, make_warehouse().pk, 1, "orders.orderline", 1)
    allocate_stock([demand], actor=HOUSE)
    with pytest.raises(InventoryError):
        edit_sku(sku.pk, SkuEdit("A", False, True, False, None), version=None, actor=HOUSE)
    assert Sku.objects.get().allow_backorder


@pytest.mark.django_db
def test_a_cost_has_a_currency() -> None:
    make_sku("A")
    with pytest.raises(IntegrityError), transaction.atomic():
        Sku.objects.update(unit_cost=Decimal(1))
    assert Sku.objects.get().cost is None
