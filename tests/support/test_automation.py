from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from automations.actions import Call, Done, Outcome, Rejected, actions
from automations.catalogue import catalogue_for
from automations.triggers import triggers
from backoffice.actors import HOUSE, Actor
from backoffice.models import User
from support.forms import AssignForm, OpenTicketForm
from support.models import Queue, Ticket
from support.services.messages import reply
from support.services.queues import close_queue
from support.services.tickets import assign
from tests.finance.factories import make_order
from tests.support.factories import RULE, SHOP, make_queue, open_ticket

pytestmark = pytest.mark.django_db


def call(subject_id: int, key: str = "1:3:a1", actor: Actor = RULE, **params: Any) -> Call:
    return Call(key=key, subject_id=subject_id, params=params, actor=actor)


def ticket_call(order_id: int, key: str, queue: str = "parcels") -> Call:
    return call(
        order_id, key, queue=queue, priority="high", subject="Large order", message="£612.00"
    )


def take(key: str, *calls: Call) -> list[Done | Outcome]:
    return actions[key].execute_many(calls)  # type: ignore[attr-defined,no-any-return]


def test_a_rule_opens_a_ticket_on_the_order_with_its_words_as_a_note() -> None:
    make_queue()
    order = make_order()
    (done,) = take("support.open_ticket", ticket_call(order.pk, "1:3:a1"))
    ticket = Ticket.objects.get()
    assert done == Done(
        f"Ticket {ticket.number} opened in Parcels",
        link=("support.ticket", ticket.pk),
        undo={"ticket": ticket.pk, "number": ticket.number},
    )
    assert (ticket.order, ticket.channel, ticket.priority) == (order, "rule", "high")
    assert [(m.direction, m.body, m.run_id) for m in ticket.messages.all()] == [
        ("note", "£612.00", 77)
    ]


def test_the_same_effect_twice_is_one_ticket() -> None:
    make_queue()
    again = ticket_call(make_order().pk, "1:3:a1")
    first, second = take("support.open_ticket", again, again)
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert (first.already, second.already) == (False, True)
    assert Ticket.objects.count() == 1


def test_a_queue_closed_meanwhile_refuses_its_calls_and_no_others() -> None:
    queue = make_queue()
    close_queue(queue, move_to=None, actor=SHOP)
    order = make_order()
    refused, done = take(
        "support.open_ticket",
        ticket_call(order.pk, "1:3:a1"),
        ticket_call(order.pk, "2:3:a1", queue="orders"),
    )
    assert isinstance(refused, Rejected)
    assert str(refused) == "The queue “Parcels” is closed. Choose another queue and retry."
    assert isinstance(done, Done)
    assert Ticket.objects.get().queue.slug == "orders"


def test_an_order_that_is_gone_is_refused_in_words() -> None:
    (refused,) = take("support.open_ticket", ticket_call(0, "1:3:a1", queue="orders"))
    assert isinstance(refused, Rejected)
    assert not Ticket.objects.exists()


def test_the_form_takes_a_closed_queue_so_that_the_action_can_say_so() -> None:
    Queue.objects.create(slug="parcels", name="Parcels", is_active=False)
    given = {"queue": "parcels", "priority": "high", "subject": "Large order"}
    assert OpenTicketForm(given).is_valid()
    form = OpenTicketForm({**given, "queue": "nowhere"})
    assert form.errors["queue"] == ["There is no queue “nowhere”. Choose another queue and retry."]
    choices = dict(OpenTicketForm().fields["queue"].choices)  # type: ignore[attr-defined]
    assert choices["parcels"] == "Parcels (closed)"


def test_priorities_are_set_in_groups_and_repeats_say_so() -> None:
    one, two = open_ticket(), open_ticket(priority="low")
    answers = take(
        "support.set_priority",
        call(one.pk, "1:3:a1", priority="high"),
        call(two.pk, "2:3:a1", priority="low"),
    )
    assert [answer.already for answer in answers if isinstance(answer, Done)] == [False, True]
    assert Ticket.objects.get(pk=one.pk).priority == "high"


