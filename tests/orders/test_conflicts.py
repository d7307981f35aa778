"""Two systems that disagree about an order: one case, and nothing is spent or written meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test import Client
from django.utils import timezone

from automations.actions import Call, actions
from automations.engine.sweep import sweep
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run
from backoffice.actors import HOUSE, Actor, ActorKind, outside
from finance.models.refunds import Refund
from finance.services.books import open_books
from orders.models.channels import Channel
from orders.models.claims import Claim
from orders.models.conflicts import Conflict
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.models.packages import TrackerEvent
from orders.services.cancelling import cancel_orders
from orders.services.claims import open_claim
from orders.services.conflicts import decide_conflict
from orders.services.drafts import MarketNews
from orders.services.errors import AlreadyDecided, OrderError
from orders.services.labels import void_label
from orders.services.market import note_market
from orders.services.packing import pack_order
from orders.services.tracking import NewEvent, record_tracking
from orders.tasks import notice_old_news as every_minute
from support.models import OutgoingMail
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_customer, place
from tests.orders.parcels import HOME, buy

Said = TrackerEvent.State
EVERY = {
    "all": [{"field": "order.total", "op": "gte", "value": {"amount": "0.00", "currency": "GBP"}}]
}
REFUND = {"uid": "r1", "do": "finance.request_refund", "with": {"reason": "cancelled", "note": ""}}
MAIL = {
    "uid": "m1",
    "do": "support.write_about_order",
    "with": {"subject": "Your order", "text": "It was cancelled."},
}
TAG = {"uid": "t1", "do": "orders.add_tag", "with": {"tag": "seen"}}


def sold() -> Order:
    """An order that a marketplace sold, paid and packed."""
    channel = make_channel()
    Channel.objects.filter(pk=channel.pk).update(kind=Channel.Kind.MARKETPLACE)
    channel.refresh_from_db()
    order = place(
        line(make_sku(stock=10)),
        ship_to=HOME,
        channel=channel,
        external_id="026-1",
        customer_id=make_customer().pk,
        market=MarketNews(MarketOrder.Status.OPEN),
    )
    open_books(channel.legal_entity)
    pay(order)
    pack_order(order.pk, actor=HOUSE)
    return fresh(order)


def moves(order: Order, state: Said = Said.MOVING, hours: int = 1) -> None:
    package = order.packages.get()
    at = timezone.now() - timedelta(hours=hours)
    record_tracking(package.pk, [NewEvent(state, at)], actor=outside("Royal Mail"))


def cancelled_there(order: Order) -> None:
    note_market(order.pk, MarketNews(MarketOrder.Status.CANCELLED), actor=outside("Market"))


def live(trigger: str, *steps: dict[str, Any]) -> None:
    for step in steps:
        make.live_rule(name=step["do"], trigger={"on": trigger}, when=EVERY, steps=[step])


def shell(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def states() -> dict[str, str]:
    """What became of each rule's run, by what it does."""
    found = {}
    for run in Run.objects.order_by("pk"):
        rule = Rule.objects.get(pk=run.rule_id)
        found[rule.name] = run.parked_for or run.state
    return found


@pytest.mark.requirement("R25")
@pytest.mark.django_db
def test_cancelled_at_the_marketplace_and_moving_becomes_one_case_that_blocks_money_and_mail(
    operations_client: Client,
) -> None:
    order = sold()
    live("orders.market_changed", REFUND, MAIL, TAG)
    operations_client.post(
        f"/parcels/{order.packages.get()}/_/track/",
        {"state": "moving", "occurred_at": f"{timezone.localtime():%Y-%m-%dT%H:%M}", "note": ""},
    )
    operations_client.post(
        f"/orders/{order.number}/_/market/", {"status": "cancelled", "ship_latest": ""}
    )
    make.work_all()
    assert states() == {
        "finance.request_refund": "case",
        "support.write_about_order": "case",
        "orders.add_tag": "done",
    }
    assert not Refund.objects.exists()
    assert not OutgoingMail.objects.exists()
    assert fresh(order).tags == ["seen"]
    case, conflict = Failure.objects.get(), Conflict.objects.get()
    assert (case.kind, case.subject_id, case.state) == ("orders.systems_disagree", order.pk, "open")
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    for words in (
        "Cancelled, but on its way",
        "cancelled there",
        "on its way",
        "No rule",
        "no rule spends money",
    ):
        assert words.lower() in page.lower()
    to_case = f"/failures/of/orders.conflict/{conflict.pk}/"
    assert to_case in page
    shown = operations_client.get(to_case, follow=True).content.decode()
    assert "Until this is decided" in shown
    assert "cancelled there, since" in shown
    assert "on its way, as of" in shown
    assert "Decide it on the order’s page" in shown
    run = Run.objects.filter(parked_for="case")[0]
    assert (
        f"Blocked by a case: case {case.pk}"
        in operations_client.get(f"/runs/{run.pk}/").content.decode()
    )
    address = f"/orders/{order.number}/_/conflicts/{conflict.pk}/"
    assert operations_client.post(address, {"decision": "checked", "note": "x"}).status_code == 422
    operations_client.post(address, {"decision": "comes_back", "note": "The carrier turns it."})
    sweep()
    make.work_all()
    assert set(states().values()) == {"done"}
    assert Refund.objects.count() == OutgoingMail.objects.count() == 1
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "solved")
    assert case.resolved_by is not None
    assert "conflict-" not in operations_client.get(f"/orders/{order.number}/").content.decode()


