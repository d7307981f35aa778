"""Pick lists and packing slips: what stands on them, and that they are papers."""

from __future__ import annotations

import pytest
from django.test import Client

from backoffice.actors import HOUSE
from orders.models.orders import Order
from orders.queries.papers import pick_lists, slip_of_order, slip_of_parcel
from orders.services.drafts import Address
from orders.services.packing import pack_order
from orders.services.picking import start_picking
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_store, pay, place, stock

pytestmark = pytest.mark.django_db
HOME = Address("Zoë <b>Łucja", "14 Royal Crescent", "Bath", "BA1 2LX", "GB")


def picked(*lines: object) -> Order:
    order = place(*lines, ship_to=HOME)  # type: ignore[arg-type]
    pay(order)
    start_picking([order.pk], actor=HOUSE).or_raise()
    return fresh(order)


def test_a_pick_list_sums_each_sku_and_says_for_which_orders() -> None:
    mug, plate = make_sku("MUG", stock=10), make_sku("PLATE", stock=10)
    one = picked(line(mug, 2), line(plate, 1))
    other = picked(line(mug, 3))
    place(line(mug))
    (found,) = pick_lists()
    rows = {row.code: (row.units, row.orders) for row in found.rows}
    assert rows == {
        "MUG": (5, [(one.number, 2), (other.number, 3)]),
        "PLATE": (1, [(one.number, 1)]),
    }
    assert (found.units, len(found.orders), found.left_out) == (6, 2, 0)


def test_each_place_has_its_own_list() -> None:
    make_channel()
    leeds = make_store(channel=make_channel())
    mug, cup = make_sku("MUG", stock=5), make_sku("CUP")
    stock(cup, 5, leeds)
    picked(line(mug))
    picked(line(cup))
    assert len(pick_lists()) == 2
    (found,) = pick_lists("LEEDS")
    assert [row.code for row in found.rows] == ["CUP"]


def test_a_slip_lists_what_is_in_the_parcel_alone_and_no_price() -> None:
    order = picked(line(make_sku("MUG", stock=10), 3))
    product = order.lines.get()
    package = pack_order(order.pk, quantities={product.pk: 2}, actor=HOUSE)
    assert slip_of_order(order).rows == [("MUG", "Item MUG", 3)]
    slip = slip_of_parcel(package, "JD1")
    assert (slip.rows, slip.tracking) == ([("MUG", "Item MUG", 2)], "JD1")
    assert slip.address == [
        "Zoë <b>Łucja", "14 Royal Crescent", "BA1 2LX Bath", "United Kingdom",
    ]  # fmt: skip


def test_papers_are_pdf_whatever_names_contain(operations_client: Client) -> None:
    order = picked(line(make_sku("MUG", stock=10), 3))
    package = pack_order(order.pk, actor=HOUSE)
    for address in (
        "/orders/_/pick-list/",
        "/orders/_/pick-list/?place=NOWHERE",
        f"/orders/{order.number}/_/slip/",
        f"/parcels/{package.number}/_/slip/",
    ):
        answer = operations_client.get(address)
        assert answer["Content-Type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF-")
        assert b"/Count 1" in answer.content
