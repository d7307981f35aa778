"""What somebody else ships for us: told once, under one reference, answered or brought up."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from automations.models.failures import Failure
from backoffice.actors import HOUSE
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.models.orders import Order
from orders.models.packages import Package
from orders.queries.forwarding import answer_by
from orders.services import forwarding_ports
from orders.services.backorders import reroute_order
from orders.services.cancelling import cancel_orders
from orders.services.errors import OrderError, WrongState
from orders.services.forwarders import add_forwarder, edit_forwarder
from orders.services.forwarding import (
    acknowledge,
    forward_ready,
    mark_each,
    mark_sent,
    note_shipped,
    notice_unanswered,
    refuse_forwarded,
    send_again,
    send_by_connectors,
)
from orders.services.forwarding_answers import read_answers
from orders.services.forwarding_ports import ForwarderDown, ForwardRequest
from orders.services.packing import unpack_package
from orders.services.shipping import edit_order_address
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku, make_warehouse
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
from tests.orders.parcels import HOME

State = ForwardedOrder.State
WORKERS = 50
LONDON = ZoneInfo("Europe/London")


def utrecht(**fields: Any) -> Forwarder:
    """A warehouse that ships from our main place for us."""
    values = {
        "location": make_warehouse(), "name": "Utrecht Logistics", "kind": "3pl",
        "answer_hours": 8, "is_active": True, **fields,
    }  # fmt: skip
    return add_forwarder(values, actor=HOUSE)


def ready_order(units: int = 2) -> Order:
    order = place(line(make_sku("MUG", stock=5), units), ship_to=HOME)
    pay(order)
    return fresh(order)


def forwarded() -> ForwardedOrder:
    """One parcel that waits to be told of."""
    utrecht()
    ready_order()
    forward_ready()
    return ForwardedOrder.objects.get()


def sent() -> ForwardedOrder:
    row = forwarded()
    mark_sent(row.pk, actor=HOUSE)
    row.refresh_from_db()
    return row


def late(row: ForwardedOrder) -> datetime:
    assert row.answer_by is not None
    return row.answer_by + timedelta(minutes=1)


def test_cancelled_before_it_was_told_it_is_withdrawn(db: None) -> None:
    row = forwarded()
    cancel_orders([row.order_id], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
    row.refresh_from_db()
    assert row.state == State.WITHDRAWN
    with pytest.raises(WrongState):
        mark_sent(row.pk, actor=HOUSE)


def test_only_what_is_ready_is_forwarded(db: None) -> None:
    utrecht()
    place(line(make_sku("MUG", stock=5), 1), ship_to=HOME)  # unpaid
    there = make_store("LEEDS", channel=make_channel())
    stock(make_sku("PLATE"), 3, there)
    pay(place(line(make_sku("PLATE"), 1), ship_to=HOME))  # leaves from our own shop
    assert forward_ready() == 0
    assert not Package.objects.exists()


@pytest.mark.requirement("R58")
def test_it_is_sent_once_however_many_press_and_retry(committed_db: Database) -> None:
    utrecht()
    order = ready_order()
    answers = at_once([forward_ready] * WORKERS)
    assert [each for each in answers if isinstance(each, Exception)] == []
    row = ForwardedOrder.objects.get()
    assert row.reference == Package.objects.get().number
    told = at_once([lambda: mark_sent(row.pk, actor=HOUSE)] * WORKERS)
    assert sorted(map(str, told)) == ["False"] * (WORKERS - 1) + ["True"]
    row.refresh_from_db()
    assert (row.state, row.sends) == (State.SENT, 1)
    assert Event.objects.filter(trigger="orders.order_forwarded").count() == 1
    # Sent again by two people at once: once more, and under the same reference.
    again = at_once([lambda: send_again(row.pk, sends=1, actor=HOUSE)] * WORKERS)
    assert sum(each is True for each in again) == 1
    before = row.reference
    row.refresh_from_db()
    assert (row.sends, row.reference) == (2, before)
    # They ship it, and somebody cancels: one wins, and nothing leaves a cancelled order.
    service = make_service(order.channel)

    def leave() -> object:
        return note_shipped(row.pk, service_id=service.pk, tracking="UT1", actor=HOUSE)

    def cancel() -> object:
        reason = Order.CancelReason.CUSTOMER
        return cancel_orders([order.pk], reason=reason, actor=HOUSE).or_raise()

    def refuse() -> object:
        return refuse_forwarded(row.pk, why="None left", actor=HOUSE)

    ends = at_once([leave, cancel, refuse] * 16)
    strange = [each for each in ends if isinstance(each, Exception)]
    assert [each for each in strange if not isinstance(each, OrderError)] == []
    row.refresh_from_db()
    order = fresh(order)
    assert (row.state == State.SHIPPED) == (order.fulfilment == "shipped")
    assert order.shipments.count() == int(row.state == State.SHIPPED)


@pytest.mark.requirement("R58")
def test_no_answer_in_time_is_a_case_that_a_late_answer_closes(db: None) -> None:
    row = sent()
    assert notice_unanswered() == 0
    assert (notice_unanswered(now=late(row)), notice_unanswered(now=late(row))) == (1, 0)
    case = Failure.objects.get(kind="orders.forward_unanswered")
    assert (case.subject_id, case.state) == (row.order_id, "open")
    assert row.reference in case.says
    assert Event.objects.filter(trigger="orders.forward_unanswered").count() == 1
    acknowledge(row.pk, theirs="U-77", actor=HOUSE)
    case.refresh_from_db()
    assert case.state == "resolved"
    row.refresh_from_db()
    assert (row.state, row.their_reference) == (State.ACKNOWLEDGED, "U-77")
    assert not acknowledge(row.pk, theirs="U-78", actor=HOUSE)
    assert notice_unanswered(now=late(row)) == 0


def test_sent_again_it_is_waited_for_anew_and_its_case_opens_again(db: None) -> None:
    row = sent()
    notice_unanswered(now=late(row))
    assert send_again(row.pk, sends=1, actor=HOUSE)
    case = Failure.objects.get()
    assert case.state == "resolved"
    row.refresh_from_db()
    notice_unanswered(now=late(row))
    case.refresh_from_db()
    assert (case.state, Failure.objects.count()) == ("open", 1)


@pytest.mark.requirement("R58")
def test_what_they_refuse_may_leave_from_elsewhere_and_is_not_forwarded_there_again(
    db: None,
) -> None:
    row = sent()
    with pytest.raises(WrongState, match="Utrecht"):
        cancel_orders([row.order_id], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
    with pytest.raises(WrongState):
        unpack_package(row.package_id, actor=HOUSE)
    with pytest.raises(WrongState):
        edit_order_address(row.order_id, HOME, version=None, actor=HOUSE)
    refuse_forwarded(row.pk, why="Broken", actor=HOUSE)
    assert Event.objects.filter(trigger="orders.forward_refused").count() == 1
    assert forward_ready() == 0
    leeds = make_store("LEEDS", channel=make_channel())
    stock(make_sku("MUG"), 5, leeds)
    assert reroute_order(row.order_id, leeds.pk, actor=HOUSE).location == leeds


def test_it_leaves_under_their_number(db: None) -> None:
    row = sent()
    service = make_service()
    for _ in range(2):
        note_shipped(row.pk, service_id=service.pk, tracking="UT1", actor=HOUSE)
    row.refresh_from_db()
    assert row.state == State.SHIPPED
    (shipment,) = fresh(row.order).shipments.all()
    assert shipment.tracking == "UT1"


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-25 10:00", 4, "2026-11-25 14:00"),  # a Wednesday
        ("2026-11-25 10:00", 8, "2026-11-26 10:00"),
        ("2026-11-25 20:00", 8, "2026-11-26 17:00"),
        ("2026-11-27 16:00", 2, "2026-11-30 10:00"),  # over the weekend
        ("2026-11-28 12:00", 1, "2026-11-30 10:00"),  # on a Saturday
        ("2026-03-27 16:00", 2, "2026-03-30 10:00"),  # the clocks change between
    ],
)
def test_the_answer_is_due_in_their_working_hours(start: str, hours: int, due: str) -> None:
    row = Forwarder(answer_hours=hours, opens_at=time(9), closes_at=time(17))
    begins = datetime.fromisoformat(start).replace(tzinfo=LONDON)
    expected = datetime.fromisoformat(due).replace(tzinfo=LONDON)
    assert answer_by(row, begins) == expected


class Warehouse:
    """A connector that is told, and loses its answer the first time."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.loses = True

    def knows(self, reference: str) -> bool:
        return reference in self.told

    def send(self, request: ForwardRequest) -> None:
        assert request.rows
        self.told.append(request.reference)
        if self.loses:
            self.loses = False
            raise ForwarderDown("No answer came.")


