"""Two hundred tracking numbers from a file: shown first, each done by itself, nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.models import BulkJob, BulkOutcome
from backoffice.sheets import SheetRefused
from backoffice.workbench import jobs
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.services.drafts import Address
from orders.services.packing import pack_order
from orders.services.payment import Amount, mark_orders_paid
from orders.services.placing import place_orders
from orders.services.tracking_file import apply, check
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line, make_channel, make_service, pay, place

pytestmark = pytest.mark.django_db
HOME = Address("Grace Holloway", "14 Royal Crescent", "Bath", "BA1 2LX", "GB")


@pytest.fixture
def channel() -> Channel:
    channel = make_channel()
    make_service(channel)
    channel.refresh_from_db()
    return channel


def sheet(*rows: str, head: str = "Order,Tracking number") -> bytes:
    return "\n".join((head, *rows)).encode()


def paid_orders(channel: Channel, count: int) -> list[Order]:
    sku = make_sku(stock=count * 2)
    new = [draft(line(sku), channel=channel, ship_to=HOME) for _ in range(count)]
    orders = place_orders(new, actor=HOUSE).orders
    mark_orders_paid([Amount(order.pk, order.total_money) for order in orders], actor=HOUSE)
    return orders


@pytest.mark.requirement("R71")
def test_two_hundred_numbers_are_looked_at_and_then_done_in_a_job(
    channel: Channel, operations_client: Client, operations_user: Any
) -> None:
    orders = paid_orders(channel, 200)
    rows = [f"{order.number},RM{n:06}GB" for n, order in enumerate(orders)]
    rows[7] = f"{orders[7].number},=cmd()"
    rows.append("no-such-order,RM999999GB")
    upload = SimpleUploadedFile("numbers.csv", sheet(*rows))
    page = operations_client.post("/parcels/_/file/", {"file": upload, "leave": "on"})
    assert page.status_code == 200
    found = page.context["sheet"]
    assert (len(found.good), len(found.bad)) == (199, 2)
    assert not Package.objects.exists()
    operations_client.post("/parcels/_/file/job/", {"rows": page.context["rows"]})
    job = BulkJob.objects.get()
    assert not Package.objects.exists()
    operations_client.post(f"/jobs/{job.pk}/start/")
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    assert (job.succeeded, job.failed) == (199, 0)
    assert Label.objects.filter(state="bought").count() == 199
    assert Order.objects.filter(fulfilment="shipped").count() == 199
    again = SimpleUploadedFile("numbers.csv", sheet(*rows))
    page = operations_client.post("/parcels/_/file/", {"file": again, "leave": "on"})
    assert page.context["sheet"].good == []
    assert page.context["rows"] == ""


def test_each_row_says_what_is_wrong_with_it(channel: Channel) -> None:
    ready, twice, unpaid, several = (
        *paid_orders(channel, 2),
        place(line(make_sku(stock=9)), channel=channel, ship_to=HOME),
        place(line(make_sku(stock=9), 2), channel=channel, ship_to=HOME),
    )
    pay(several)
    product = several.lines.get()
    for _ in range(2):
        pack_order(several.pk, quantities={product.pk: 1}, actor=HOUSE)
    other = place(line(make_sku(stock=9)), channel=make_channel("bare"), ship_to=HOME)
    pay(other)
    found = check(
        sheet(
            f"{ready.number},A1,",
            f"{twice.number},A2,",
            f"{twice.number},A3,",
            f"{ready.number},A1,",
            f"{unpaid.number},A4,",
            f"{several.number},A5,",
            f"{other.number},A6,",
            f"{other.number},,",
            ",A8,",
            "1,1.2E+11,",
            f"{other.number}x,A9,Pigeon",
            head="order,tracking,service",
        )
    )
    problems = {row.number: row.problem for row in found.lines}
    assert (problems[2], problems[3]) == ("", "")
    said = {
        4: "stands in row 3",
        5: "stands in row 2",
        6: "unpaid",
        7: "several parcels",
        8: "ships with no service",
        9: "no tracking number",
        10: "neither an order nor a parcel",
        11: "dropped digits",
        12: "no order",
    }
    assert all(words in problems[row] for row, words in said.items()), problems
    assert Package.objects.count() == 2


def test_what_a_label_would_be_refused_for_is_said_before_the_job(
    channel: Channel, operations_client: Client
) -> None:
    sku = make_sku(stock=9)
    abroad, packed, nowhere = place_orders(
        [
            draft(
                line(sku), channel=channel, ship_to=replace(HOME, country="US", postcode="10001")
            ),
            draft(
                line(sku), channel=channel, ship_to=replace(HOME, country="US", postcode="10001")
            ),
            draft(line(sku), channel=channel, ship_to=HOME),
        ],
        actor=HOUSE,
    ).orders
    for order in (abroad, packed, nowhere):
        pay(order)
    Order.objects.filter(pk=nowhere.pk).update(ship_city="")
    parcel = pack_order(packed.pk, actor=HOUSE)
    rows = (f"{abroad.number},,A1", f",{parcel},A2", f"{nowhere.number},,A3")
    found = check(sheet(*rows, head="order,parcel,tracking"))
    assert [line.problem.partition(":")[0] for line in found.lines] == [
        "This parcel crosses a customs border",
        "This parcel crosses a customs border",
        "A label needs a name, a street, a town and a country. Complete the address.",
    ]
    assert Package.objects.get() == parcel
    assert [bool(told.problem) for told in apply(found.lines, leave=False, actor=HOUSE)] == [
        True
    ] * 3
    sample = operations_client.get("/parcels/_/file/sample.csv").content.decode().splitlines()
    assert sample[:2] == ["order,parcel,tracking,service", f"{packed.number},{parcel},,"]
    with pytest.raises(SheetRefused):
        check(b"order,parcel")
    filled = "\n".join(line.replace(",,", ",A9,") for line in sample).encode()
    assert check(filled).lines[0].problem.startswith("This parcel crosses")


def test_only_what_is_ticked_leaves_and_the_job_says_which(
    channel: Channel, operations_client: Client
) -> None:
    (order,) = paid_orders(channel, 1)
    assert "checked" not in operations_client.get("/parcels/_/file/").content.decode()
    for leave, says in (({"leave": "on"}, "handed over too"), ({}, "stay here until")):
        upload = SimpleUploadedFile("n.csv", sheet(f"{order.number},RM1"))
        page = operations_client.post("/parcels/_/file/", {"file": upload, **leave})
        operations_client.post("/parcels/_/file/job/", {"rows": page.context["rows"]})
        confirm = operations_client.get(f"/jobs/{BulkJob.objects.latest('pk').pk}/").content
        assert says in confirm.decode()
        assert "Leave" not in confirm.decode().partition('id="job-params"')[2].partition("<div")[0]


def test_a_row_that_is_done_twice_packs_and_labels_once(channel: Channel) -> None:
    (order,) = paid_orders(channel, 1)
    found = check(sheet(f"{order.number},RM1"))
    for _ in range(2):
        (told,) = apply(found.good, leave=False, actor=HOUSE)
        assert told.problem == ""
    assert (Package.objects.count(), Label.objects.count()) == (1, 1)


def test_a_row_that_fails_when_it_is_done_keeps_no_other(channel: Channel) -> None:
    first, second = paid_orders(channel, 2)
    found = check(sheet(f"{first.number},RM1", f"{second.number},RM2"))
    Order.objects.filter(pk=first.pk).update(ship_city="")
    told = apply(found.good, leave=True, actor=HOUSE)
    assert [bool(each.problem) for each in told] == [True, False]
    assert Order.objects.get(pk=second.pk).fulfilment == "shipped"
    assert Order.objects.get(pk=first.pk).fulfilment == "unshipped"


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"a,b\n1,2", b"order,tracking\n", b"\x80order"])
def test_a_file_that_makes_no_sense_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(SheetRefused):
        check(raw)


def test_what_somebody_else_looked_at_is_done_by_nobody(
    channel: Channel, operations_client: Client, administrator_client: Client
) -> None:
    (order,) = paid_orders(channel, 1)
    upload = SimpleUploadedFile("n.csv", sheet(f"{order.number},RM1"))
    page = operations_client.post("/parcels/_/file/", {"file": upload})
    rows = page.context["rows"]
    assert administrator_client.post("/parcels/_/file/job/", {"rows": rows}).status_code == 409
    assert not BulkJob.objects.exists()
    assert not BulkOutcome.objects.exists()
