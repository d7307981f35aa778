"""Returns in depth: the window, the queue without an order, the way back, units judged once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from automations.models.failures import Failure
from backoffice.actors import HOUSE
from backoffice.models import User
from backoffice.timeline import story
from inventory.models import Location, StockMove
from inventory.queries.levels import levels_that_differ
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.returns import ReturnLine, ReturnOrder
from orders.models.shipments import Shipment
from orders.queries.checks import orders_that_differ
from orders.services.authorising import authorise_returns, note_way_back
from orders.services.errors import OrderError, TooMany, WrongState
from orders.services.intake import find_order_of, take_down_return
from orders.services.returns import inspect_returns, receive_returns
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_locations, make_sku
from tests.orders.factories import fresh, make_channel
from tests.orders.test_returns import ask, shipped_order

State = ReturnOrder.State
REASON = ReturnOrder.Reason.UNWANTED


def left_ago(order: Order, days: int) -> None:
    Shipment.objects.filter(order=order).update(shipped_at=timezone.now() - timedelta(days=days))


def again(row: ReturnOrder) -> ReturnOrder:
    return ReturnOrder.objects.get(pk=row.pk)


@pytest.mark.requirement("R78")
def test_the_window_of_the_channel_is_checked(
    db: None, client: Client, support_user: User, operations_user: User
) -> None:
    in_time, late = shipped_order(1), shipped_order(1)
    Channel.objects.update(return_days=14)
    left_ago(in_time, 13)
    left_ago(late, 15)
    first, second = ask(fresh(in_time), 1), ask(fresh(late), 1)
    assert (first.is_late, second.is_late) == (False, True)
    client.force_login(support_user)
    answer = client.post(f"/returns/{first.number}/_/authorise/", {"why": ""})
    assert (answer.status_code, again(first).state) == (302, State.AUTHORISED)
    assert again(first).authorised_by == support_user.get_full_name()
    answer = client.post(f"/returns/{second.number}/_/authorise/", {"why": "Illness"})
    assert answer.status_code == 422
    assert "after its window" in answer.content.decode()
    assert again(second).state == State.REQUESTED
    client.force_login(operations_user)
    answer = client.post(f"/returns/{second.number}/_/authorise/", {"why": ""})
    assert "Say why" in answer.content.decode()
    client.post(f"/returns/{second.number}/_/authorise/", {"why": "Illness"})
    assert (again(second).state, again(second).authorised_why) == (State.AUTHORISED, "Illness")


@pytest.mark.requirement("R78")
def test_a_return_that_fits_no_order_goes_to_the_queue_and_is_matched_by_a_person(
    db: None, client: Client, support_user: User
) -> None:
    order = shipped_order(3)
    client.force_login(support_user)
    sku = order.lines.get().sku
    assert sku is not None
    given = {
        "channel": order.channel.pk,
        "reference": "no-such",
        "goods": f"{sku.code} 2",
        "reason": REASON,
    }
    assert client.post("/returns/new/", given).status_code == 302
    row = ReturnOrder.objects.get()
    assert (row.order, row.unmatched_cause, row.units) == (None, "no_such_order", 2)
    case = Failure.objects.get(kind="orders.return_without_order")
    assert (case.cause_words, case.state) == ("Return without an order: no such order", "open")
    assert row.number in client.get("/returns/?view=unmatched").content.decode()
    page = client.get(f"/returns/{row.number}/").content.decode()
    assert "Find its order" in page
    answer = client.post(f"/returns/{row.number}/_/match/", {"reference": "not-it"})
    assert answer.status_code == 422
    client.post(f"/returns/{row.number}/_/match/", {"reference": order.number})
    assert (again(row).order, again(row).unmatched_cause) == (order, "")
    assert again(row).return_by is not None
    assert again(row).amount == 20
    case.refresh_from_db()
    assert case.state != "open"
    assert orders_that_differ([order.pk]) == []


def test_a_return_with_our_number_finds_its_order_at_once(db: None) -> None:
    order = shipped_order(3)
    code = make_sku().code
    row = take_down_return(order.channel, order.number, {code: 2}, reason=REASON, actor=HOUSE)
    assert (row.order, row.units) == (order, 2)
    too_many = take_down_return(order.channel, order.number, {code: 2}, reason=REASON, actor=HOUSE)
    assert (too_many.order, too_many.unmatched_cause) == (None, "not_in_order")
    with pytest.raises(OrderError, match="no 2 ×"):
        find_order_of(too_many.pk, order.number, actor=HOUSE)
    assert again(too_many).order is None


@pytest.mark.requirement("R78")
def test_label_and_pickup_point_are_written_down_by_hand(
    db: None, client: Client, support_user: User
) -> None:
    first, second = ask(shipped_order(1), 1), ask(shipped_order(1), 1)
    client.force_login(support_user)
    way = {"carrier": "Royal Mail", "tracking": "RT1GB", "pickup_point": "Post office, Bath"}
    assert client.post(f"/returns/{first.number}/_/way/", way).status_code == 302
    assert again(first).tracking == "RT1GB"
    page = client.get(f"/returns/{first.number}/").content.decode()
    assert "RT1GB" in page
    assert "Post office, Bath" in page
    answer = client.post(f"/returns/{second.number}/_/way/", way)
    assert "is the number of another return" in answer.content.decode()
    assert again(second).tracking == ""
    receive_returns([first.pk], actor=HOUSE)
    with pytest.raises(WrongState):
        note_way_back(first.pk, carrier="", tracking="", pickup_point="", actor=HOUSE)


def test_what_arrives_unasked_is_taken_in_and_authorised_later(db: None) -> None:
    row = ask(shipped_order(2), 2)
    receive_returns([row.pk], actor=HOUSE)
    authorise_returns([row.pk], actor=HOUSE)
    assert (again(row).state, again(row).authorised_by) == (State.RECEIVED, HOUSE.label)
    with pytest.raises(WrongState):
        authorise_returns([row.pk], actor=HOUSE)
    told = [entry.text for entry in story("orders.returnorder", row.pk)]
    assert f"Return {row.number} authorised" in told


@pytest.mark.requirement("R78")
def test_each_unit_of_a_line_is_restocked_or_scrapped_once(
    db: None, client: Client, operations_user: User
) -> None:
    row = ask(shipped_order(3), 3)
    receive_returns([row.pk], actor=HOUSE)
    line = row.lines.get()
    with pytest.raises(TooMany):
        inspect_returns([row.pk], scrap={line.pk: 4}, actor=HOUSE)
    assert StockMove.objects.filter(reason="inspection").count() == 0
    client.force_login(operations_user)
    client.post(f"/returns/{row.number}/_/inspect/", {f"scrap_{line.pk}": 1})
    line.refresh_from_db()
    assert (line.outcome, line.restocked, line.scrapped) == ("partly", 2, 1)
    quarantine = make_locations()[Location.Kind.QUARANTINE]
    assert (level(make_sku()).on_hand, level(make_sku(), quarantine).on_hand) == (9, 0)
    assert levels_that_differ() == []


@pytest.mark.requirement("R78")
def test_postgresql_restocks_no_unit_twice_whoever_writes(db: None) -> None:
    row = ask(shipped_order(3), 3)
    receive_returns([row.pk], actor=HOUSE)
    inspect_returns([row.pk], scrap={row.lines.get().pk: 1}, actor=HOUSE)
    line, move = row.lines.get(), StockMove.objects.get(key__endswith=":inspected")
    attempts: list[tuple[Any, dict[str, Any]]] = [
        (ReturnLine.objects.filter(pk=line.pk), {"restocked": 3, "scrapped": 0}),
        (ReturnLine.objects.filter(pk=line.pk), {"outcome": "pending"}),
        (ReturnOrder.objects.filter(pk=row.pk), {"state": "received", "inspected_at": None}),
    ]
    for rows, values in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**values)
    for key, source, units in (
        (move.key, move.source, 2),
        (f"orders.returnline:{line.pk}:scrapped2", move.source, 1),
        (f"orders.returnline:{line.pk}:received", move.source, 3),
        ("again", move.source, 2),
        ("again", "finance.refund", 2),
    ):
        again = StockMove.objects.get(pk=move.pk)
        again.pk, again.key, again.source, again.quantity = None, key, source, units
        with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
            again.save(force_insert=True)
    assert level(make_sku()).on_hand == 9


@pytest.mark.requirement("R78")
def test_fifty_who_inspect_one_return_at_once_restock_it_once(committed_db: None) -> None:
    row = ask(shipped_order(3), 3)
    receive_returns([row.pk], actor=HOUSE)

    def inspect() -> bool:
        try:
            inspect_returns([row.pk], actor=HOUSE)
        except WrongState:
            return False
        return True

    answers = at_once([inspect] * 50)
    assert (answers.count(True), answers.count(False)) == (1, 49)
    assert level(make_sku()).on_hand == 10
    assert levels_that_differ() == []


def test_an_administrator_changes_the_window_of_a_channel(
    db: None, client: Client, administrator_user: User
) -> None:
    channel = make_channel()
    client.force_login(administrator_user)
    client.post(f"/settings/channels/{channel.key}/_/returns/", {"return_days": 100})
    channel.refresh_from_db()
    assert channel.return_days == 100
    page = client.get(f"/settings/channels/{channel.key}/").content.decode()
    assert "within 100 days" in page