def test_a_connector_that_loses_its_answer_is_asked_before_it_is_told_again(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Warehouse()
    monkeypatch.setitem(forwarding_ports.PORTS, "utrecht", warehouse)
    row = forwarded()
    Forwarder.objects.update(port="utrecht")
    assert send_by_connectors() == 0
    row.refresh_from_db()
    assert row.state == State.TO_SEND
    assert send_by_connectors() == 0  # another worker may still be at it
    ForwardedOrder.objects.update(claimed_until=timezone.now())
    assert send_by_connectors() == 1
    assert warehouse.told == [row.reference]


def test_many_are_marked_each_by_itself(db: None) -> None:
    row = sent()
    cancelled = ready_order()
    forward_ready()
    other = ForwardedOrder.objects.get(order=cancelled)
    cancel_orders([cancelled.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    answers = mark_each([row.pk, other.pk], actor=HOUSE)
    assert answers[row.pk] is None
    assert isinstance(answers[other.pk], WrongState)


def test_answers_come_by_file_and_a_bad_row_stops_no_other(db: None) -> None:
    row = sent()
    text = (
        "Reference,Answer,Their reference\nX-1,acknowledged,\n"
        f"{row.reference},maybe,\n{row.reference},Acknowledged,U-1\n{row.reference},accepted,U-1\n"
    )
    told = read_answers(text.encode(), actor=HOUSE)
    assert (told.done, told.known, len(told.problems)) == (1, 1, 2)
    row.refresh_from_db()
    assert row.their_reference == "U-1"


def test_who_ships_for_us_stays_while_something_is_open(db: None) -> None:
    row = sent()
    values = {"location": row.forwarder.location, "is_active": False}
    with pytest.raises(OrderError, match="open"):
        edit_forwarder(row.forwarder_id, values, version=None, actor=HOUSE)
    with pytest.raises(OrderError, match="already"):
        utrecht()


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE orders_forwardedorder SET reference = 'other'",
        "UPDATE orders_forwardedorder SET state = 'to_send', sends = 0, sent_at = NULL",
        "UPDATE orders_forwardedorder SET sends = sends + 2",
        "DELETE FROM orders_forwardedorder",
        "INSERT INTO orders_forwardedorder (package_id, order_id, forwarder_id, reference, state, "
        "sends, their_reference, refused_why, version) SELECT package_id, order_id, forwarder_id, "
        "'x', 'to_send', 0, '', '', 1 FROM orders_forwardedorder",
        "UPDATE orders_order SET cancelled_at = now(), cancel_reason = 'other', "
        "fulfilment = 'cancelled'",
    ],
)
def test_forged_rows_are_refused_by_the_database(forged: str, db: None) -> None:
    sent()
    before = list(ForwardedOrder.objects.values())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(forged)
    assert list(ForwardedOrder.objects.values()) == before


def test_people_take_the_file_mark_it_sent_and_note_the_answer(
    db: None, operations_client: Client
) -> None:
    client = operations_client
    form = {
        "location": make_warehouse().pk, "name": "Utrecht", "kind": "3pl", "answer_hours": "8",
        "opens_at": "09:00", "closes_at": "08:00", "time_zone": "Europe/London", "is_active": "on",
    }  # fmt: skip
    assert "later than from" in client.post("/forwarding/_/who/new/", form).content.decode()
    client.post("/forwarding/_/who/new/", {**form, "closes_at": "17:00"})
    assert Forwarder.objects.get().name == "Utrecht"
    ready_order()
    forward_ready()
    row = ForwardedOrder.objects.get()
    page = f"/forwarding/{row.number}/"
    assert row.reference in client.get("/forwarding/").content.decode()
    file = client.get("/forwarding/_/file/").content.decode()
    assert f"{row.reference},{row.order.number},Grace Holloway" in file
    for _ in range(2):
        client.post(f"{page}_/send/?version=0", {"go": "1"})
    row.refresh_from_db()
    assert (row.state, row.sends) == (State.SENT, 1)
    assert row.reference not in client.get("/forwarding/_/file/").content.decode()
    answers = SimpleUploadedFile("a.csv", f"reference,answer\n{row.reference},ok\n".encode())
    client.post("/forwarding/_/answers/", {"file": answers})
    row.refresh_from_db()
    assert row.state == State.ACKNOWLEDGED
    assert "Acknowledged" in client.get(page).content.decode()
    refused = client.post(f"{page}_/refuse/", {"why": ""})
    assert refused.status_code == 422
    client.post(f"{page}_/left/", {"service": make_service().pk, "tracking": "UT5"})
    row.refresh_from_db()
    assert row.state == State.SHIPPED
