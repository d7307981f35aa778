"""What rules see of orders and do to them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automations.actions import Call, Done, Outcome, Rejected, actions
from automations.catalogue import catalogue_for, flatten
from automations.models.events import Event
from automations.models.failures import Failure
from automations.triggers import triggers
from backoffice.actors import HOUSE, Actor, ActorKind
from backoffice.models import TimelineEntry
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.allocation import allocate_orders
from orders.services.cancelling import cancel_orders
from orders.services.drafts import OnShort
from orders.services.holds import hold_orders, release_orders
from orders.services.matching import match_return
from orders.services.placing import place_orders
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.shipping import ship_order
from orders.services.tags import add_tags
from tests.inventory.factories import make_sku, receive
from tests.orders import factories
from tests.orders.factories import draft, fresh, line, make_customer, pay, place

pytestmark = pytest.mark.django_db
RUN = Actor(ActorKind.RULE, "VIP hold", rule_id=1, rule_version=2, run_id=3)


def call(key: str, order: Order | int, **params: Any) -> Call:
    pk = order if isinstance(order, int) else order.pk
    form = actions[f"orders.{key}"].form(params)
    assert form.is_valid(), form.errors
    return Call(f"{key}:{pk}", pk, form.cleaned_data, RUN)


def do(*calls: Call, key: str) -> list[Done | Outcome]:
    action: Any = actions[f"orders.{key}"]
    answers: list[Done | Outcome] = action.execute_many(calls)
    return answers


def test_conditions_see_amounts_countries_lines_and_the_customer() -> None:
    sku = make_sku("GL-1", stock=10, is_fragile=True)
    order = place(
        line(sku, 2, "250.00"),
        factories.postage("5.00"),
        customer_id=make_customer().pk,
        tags=("vip",),
    )
    event = Event.objects.get(trigger="orders.order_placed")
    assert (event.subject, event.subject_id, event.history) == ("orders.order", order.pk, False)
    facts: Any = event.facts
    assert facts["order.country"] == "FR"
    assert facts["order.units"] == 2
    assert facts["order.payment"] == "unpaid"
    assert facts["customer.orders_before"] == 0
    lines: Any = event.lists
    assert [item["sku.code"] for item in lines["order.lines"]] == ["GL-1", None]
    # A line that is no product is not fragile: a rule about fragile lines can judge it.
    assert [item["sku.fragile"] for item in lines["order.lines"]] == [True, False]


def test_events_hold_no_names_and_no_addresses() -> None:
    place(line(make_sku(stock=10)), customer_id=make_customer().pk)
    told = str(Event.objects.values_list("facts", "lists"))
    told += str(list(TimelineEntry.objects.values_list("text", flat=True)))
    assert "Grace" not in told
    assert "example.com" not in told


def test_orders_like_one_just_placed_are_counted() -> None:
    sku, one, other = make_sku(stock=50), make_customer("1").pk, make_customer("2").pk
    now = timezone.now()

    def alike(quantity: int = 2, customer: int | None = one, **ago: float) -> Any:
        given = {"customer_id": customer, "placed_at": now - timedelta(**ago)}
        placed = place(line(sku, quantity), **given)
        (event,) = Event.objects.filter(subject_id=placed.pk)
        counted = event.facts["order.alike_before"]
        told = flatten(triggers["orders.order_placed"].current([placed.pk])[placed.pk])
        assert told[0]["order.alike_before"] == counted
        return counted

    assert alike(hours=30) == 0
    assert alike(hours=5) == 0
    assert alike(hours=4, quantity=3) == 0
    assert alike(hours=3, customer=other) == 0
    assert alike(hours=2) == 1
    assert alike(hours=1) == 2
    # What comes in late looks back from when it was placed.
    assert alike(hours=4) == 1
    assert alike(customer=None) == 0
    assert alike(customer=None) == 0


def test_every_trigger_rebuilds_what_it_announced() -> None:
    sku = make_sku(stock=50)
    order = place(line(sku, 3), customer_id=make_customer().pk)
    pay(order)
    hold_orders([order.pk], reason=Hold.Reason.FRAUD, actor=HOUSE)
    assert_same("orders.order_held", order.pk)
    release_orders([order.pk], actor=HOUSE)
    assert_same("orders.order_released", order.pk)
    add_tags([order.pk], ["vip"], actor=HOUSE)
    assert_same("orders.order_tagged", order.pk)
    ship_order(order.pk, actor=HOUSE)
    lines = (NewReturnLine(1, order_line_id=order.lines.get().pk),)
    new = NewReturn(channel=order.channel, order_id=order.pk, lines=lines)
    (back,) = request_returns([new], actor=HOUSE)
    assert_same("orders.return_requested", back.pk)
    other = place(line(sku, 1))
    assert_same("orders.order_placed", other.pk)
    pay(other)
    assert_same("orders.order_paid", other.pk)
    cancel_orders([other.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    assert_same("orders.order_cancelled", other.pk)


def assert_same(key: str, pk: int) -> None:
    """What stands there now is what the last event told, and its version is the subject's."""
    event = Event.objects.filter(trigger=key, subject_id=pk).latest("pk")
    facts, lists = flatten(triggers[key].current([pk])[pk])
    assert {**facts} == event.facts
    assert (lists or None) == event.lists
    if event.subject == "orders.order":
        assert event.subject_version == Order.objects.get(pk=pk).version