def _shop(order: Order) -> None:
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()


def _again(order: Order) -> None:
    moves(order, Said.OUT_FOR_DELIVERY, 0)
    moves(order, Said.OUT_FOR_DELIVERY, 0)
    cancelled_there(order)


@pytest.mark.requirement("R25")
@pytest.mark.django_db
@pytest.mark.parametrize("cancel", [cancelled_there, _shop])
@pytest.mark.parametrize("first", ["the carrier", "the cancellation"])
def test_whichever_side_tells_first_and_however_often_there_is_one_case(
    cancel: Callable[[Order], None], first: str
) -> None:
    order = sold()
    told: list[Callable[[Order], None]] = [moves, cancel]
    for tell in told if first == "the carrier" else reversed(told):
        assert not Conflict.objects.exists()
        tell(order)
    conflict, case = Conflict.objects.get(), Failure.objects.get(kind="orders.systems_disagree")
    assert conflict.theirs == f"The carrier, parcel {order.packages.get()}: on its way"
    assert conflict.ours.lower().startswith(("cancelled here", str(order.channel).lower()))
    assert (case.state, case.blocks, case.times) == ("open", True, 1)
    assert conflict.ours in case.says
    assert conflict.theirs in case.says
    for tell in (*told, *told, _again):
        tell(order)
    assert (Conflict.objects.count(), Failure.objects.filter(blocks=True).count()) == (1, 1)
    # What was decided is not asked again because the parcel goes on as it was said.
    decide(conflict, make.author())
    _again(order)
    moves(order, Said.DELIVERED, 0)
    assert Conflict.objects.count() == 1
    assert not Failure.objects.filter(blocks=True).exclude(state="resolved").exists()


def decide(conflict: Conflict, user: Any, decision: str = "arrives", **given: Any) -> Conflict:
    actor = Actor(ActorKind.PERSON, "Somebody", user_id=user.pk)
    chosen = Conflict.Decision(decision)
    return decide_conflict(conflict.pk, decision=chosen, note="Asked.", actor=actor, **given)


@pytest.mark.django_db
def test_an_order_that_was_only_cancelled_or_only_moves_or_comes_back_is_no_conflict() -> None:
    order = sold()
    moves(order, Said.ANNOUNCED)
    cancelled_there(order)
    moves(order, Said.RETURNING, 0)
    mug = line(make_sku("MUG", stock=3))
    other = place(mug, ship_to=HOME, channel=make_channel(), external_id="026-2")
    pay(other)
    pack_order(other.pk, actor=HOUSE)
    moves(other, Said.DELIVERED)
    assert not Conflict.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["the carrier", "the cancellation"])
def test_what_the_marketplace_cancels_after_it_was_shipped_there_disagrees_too(
    operations_client: Client, first: str
) -> None:
    order = sold()
    note_market(order.pk, MarketNews(MarketOrder.Status.SHIPPED), actor=HOUSE)
    address = f"/orders/{order.number}/_/market/"
    form = {"status": "cancelled", "ship_latest": ""}
    if first == "the carrier":
        moves(order)
    assert operations_client.post(address, form).status_code == 302
    operations_client.post(address, form)
    if first == "the cancellation":
        assert not Conflict.objects.exists()
        moves(order)
    market, conflict = MarketOrder.objects.get(), Conflict.objects.get()
    assert (market.status, conflict.ours_since) == ("shipped", market.called_off_at)
    assert "cancelled there" in conflict.ours


@pytest.mark.django_db
def test_the_clock_finds_what_disagreed_before_anybody_looked() -> None:
    order = sold()
    place(line(make_sku("MUG", stock=3)), external_id="026-2")
    moves(order)
    past = timezone.now() - timedelta(days=1)
    MarketOrder.objects.filter(order=order).update(called_off_at=past)
    assert not Conflict.objects.exists()
    every_minute()
    every_minute()
    conflict = Conflict.objects.get()
    assert (conflict.order_id, conflict.ours_since) == (order.pk, past)
    decide(conflict, make.author())
    every_minute()
    assert Conflict.objects.count() == 1


