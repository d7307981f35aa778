"""Parcels: packed from what is set aside, declared, handed over, each by itself."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from automations.models.failures import Failure
from backoffice.actors import HOUSE
from backoffice.money import Money
from inventory.queries.levels import levels_that_differ
from inventory.services.skus import set_customs_data
from orders.models.carriers import CarrierService
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.packages import Label, Package, PackageLine
from orders.queries.borders import crosses_border
from orders.queries.checks import orders_that_differ
from orders.services.backorders import reroute_order
from orders.services.drafts import Address
from orders.services.errors import (
    LabelExists,
    NoLabel,
    NotAllocated,
    NotPaid,
    OnHold,
    OrderError,
    ParcelTrouble,
    TooMany,
    WrongState,
)
from orders.services.holds import hold_orders
from orders.services.labels import Wanted, label_each, void_label
from orders.services.packing import (
    Parcel,
    hand_over,
    hand_over_each,
    pack_order,
    set_customs,
    unpack_package,
)
from orders.services.shipping import edit_order_address, ship_order
from tests.inventory.factories import level, make_sku
from tests.orders.factories import (
    fresh,
    line,
    make_channel,
    make_service,
    make_store,
    pay,
    place,
    stock,
)
from tests.orders.parcels import ABROAD, OSLO, buy, paid, service


@pytest.mark.django_db
def test_what_is_set_aside_is_packed_labelled_and_handed_over() -> None:
    order = paid(5)
    product = order.lines.get()
    first = pack_order(order.pk, quantities={product.pk: 2}, version=order.version, actor=HOUSE)
    second = pack_order(order.pk, parcel=Parcel(1200, 40, Decimal(15)), actor=HOUSE)
    assert [p.lines.get().quantity for p in (first, second)] == [2, 3]
    assert (first.declared, second.declared) == (
        Money(Decimal("20.0000"), "GBP"),
        Money(Decimal(15), "GBP"),
    )
    with pytest.raises(NoLabel):
        hand_over(first.pk, actor=HOUSE)
    assert level(make_sku()).on_hand == 10
    buy(first)
    hand_over(first.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.PART_SHIPPED
    assert order.shipments.get().tracking == "JD01"
    assert hand_over(first.pk, actor=HOUSE).shipment_id is not None
    assert level(make_sku()).on_hand == 8
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_no_more_is_packed_than_is_set_aside_and_not_packed_yet() -> None:
    order, unpaid, held = paid(2), place(line(make_sku(stock=10))), paid(1)
    hold_orders([held.pk], reason=Hold.Reason.FRAUD, actor=HOUSE)
    product = order.lines.get()
    refused: list[tuple[Order, dict[int, int] | None, type[OrderError]]] = [
        (order, {product.pk: 3}, TooMany),
        (unpaid, None, NotPaid),
        (held, None, OnHold),
    ]
    for each, quantities, error in refused:
        with pytest.raises(error):
            pack_order(each.pk, quantities=quantities, actor=HOUSE)
    assert not Package.objects.exists()
    package = pack_order(order.pk, actor=HOUSE)
    with pytest.raises(NotAllocated):
        pack_order(order.pk, actor=HOUSE)
    with pytest.raises(IntegrityError), transaction.atomic():
        PackageLine.objects.filter(package=package).update(quantity=3)
    with pytest.raises(IntegrityError), transaction.atomic():
        Package.objects.create(order=unpaid, number="X", declared_value=1, currency="GBP")
    unpack_package(package.pk, actor=HOUSE)
    assert pack_order(order.pk, actor=HOUSE).number == f"{order.number}-P2"


@pytest.mark.django_db
@pytest.mark.requirement("R74")
def test_one_bad_parcel_never_keeps_the_others_of_a_batch() -> None:
    good, heavy, nowhere, abroad = (
        pack_order(paid().pk, actor=HOUSE),
        pack_order(paid().pk, parcel=Parcel(weight_grams=30_000), actor=HOUSE),
        pack_order(paid(ship_to=Address("Grace", "", "", "", "GB")).pk, actor=HOUSE),
        pack_order(paid(ship_to=OSLO).pk, actor=HOUSE),
    )
    CarrierService.objects.filter(pk=service().pk).update(max_grams=20_000, countries=["GB", "NO"])
    packages = [heavy, nowhere, abroad, good]
    answers = label_each(
        [Wanted(p.pk, service().pk, f"batch-{p.pk}", f"B{p.pk}") for p in packages], actor=HOUSE
    )
    assert isinstance(answers[good.pk], Label)
    troubles = {p.pk: Package.objects.get(pk=p.pk).trouble for p in packages}
    assert troubles == {
        good.pk: "", heavy.pk: "oversize", nowhere.pk: "address", abroad.pk: "customs"
    }  # fmt: skip
    assert Failure.objects.filter(kind="orders.parcel_in_trouble").count() == 3
    answers_ = hand_over_each([p.pk for p in packages], actor=HOUSE)
    assert {pk for pk, error in answers_.items() if error is None} == {good.pk}
    CarrierService.objects.update(max_grams=None)
    buy(heavy, "B-again", key="again")
    heavy.refresh_from_db()
    assert heavy.trouble == ""
    assert Failure.objects.filter(state=Failure.State.RESOLVED).count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("R75")
def test_a_parcel_abroad_has_no_label_before_customs_know_code_origin_and_value() -> None:
    known = make_sku("MUG", stock=10)
    set_customs_data(known.pk, hs_code="691110", origin="CN", actor=HOUSE)
    ready = pack_order(paid(ship_to=OSLO, code="MUG").pk, actor=HOUSE)
    assert buy(ready).state == Label.State.BOUGHT
    package = pack_order(paid(ship_to=OSLO).pk, actor=HOUSE)
    row = package.lines.get()
    for data in (("", "GB", Decimal(1)), ("691110", "", Decimal(1)), ("691110", "GB", None)):
        set_customs(package.pk, {row.pk: data}, actor=HOUSE)
        with pytest.raises(ParcelTrouble):
            buy(package, "JD02", key="two")
        with pytest.raises(IntegrityError), transaction.atomic():
            Label.objects.create(
                package=package, service=service(), key="shell", carrier="X", actor_label="shell"
            )
    assert package.labels.count() == 0
    set_customs(package.pk, {row.pk: ("691110", "GB", Decimal(1))}, actor=HOUSE)
    assert buy(package, "JD02", key="two").tracking == "JD02"


@pytest.mark.django_db
def test_an_address_abroad_asks_for_customs_and_none_is_changed_under_a_label() -> None:
    order = paid()
    package = pack_order(order.pk, actor=HOUSE)
    label = buy(package)
    with pytest.raises(LabelExists):
        edit_order_address(order.pk, OSLO, version=None, actor=HOUSE)
    assert fresh(order).ship_country == "GB"
    void_label(label.pk, actor=HOUSE)
    edit_order_address(order.pk, OSLO, version=None, actor=HOUSE)
    with pytest.raises(ParcelTrouble):
        buy(package, "JD02", key="two")
    assert package.labels.exclude(state=Label.State.VOIDED).count() == 0


@pytest.mark.django_db
def test_what_is_packed_leaves_with_its_parcel_and_from_its_place() -> None:
    order, store = paid(3), make_store()
    stock(make_sku(), 5, store)
    product = order.lines.get()
    pack_order(order.pk, quantities={product.pk: 2}, actor=HOUSE)
    with pytest.raises(TooMany):
        ship_order(order.pk, quantities={product.pk: 2}, actor=HOUSE)
    with pytest.raises(WrongState):
        reroute_order(order.pk, store.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.UNSHIPPED
    ship_order(order.pk, actor=HOUSE)
    product.refresh_from_db()
    assert product.quantity_shipped == 1


@pytest.mark.parametrize(
    ("sender", "receiver", "crosses"),
    [("GB", "GB", False), ("GB", "FR", True), ("DE", "FR", False), ("FR", "NO", True),
     ("GB", "", False)],
)  # fmt: skip
def test_customs_borders(sender: str, receiver: str, crosses: bool) -> None:
    assert crosses_border(sender, receiver) is crosses


@pytest.mark.django_db
@pytest.mark.requirement("R75")
def test_the_form_says_at_the_field_what_customs_lack(operations_client: Client) -> None:
    channel = make_channel()
    carrier = make_service(channel)
    order = paid(ship_to=ABROAD)
    package = pack_order(order.pk, actor=HOUSE)
    row = package.lines.get()
    address = f"/parcels/{package.number}/_/label/"
    page = operations_client.get(address).content.decode()
    assert "HS code" in page
    form = {"service": carrier.pk, "tracking": "JD0146", "key": "k"}
    refused = operations_client.post(address, {**form, f"hs_{row.pk}": "12ab"})
    assert refused.status_code == 422
    errors = refused.context["form"].errors
    assert set(errors) == {f"hs_{row.pk}", f"origin_{row.pk}", f"value_{row.pk}"}
    assert not Label.objects.exists()
    filled = {f"hs_{row.pk}": "691110", f"origin_{row.pk}": "CN", f"value_{row.pk}": "4.50"}
    assert operations_client.post(address, {**form, **filled}).status_code == 302
    assert Label.objects.get().tracking == "JD0146"
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert "JD0146" in page


@pytest.mark.django_db
def test_the_form_asks_for_no_customs_data_that_the_sku_has(operations_client: Client) -> None:
    channel = make_channel()
    make_service(channel)
    known, unknown = make_sku("CUP-1", stock=5), make_sku("CUP-2", stock=5)
    set_customs_data(known.pk, hs_code="691110", origin="CN", actor=HOUSE)
    order = place(line(known), line(unknown), channel=channel, ship_to=ABROAD)
    pay(order)
    package = pack_order(order.pk, actor=HOUSE)
    page = operations_client.get(f"/parcels/{package.number}/_/label/").content.decode()
    assert "Customs data is known of 1 of 2 lines" in page
    asked, told = (package.lines.get(order_line__sku=sku).pk for sku in (unknown, known))
    assert f"hs_{asked}" in page
    assert f"hs_{told}" not in page


@pytest.mark.django_db
def test_a_parcel_goes_from_the_shelf_to_the_door_in_the_browser_forms(
    operations_client: Client, support_client: Client
) -> None:
    make_service(make_channel())
    order = paid(2)
    pack = f"/orders/{order.number}/_/pack/?version={order.version}"
    assert support_client.post(pack, {}).status_code == 403
    assert operations_client.post(pack, {"weight_grams": "800"}).status_code == 302
    package = Package.objects.get()
    form = {"service": service().pk, "tracking": "JD7", "cost": "3.20", "key": "k"}
    operations_client.post(f"/parcels/{package.number}/_/label/", form)
    ready = operations_client.get("/parcels/?view=ready").context["listing"]
    assert [row.record.number for row in ready.rows] == [package.number]
    operations_client.post(f"/parcels/{package.number}/_/leave/", {"go": "1"})
    assert fresh(order).fulfilment == Order.Fulfilment.SHIPPED
    when = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    operations_client.post(
        f"/parcels/{package.number}/_/track/", {"state": "delivered", "occurred_at": when}
    )
    package.refresh_from_db()
    assert package.state == Package.State.DELIVERED
    moved = Event.objects.get(trigger="orders.parcel_moved")
    assert (moved.facts["parcel.state"], moved.facts["parcel.tracking"]) == ("delivered", "JD7")
    found = operations_client.get("/parcels/?view=all&q=JD7").context["listing"]
    assert [row.record.number for row in found.rows] == [package.number]