@pytest.mark.parametrize(
    "trigger", [t for t in triggers if t.key.startswith("orders.")], ids=lambda trigger: trigger.key
)
def test_every_field_of_a_payload_has_words(trigger: Any) -> None:
    catalogue = catalogue_for(trigger)
    assert catalogue.fields
    assert trigger.subject.startswith(("orders.", "inventory.sku"))


def test_history_is_stored_as_history() -> None:
    sku = make_sku(stock=5)
    place_orders([draft(line(sku))], history=True, actor=HOUSE)
    assert set(Event.objects.values_list("trigger", "history")) == {("orders.order_placed", True)}


def test_the_events_of_many_orders_take_a_handful_of_queries() -> None:
    sku = make_sku(stock=500)
    orders = place_orders([draft(line(sku)) for _ in range(100)], actor=HOUSE).orders
    with CaptureQueriesContext(connection) as captured:
        triggers["orders.order_paid"].current([order.pk for order in orders])
    assert len(captured) <= 5


def test_a_set_of_calls_answers_each_in_its_place() -> None:
    sku = make_sku(stock=50)
    tagged, plain = place(line(sku), tags=("vip",)), place(line(sku))
    calls = [
        call("add_tag", tagged, tag="vip"),
        call("add_tag", plain, tag="VIP"),
        call("add_tag", 0, tag="vip"),
        call("add_tag", plain, tag="vip"),
        call("add_tag", plain, tag="gift"),
    ]
    answers = do(*calls, key="add_tag")
    assert answers[0] == Done("Had the tag vip already", already=True)
    assert answers[1] == Done("Tagged vip", undo={"tag": "vip", "version": 2})
    assert isinstance(answers[2], Rejected)
    assert answers[3] == Done("Had the tag vip already", already=True)
    assert answers[4] == Done("Tagged gift", undo={"tag": "gift", "version": 3})
    assert fresh(plain).tags == ["gift", "vip"]
    told = TimelineEntry.objects.filter(subject_id=plain.pk, text="Tagged vip").get()
    assert (told.actor_label, told.rule_version, told.run_id) == ("VIP hold", 2, 3)


