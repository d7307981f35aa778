from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice.actors import person
from backoffice.models import User
from backoffice.timeline import story
from backoffice.versions import StaleVersion
from support import signals
from support.models import Message, Queue, Ticket
from support.queries import by_due_time, queue_counts, tickets_on_order
from support.services.errors import (
    AssigneeInactive,
    QueueClosed,
    QueueNeeded,
    StaleTicket,
    TicketClosed,
)
from support.services.opening import NewTicket, open_tickets
from support.services.queues import close_queue, reopen_queue
from support.services.tickets import assign, move_queue, reopen, set_priority, set_status, solve
from tests.bed.databases import Database, at_once
from tests.finance.factories import make_order
from tests.support.factories import RULE, SHOP, make_queue, open_ticket


def test_a_ticket_without_a_queue_lands_in_the_default_one(db: None) -> None:
    ticket = open_ticket()
    assert ticket.queue == Queue.objects.get(is_default=True)
    assert ticket.number == f"T-{ticket.pk}"
    assert ticket.messages.get().direction == Message.Direction.IN


def test_the_database_refuses_a_ticket_without_a_queue(db: None) -> None:
    ticket = open_ticket()
    with pytest.raises(IntegrityError, match="queue_id"), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(queue=None)


def test_a_ticket_on_an_order_shows_in_both_stories(db: None) -> None:
    order = make_order()
    ticket = open_ticket(order=order, actor=RULE, channel="rule", priority="high")
    own = story("support.ticket", ticket.pk).get()
    theirs = story("orders.order", order.pk).first()
    assert own.text == "Opened in General, priority high"
    assert theirs is not None
    assert theirs.text == f"Ticket {ticket.number} opened in General"
    assert (theirs.link, theirs.link_id, theirs.run_id) == ("support.ticket", ticket.pk, 77)
    assert list(tickets_on_order(order.pk)) == [ticket]


def test_no_story_tells_what_the_customer_wrote(db: None) -> None:
    ticket = open_ticket("Ms Holloway's mixer", message="I live at 14 Royal Crescent.")
    told = " ".join(entry.text for entry in story("support.ticket", ticket.pk))
    assert "Holloway" not in told
    assert "Crescent" not in told


def test_the_same_key_opens_one_ticket(db: None) -> None:
    new = NewTicket("Lost parcel", SHOP, key="mail:<1@example.com>")
    first, second = open_tickets([new, new])
    (third,) = open_tickets([new])
    assert [first.is_new, second.is_new, third.is_new] == [True, False, False]
    assert first.ticket == second.ticket == third.ticket == Ticket.objects.get()


def test_the_same_key_twenty_times_at_once_opens_one_ticket(committed_db: Database) -> None:
    new = NewTicket("Lost parcel", SHOP, key="mail:<1@example.com>", message="Hello?")
    answers = at_once([lambda: open_tickets([new])[0].is_new] * 20)
    assert sorted(map(str, answers)) == ["False"] * 19 + ["True"]
    assert Ticket.objects.count() == Message.objects.count() == 1


def test_many_tickets_open_in_one_go_each_by_its_own_actor(db: None) -> None:
    heard = []

    def hear(tickets: list[Ticket], actor: object, **sent: object) -> None:
        heard.append([actor.of(ticket.pk) for ticket in tickets])  # type: ignore[attr-defined]

    signals.tickets_opened.connect(hear)
    try:
        opened = open_tickets([NewTicket("One", SHOP), NewTicket("Two", RULE)])
    finally:
        signals.tickets_opened.disconnect(hear)
    assert heard == [[SHOP, RULE]]
    assert [each.ticket.subject for each in opened] == ["One", "Two"]


@pytest.mark.parametrize(
    ("slug", "words"),
    [("parcels", "The queue “Parcels” is closed"), ("nowhere", "There is no queue “nowhere”")],
)
def test_a_closed_or_unknown_queue_takes_no_ticket(db: None, slug: str, words: str) -> None:
    Queue.objects.create(slug="parcels", name="Parcels", is_active=False)
    with pytest.raises(QueueClosed, match=words):
        open_tickets([NewTicket("One", SHOP), NewTicket("Two", SHOP, queue=slug)])
    assert not Ticket.objects.exists()


def test_closing_a_queue_moves_its_unsolved_tickets(db: None, support_user: User) -> None:
    queue, general = make_queue(), Queue.objects.get(is_default=True)
    waiting, solved = open_ticket(queue="parcels"), open_ticket(queue="parcels")
    solve([solved.pk], actor=SHOP)
    actor = person(support_user)
    with pytest.raises(QueueNeeded, match="“Parcels” has 1 open ticket"):
        close_queue(queue, move_to=None, actor=actor)
    assert close_queue(queue, move_to=general, actor=actor) == 1
    waiting.refresh_from_db()
    solved.refresh_from_db()
    assert (waiting.queue, waiting.version, solved.queue) == (general, 2, queue)
    reopen_queue(queue, actor=actor)
    assert open_ticket(queue="parcels").queue == queue


def test_the_default_queue_never_closes(db: None, support_user: User) -> None:
    general = Queue.objects.get(is_default=True)
    with pytest.raises(QueueNeeded, match="default queue"):
        close_queue(general, move_to=make_queue(), actor=person(support_user))
    with pytest.raises(IntegrityError, match="queue_default_is_open"), transaction.atomic():
        Queue.objects.filter(pk=general.pk).update(is_active=False)