@pytest.mark.django_db
def test_a_parcel_that_left_under_a_label_given_back_is_told_of_too() -> None:
    order = sold()
    label = buy(order.packages.get(), "JD1")
    void_label(label.pk, actor=HOUSE)
    _shop(order)
    action = actions["orders.note_tracking"]
    form = action.form({"tracking": "JD1", "state": "moving"})
    assert form.is_valid(), form.errors
    action.execute(Call("c", order.pk, form.cleaned_data, HOUSE))
    assert Conflict.objects.get().theirs.startswith("Royal Mail, parcel")


@pytest.mark.django_db
def test_what_hangs_on_the_order_waits_as_well_and_other_orders_do_not(
    operations_client: Client,
) -> None:
    order = sold()
    make.work_all()
    given = {"reason": "lost", "note": ""}
    live("orders.claim_opened", {"uid": "c1", "do": "finance.refund_claim", "with": given})
    live("orders.order_placed", MAIL)
    moves(order)
    cancelled_there(order)
    units = {order.lines.get().pk: 1}
    open_claim(order.pk, units, reason=Claim.Reason.LOST, actor=HOUSE)
    place(line(make_sku("MUG", stock=3)), customer_id=order.customer_id, external_id="026-3")
    make.work_all()
    assert states() == {"finance.refund_claim": "case", "support.write_about_order": "done"}
    sweep()
    make.work_all()
    assert Run.objects.filter(parked_for="case").count() == 1
    claim = operations_client.get(f"/claims/{Claim.objects.get()}/").content.decode()
    assert "Cancelled, but on its way" in claim
    decide(Conflict.objects.get(), make.author())
    sweep()
    make.work_all()
    assert states() == {"finance.refund_claim": "done", "support.write_about_order": "done"}


@pytest.mark.django_db
def test_a_run_that_is_no_longer_true_when_it_is_decided_ends() -> None:
    order = sold()
    moves(order)
    when = {"all": [{"field": "order.fulfilment", "op": "is", "value": "unshipped"}]}
    make.live_rule(name="mail", trigger={"on": "orders.market_changed"}, when=when, steps=[MAIL])
    cancelled_there(order)
    make.work_all()
    assert states() == {"mail": "case"}
    decide(Conflict.objects.get(), make.author())
    _shop(order)
    sweep()
    make.work_all()
    assert states() == {"mail": "overtaken"}
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db
def test_only_a_person_decides_once_and_between_the_sides_there_are() -> None:
    order = sold()
    moves(order)
    cancelled_there(order)
    conflict, user = Conflict.objects.get(), make.author()
    with pytest.raises(OrderError, match="A person decides"):
        decide_conflict(conflict.pk, decision=Conflict.Decision.ARRIVES, note="", actor=HOUSE)
    with pytest.raises(OrderError, match="one of the sides"):
        decide(conflict, user, "checked")
    version = fresh(order).version
    decide(conflict, user, version=version)
    assert fresh(order).version == version + 1
    with pytest.raises(AlreadyDecided, match="The delivery stands"):
        decide(conflict, user, "comes_back")
    for forged in (
        "UPDATE orders_conflict SET decision = 'comes_back'",
        "UPDATE orders_conflict SET decided_at = NULL, decision = '', decided_by_id = NULL",
    ):
        with pytest.raises(IntegrityError, match="stays"):
            shell(forged)
    with pytest.raises(ProgrammingError, match="denied"):
        shell("DELETE FROM orders_conflict")
    with pytest.raises(IntegrityError, match="decided_by_a_person"):
        shell(
            "INSERT INTO orders_conflict (order_id, kind, package_ids, ours, ours_since, theirs, "
            "theirs_since, decided_at, decision, note) "
            f"VALUES ({order.pk}, 'cancelled', '{{}}', 'a', now(), 'b', now(), now(), 'news', '')"
        )


@pytest.mark.requirement("R25")
def test_fifty_times_the_news_of_both_sides_at_once_is_one_case(committed_db: Database) -> None:
    order = sold()
    tell = [partial(moves, order), partial(cancelled_there, order)]
    heard = at_once(tell * 25)
    assert [each for each in heard if isinstance(each, Exception)] == []
    assert Conflict.objects.count() == 1
    assert Failure.objects.filter(kind="orders.systems_disagree").count() == 1
    users = [make.author()] * 10
    answers = at_once([partial(decide, Conflict.objects.get(), user) for user in users])
    assert sum(isinstance(each, Conflict) for each in answers) == 1
    assert sum(isinstance(each, AlreadyDecided) for each in answers) == 9