def test_rules_hold_and_release() -> None:
    order = place(line(make_sku(stock=5)))
    (held,) = do(call("hold_order", order, reason="fraud"), key="hold_order")
    hold = Hold.objects.get()
    kept = {"hold": hold.pk, "reason": "fraud", "version": 2}
    assert held == Done("Put on hold: possible fraud", undo=kept)
    assert hold.run_id == 3
    assert do(call("release_order", order, reason="address"), key="release_order") == [
        Done("Was on no such hold", already=True)
    ]
    (released,) = do(call("release_order", order), key="release_order")
    assert released == Done("Released from hold", undo={"reasons": ["fraud"], "version": 3})
    assert not fresh(order).is_held


def undone(key: str, order: Order, done: Any) -> Done:
    return actions[f"orders.{key}"].undo(Call("1:~a1::0", order.pk, {}, HOUSE), done.undo)


def test_what_rules_did_to_an_order_is_taken_back() -> None:
    order = place(line(make_sku(stock=5)), tags=("old",))
    (tagged,) = do(call("add_tag", order, tag="vip"), key="add_tag")
    (untagged,) = do(call("remove_tag", order, tag="old"), key="remove_tag")
    assert undone("add_tag", order, tagged) == Done("Took the tag vip off again")
    assert undone("add_tag", order, tagged) == Done("Had no tag vip any more", already=True)
    assert undone("remove_tag", order, untagged) == Done("Tagged old again")
    assert fresh(order).tags == ["old"]
    do(call("hold_order", order, reason="fraud"), key="hold_order")
    (released,) = do(call("release_order", order), key="release_order")
    assert undone("release_order", order, released) == Done("Put on hold again")
    assert fresh(order).is_held


def test_undoing_a_hold_leaves_one_that_somebody_else_placed_since() -> None:
    order = place(line(make_sku(stock=5)))
    (held,) = do(call("hold_order", order, reason="fraud"), key="hold_order")
    release_orders([order.pk], actor=HOUSE)
    hold_orders([order.pk], reason=Hold.Reason.FRAUD, actor=HOUSE)
    assert undone("hold_order", order, held) == Done("The hold had ended already", already=True)
    assert fresh(order).is_held


def test_what_can_not_be_taken_back_says_so() -> None:
    order = place(line(make_sku(stock=5)))
    do(call("hold_order", order, reason="fraud"), key="hold_order")
    (released,) = do(call("release_order", order), key="release_order")
    (gone,) = do(call("cancel_order", order, reason="fraud"), key="cancel_order")
    cancelling = actions["orders.cancel_order"]
    assert "stays so" in cancelling.why_not_undone(order.pk, {})
    with pytest.raises(Rejected, match="is cancelled"):
        undone("release_order", order, released)
    assert fresh(order).is_cancelled
    assert isinstance(gone, Done)
    assert gone.undo is None


def test_rules_cancel_what_has_not_left() -> None:
    sku = make_sku(stock=5)
    gone, waiting = place(line(sku)), place(line(sku))
    pay(gone)
    ship_order(gone.pk, actor=HOUSE)
    answers = do(
        call("cancel_order", gone, reason="fraud"),
        call("cancel_order", waiting, reason="fraud"),
        key="cancel_order",
    )
    assert isinstance(answers[0], Rejected)
    assert answers[1] == Done("Cancelled: fraud")
    assert (fresh(gone).is_cancelled, fresh(waiting).is_cancelled) == (False, True)


@pytest.mark.parametrize(
    ("key", "params", "words"),
    [
        ("add_tag", {"tag": "vip"}, "Tag the order “vip”"),
        ("add_tag", {"tag": {"param": "label"}}, "Tag the order “label”"),
        ("remove_tag", {"tag": "vip"}, "Take the tag “vip” off the order"),
        ("hold_order", {"reason": "fraud"}, "Put the order on hold: possible fraud"),
        ("release_order", {}, "Release the order from hold"),
        ("release_order", {"reason": "fraud"}, "Release the order from hold: possible fraud"),
        ("cancel_order", {"reason": "unpaid"}, "Cancel the order: never paid"),
    ],
)
def test_steps_are_told_in_words(key: str, params: dict[str, Any], words: str) -> None:
    assert actions[f"orders.{key}"].in_words(params) == words