def test_tickets_opened_while_their_queue_closes_are_never_stranded(
    committed_db: Database,
) -> None:
    queue, general = make_queue(), Queue.objects.get(is_default=True)

    def arrive() -> int:
        return len([open_ticket(queue="parcels") for _ in range(5)])

    def close() -> int:
        return close_queue(queue, move_to=general, actor=SHOP)

    at_once([arrive, arrive, close, arrive, arrive])
    assert not Ticket.objects.filter(queue=queue).exists()
    assert not Queue.objects.get(pk=queue.pk).is_active


def test_priority_moves_the_due_time(db: None) -> None:
    ticket = open_ticket()
    assert ticket.due_at == ticket.opened_at + timedelta(hours=24)
    (changed,) = set_priority([ticket.pk], "urgent", actor=SHOP)
    assert changed.due_at == ticket.opened_at + timedelta(hours=1)
    assert changed.version == 2
    assert set_priority([ticket.pk], "urgent", actor=SHOP) == []


def test_two_agents_on_one_version_the_second_is_warned(db: None, support_user: User) -> None:
    ticket = open_ticket()
    actor = person(support_user)
    set_priority([ticket.pk], "high", actor=actor, version=1)
    acts: list[Callable[[], list[Ticket]]] = [
        lambda: set_priority([ticket.pk], "low", actor=actor, version=1),
        lambda: assign([ticket.pk], support_user, actor=actor, version=1),
        lambda: move_queue([ticket.pk], "returns", actor=actor, version=1),
        lambda: solve([ticket.pk], actor=actor, version=1),
    ]
    for act in acts:
        with pytest.raises(StaleTicket, match="changed while you were writing"):
            act()
    assert issubclass(StaleTicket, StaleVersion)
    ticket.refresh_from_db()
    assert (ticket.priority, ticket.assignee, ticket.status) == ("high", None, "new")


def test_assigning_opens_a_new_ticket(db: None, support_user: User) -> None:
    ticket = open_ticket()
    (changed,) = assign([ticket.pk], support_user, actor=SHOP)
    assert (changed.assignee, changed.status) == (support_user, Ticket.Status.OPEN)
    (back,) = assign([ticket.pk], None, actor=SHOP)
    assert back.assignee is None


def test_who_left_or_may_not_answer_gets_no_ticket(
    db: None, make_user: Callable[..., User]
) -> None:
    ticket = open_ticket()
    for user in (make_user("support", is_active=False), make_user("auditor")):
        with pytest.raises(AssigneeInactive, match="can't answer tickets any more"):
            assign([ticket.pk], user, actor=SHOP)
    ticket.refresh_from_db()
    assert (ticket.assignee, ticket.version) == (None, 1)


def test_moving_to_a_closed_queue_is_refused(db: None) -> None:
    ticket = open_ticket()
    Queue.objects.create(slug="parcels", name="Parcels", is_active=False)
    with pytest.raises(QueueClosed):
        move_queue([ticket.pk], "parcels", actor=SHOP)
    ticket.refresh_from_db()
    assert ticket.queue.is_default


def test_solving_owes_nothing_and_reopening_owes_an_answer(db: None) -> None:
    ticket = open_ticket()
    (solved,) = solve([ticket.pk], actor=SHOP)
    assert solved.solved_at is not None
    assert solved.due_at is None
    (again,) = reopen([ticket.pk], actor=SHOP)
    assert again.solved_at is None
    assert again.due_at is not None


def test_a_solved_ticket_always_says_since_when(db: None) -> None:
    ticket = open_ticket()
    with pytest.raises(IntegrityError, match="ticket_solved_with_time"), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(status="solved")


def test_only_a_solved_ticket_closes_and_a_closed_one_stays_closed(db: None) -> None:
    ticket = open_ticket()
    with pytest.raises(TicketClosed, match="Solve it first"):
        set_status([ticket.pk], "closed", actor=SHOP)
    solve([ticket.pk], actor=SHOP)
    set_status([ticket.pk], "closed", actor=SHOP)
    with pytest.raises(TicketClosed, match="closed for good"):
        reopen([ticket.pk], actor=SHOP)


def test_solving_is_announced_once(db: None) -> None:
    heard: list[str] = []

    def hear(tickets: list[Ticket], **sent: object) -> None:
        heard.extend(ticket.number for ticket in tickets)

    ticket = open_ticket()
    signals.tickets_solved.connect(hear)
    try:
        solve([ticket.pk], actor=SHOP)
        solve([ticket.pk], actor=SHOP)
    finally:
        signals.tickets_solved.disconnect(hear)
    assert heard == [ticket.number]


def test_work_is_ordered_by_due_time_and_counted_per_queue(db: None) -> None:
    make_queue()
    low = open_ticket(priority="low")
    urgent = open_ticket(priority="urgent", queue="parcels")
    late = open_ticket(opened_at=timezone.now() - timedelta(days=9))
    solve([open_ticket().pk], actor=SHOP)
    assert list(by_due_time()) == [late, urgent, low]
    counts = {
        count.queue.slug: (count.unsolved, count.overdue, count.unassigned)
        for count in queue_counts()
    }
    assert counts["general"] == (2, 1, 2)
    assert counts["parcels"] == (1, 0, 1)