def test_an_assignee_who_left_is_refused_in_words(make_user: Callable[..., User]) -> None:
    ticket = open_ticket()
    here, left = make_user("support"), make_user("support", is_active=False)
    refused, done = take(
        "support.assign_ticket",
        call(ticket.pk, "1:3:a1", assignee=left.username),
        call(ticket.pk, "2:3:a1", assignee=here.username),
    )
    assert isinstance(refused, Rejected)
    assert str(refused) == (
        "Amara Lewis can't answer tickets any more. Choose somebody else and retry."
    )
    assert isinstance(done, Done)
    ticket.refresh_from_db()
    assert ticket.assignee == here
    assert AssignForm({"assignee": left.username}).is_valid()


def test_a_note_is_written_once_per_effect() -> None:
    ticket = open_ticket()
    note = call(ticket.pk, text="Parcel declared lost.")
    (first,) = take("support.add_note", note)
    (second,) = take("support.add_note", note)
    assert (first, second) == (Done("Note written"), Done("Note written", already=True))


def test_steps_read_as_words() -> None:
    words = actions["support.open_ticket"].in_words(
        {"queue": "orders", "priority": "high", "subject": {"text": "Order {{ order.number }}"}}
    )
    assert words == "Open a ticket in “orders”, priority high: “Order {{ order.number }}”"


@pytest.mark.parametrize(
    "key", ["support.ticket_opened", "support.ticket_message_received", "support.ticket_solved"]
)
def test_each_trigger_builds_its_payload_with_and_without_an_order(key: str) -> None:
    trigger = triggers[key]
    order = make_order("612.00")
    linked, alone = open_ticket(order=order, queue="orders"), open_ticket()
    payloads = trigger.current([linked.pk, alone.pk])
    assert payloads[linked.pk].order.total == order.total_money
    assert payloads[linked.pk].ticket.queue == "orders"
    assert payloads[alone.pk].order is None
    assert "order.total" in catalogue_for(trigger).fields


def test_an_opened_ticket_is_a_fact_of_its_own_actor() -> None:
    ticket = open_ticket()
    (fact,) = triggers["support.ticket_opened"].facts(
        tickets=[ticket], actor=SHOP, history=False, signal=None, sender=None
    )
    assert (fact.subject_id, fact.subject_version, fact.actor) == (ticket.pk, 1, SHOP)


def taken_back(key: str, subject_id: int, done: Any) -> Done:
    return actions[key].undo(Call("1:~a1::0", subject_id, {}, HOUSE), done.undo)


def test_a_ticket_that_a_rule_opened_is_closed_with_a_note_until_the_customer_is_in_it() -> None:
    make_queue()
    order = make_order()
    alone, talking = take(
        "support.open_ticket", ticket_call(order.pk, "1:3:a1"), ticket_call(order.pk, "2:3:a1")
    )
    assert isinstance(alone, Done)
    assert isinstance(talking, Done)
    first, second = Ticket.objects.order_by("pk")
    reply(second.pk, "We look into it.", version=second.version, actor=HOUSE)
    said = taken_back("support.open_ticket", order.pk, alone)
    assert said.says == f"Ticket {first.number} closed with a note"
    first.refresh_from_db()
    assert first.status == "solved"
    assert first.messages.filter(direction="note").count() == 2
    with pytest.raises(Rejected, match="conversation"):
        taken_back("support.open_ticket", order.pk, talking)
    second.refresh_from_db()
    assert second.status == "pending"


def test_priority_and_assignee_go_back_unless_someone_set_another_since(
    make_user: Callable[..., User],
) -> None:
    make_user("support", username="agent")
    other = make_user("support")
    ticket = open_ticket(priority="low")
    (raised,) = take("support.set_priority", call(ticket.pk, "1", priority="urgent"))
    (given,) = take("support.assign_ticket", call(ticket.pk, "2", assignee="agent"))
    assert isinstance(given, Done)
    assert given.undo is not None
    assert (given.undo["was"], given.undo["is"]) == ("", "agent")
    assert taken_back("support.set_priority", ticket.pk, raised).says == "Priority set back to low"
    assert taken_back("support.assign_ticket", ticket.pk, given).says == "Assigned to nobody again"
    assign([ticket.pk], other, actor=HOUSE)
    with pytest.raises(Rejected, match="someone changed it"):
        taken_back("support.assign_ticket", ticket.pk, given)
    ticket.refresh_from_db()
    assert (ticket.assignee, ticket.priority) == (other, "low")
    assert "stays as it was written" in actions["support.add_note"].why_not_undone(ticket.pk, {})
