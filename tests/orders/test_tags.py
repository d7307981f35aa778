import pytest
from django.db import ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from backoffice.actors import HOUSE
from backoffice.models import TimelineEntry
from backoffice.versions import StaleVersion
from orders.models.orders import Order
from orders.models.tags import OrderTag
from orders.services.errors import BadTag
from orders.services.placing import place_orders
from orders.services.tags import add_tags, remove_tags
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, fresh, line, place

pytestmark = pytest.mark.django_db


def test_tags_are_kept_sorted_and_once_in_one_spelling() -> None:
    order = place(line(make_sku(stock=1)), tags=("VIP",))
    add_tags([order.pk], ["High value", "fragile", "vip"], actor=HOUSE)
    assert fresh(order).tags == ["fragile", "high-value", "vip"]


def test_a_tag_that_is_there_changes_nothing() -> None:
    order = place(line(make_sku(stock=1)), tags=("vip",))
    before = TimelineEntry.objects.count()
    done = add_tags([order.pk], ["vip"], actor=HOUSE)
    assert (done.changed, [known.pk for known in done.unchanged]) == ([], [order.pk])
    assert (fresh(order).version, TimelineEntry.objects.count()) == (order.version, before)


def test_removing_takes_off_only_what_is_named() -> None:
    order = place(line(make_sku(stock=1)), tags=("vip", "fragile"))
    done = remove_tags([order.pk], ["vip", "absent"], actor=HOUSE)
    assert done.changed[0].tags == fresh(order).tags == ["fragile"]
    assert done.changed[0].version == fresh(order).version == order.version + 1


def test_a_tag_called_null_and_one_from_elsewhere_come_through_whole() -> None:
    order = place(line(make_sku(stock=1)))
    strange = ['a "b", {c}', "\\"]
    Order.objects.filter(pk=order.pk).update(tags=strange)
    add_tags([order.pk], ["null"], actor=HOUSE)
    assert fresh(order).tags == sorted([*strange, "null"])
    assert OrderTag.objects.filter(order_id=order.pk).count() == 3
    remove_tags([order.pk], ["null"], actor=HOUSE)
    assert fresh(order).tags == sorted(strange)


@pytest.mark.parametrize("tag", ["", "<b>", "-x", "x" * 41, "préféré"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    order = place(line(make_sku(stock=1)))
    with pytest.raises(BadTag):
        add_tags([order.pk], [tag], actor=HOUSE)
    assert fresh(order).tags == []


def test_a_stale_form_is_refused() -> None:
    order = place(line(make_sku(stock=1)))
    with pytest.raises(StaleVersion):
        add_tags([order.pk], ["vip"], versions={order.pk: order.version + 1}, actor=HOUSE)
    assert fresh(order).tags == []


def test_hundreds_of_orders_are_tagged_in_a_few_queries() -> None:
    sku = make_sku(stock=1000)
    orders = place_orders([draft(line(sku)) for _ in range(300)], actor=HOUSE).orders
    with CaptureQueriesContext(connection) as captured:
        done = add_tags([order.pk for order in orders], ["vip"], actor=HOUSE)
    assert len(done.changed) == Order.objects.filter(tags=["vip"]).count() == 300
    assert len(captured) <= 14


def found_by(tag: str) -> set[int]:
    return set(OrderTag.objects.filter(tag=tag).values_list("order_id", flat=True))


def test_orders_are_found_by_the_tags_they_carry_whoever_wrote_them() -> None:
    one = place(line(make_sku(stock=1)), tags=("vip", "fragile"))
    other = place(line(make_sku(stock=1)))
    add_tags([other.pk], ["vip"], actor=HOUSE)
    remove_tags([one.pk], ["fragile"], actor=HOUSE)
    assert (found_by("vip"), found_by("fragile")) == ({one.pk, other.pk}, set())
    Order.objects.filter(pk=one.pk).update(tags=["gift", "gift"])
    assert (found_by("vip"), found_by("gift")) == ({other.pk}, {one.pk})


def test_nobody_else_writes_by_which_tags_orders_are_found() -> None:
    order = place(line(make_sku(stock=1)), tags=("vip",))
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        OrderTag.objects.filter(order_id=order.pk).delete()
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        OrderTag.objects.create(tag="forged", order_id=order.pk)
    assert found_by("vip") == {order.pk}