def test_permissions_of_actions_exist_and_the_auditor_has_none() -> None:
    auditor = Group.objects.get(name="auditor")
    for action in actions:
        app, codename = action.permission.split(".")
        if app in ("orders", "inventory"):
            permission = Permission.objects.get(content_type__app_label=app, codename=codename)
            assert permission not in auditor.permissions.all()
            assert Group.objects.filter(name="operations", permissions=permission).exists()


def test_a_tag_form_says_what_a_tag_is() -> None:
    form: forms.Form = actions["orders.add_tag"].form({"tag": "<b>"})
    assert not form.is_valid()
    assert "letters, digits and hyphens" in str(form.errors["tag"])


def test_short_orders_become_cases_grouped_by_product() -> None:
    sku = make_sku("85123A", stock=1)
    new = [draft(line(sku, 2)), draft(line(sku, 1))]
    place_orders(new, on_short=OnShort.HOLD, actor=HOUSE)
    found = Failure.objects.filter(kind="orders.stock_short")
    assert {case.cause_words for case in found} == {"Short of 85123A"}
    assert found.count() == 2
    assert found.order_by("pk")[0].at_stake == Decimal("20.00")


def test_returns_without_an_order_become_cases_grouped_by_cause() -> None:
    sku = make_sku(stock=1)
    new = [
        NewReturn(
            channel=factories.make_channel(),
            unmatched_cause=cause,
            lines=(NewReturnLine(1, sku=sku.code, unit_price=Decimal("1.25")),),
        )
        for cause in ("guest", "guest", "never_bought")
    ]
    request_returns(new, history=True, actor=HOUSE)
    found = Failure.objects.filter(kind="orders.return_without_order")
    assert (found.count(), len({case.cause for case in found})) == (3, 2)
    assert {case.cause_words for case in found} == {
        "Return without an order: guest",
        "Return without an order: never bought",
    }


def test_a_case_of_missing_stock_closes_with_its_stock_and_opens_if_it_is_missing_again() -> None:
    sku = make_sku(stock=1)
    (order,) = place_orders([draft(line(sku, 3))], on_short=OnShort.HOLD, actor=HOUSE).orders
    case = Failure.objects.get(kind="orders.stock_short")
    assert case.state == "open"
    hold_orders([order.pk], reason=Hold.Reason.FRAUD, actor=HOUSE)
    release_orders([order.pk], reason=Hold.Reason.FRAUD, actor=HOUSE)
    case.refresh_from_db()
    assert case.state == "open"
    receive(sku, 5)
    allocate_orders([order.pk], actor=HOUSE)
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "mended")
    assert case.log.get(verb="resolved").text == "The order waits for no stock any more."
    short = {order.pk: {sku.code: 2}}
    signals.orders_short.send(
        sender=Order, orders=[order], missing=short, actor=HOUSE, history=False
    )
    case.refresh_from_db()
    assert (case.state, case.times) == ("open", 2)
    cancel_orders([order.pk], reason=Order.CancelReason.OTHER, actor=HOUSE)
    case.refresh_from_db()
    assert case.resolution == "mended"


def test_a_case_of_a_return_without_an_order_closes_when_its_order_is_found() -> None:
    order = place(line(make_sku(stock=5), 3))
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    sku = order.lines.get(is_stocked=True).sku
    assert sku is not None
    new = NewReturn(order.channel, (NewReturnLine(2, sku=sku.code),), unmatched_cause="guest")
    (back,) = request_returns([new], actor=HOUSE)
    case = Failure.objects.get(kind="orders.return_without_order")
    lines = {back.lines.get().pk: order.lines.get(is_stocked=True).pk}
    match_return(back.pk, order.pk, lines, actor=HOUSE)
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "mended")
