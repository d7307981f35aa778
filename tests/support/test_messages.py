from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from backoffice.actors import person
from backoffice.models import User
from support import signals
from support.models import Message, Ticket
from support.queries import conversation
from support.services.errors import EmptyMessage, StaleTicket, TicketClosed
from support.services.messages import add_messages, add_note, reply
from support.services.tickets import assign, set_status, solve
from tests.bed.databases import Database, at_once, owner_role, sign_in_as
from tests.support.factories import RULE, SHOP, mail, open_ticket


def answer(ticket: Ticket, user: User, **options: str) -> Message:
    version = Ticket.objects.get(pk=ticket.pk).version
    return reply(ticket.pk, "It comes today.", version=version, actor=person(user), **options)


def test_one_mail_is_one_message_however_often_it_comes(db: None) -> None:
    ticket = open_ticket()
    new = mail(ticket)
    assert len(add_messages([new, new], actor=SHOP)) == 1
    assert add_messages([new], actor=SHOP) == []
    assert ticket.messages.count() == 2


def test_one_mail_delivered_twenty_times_at_once_is_one_message(committed_db: Database) -> None:
    ticket = open_ticket()
    new = mail(ticket)
    answers = at_once([lambda: add_messages([new], actor=SHOP)] * 20)
    assert not [each for each in answers if isinstance(each, Exception)]
    assert ticket.messages.count() == 2


def test_a_reply_stops_the_clock_and_waits_for_the_customer(db: None, support_user: User) -> None:
    ticket = open_ticket()
    answer(ticket, support_user)
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.PENDING
    assert ticket.first_response_at is not None
    assert ticket.due_at is None


def test_the_first_answer_is_counted_once(db: None, support_user: User) -> None:
    ticket = open_ticket()
    answer(ticket, support_user)
    first = Ticket.objects.get(pk=ticket.pk).first_response_at
    add_messages([mail(ticket)], actor=SHOP)
    answer(ticket, support_user)
    assert Ticket.objects.get(pk=ticket.pk).first_response_at == first


def test_a_customer_who_writes_again_is_owed_an_answer(db: None, support_user: User) -> None:
    ticket = open_ticket()
    answer(ticket, support_user)
    add_messages([mail(ticket)], actor=SHOP)
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.OPEN
    assert ticket.due_at is not None


def test_writing_again_does_not_put_the_due_time_off(db: None, support_user: User) -> None:
    ticket = open_ticket()
    assign([ticket.pk], support_user, actor=SHOP)
    add_messages([mail(ticket)], actor=SHOP)
    due = ticket.due_at
    ticket.refresh_from_db()
    assert ticket.due_at == due


def test_a_message_reopens_a_solved_ticket(db: None) -> None:
    heard: list[Ticket] = []

    def hear(tickets: list[Ticket], **sent: object) -> None:
        heard.extend(tickets)

    ticket = open_ticket()
    solve([ticket.pk], actor=SHOP)
    signals.tickets_reopened.connect(hear)
    try:
        add_messages([mail(ticket)], actor=SHOP)
    finally:
        signals.tickets_reopened.disconnect(hear)
    ticket.refresh_from_db()
    assert (ticket.status, ticket.solved_at) == (Ticket.Status.OPEN, None)
    assert heard == [ticket]


def test_messages_to_a_closed_ticket_open_one_follow_up(db: None) -> None:
    ticket = open_ticket("Mixer", queue="orders")
    solve([ticket.pk], actor=SHOP)
    set_status([ticket.pk], "closed", actor=SHOP)
    add_messages([mail(ticket, "It broke.")], actor=SHOP)
    add_messages([mail(ticket, "Hello?")], actor=SHOP)
    follow_up = Ticket.objects.get(follows=ticket)
    assert (follow_up.subject, follow_up.queue) == ("Mixer", ticket.queue)
    assert [each.body for each in conversation(follow_up)] == ["It broke.", "Hello?"]
    assert ticket.messages.count() == 1


def test_a_stale_reply_is_refused_and_says_nothing(db: None, support_user: User) -> None:
    ticket = open_ticket()
    add_messages([mail(ticket)], actor=SHOP)
    with pytest.raises(StaleTicket, match="Your text is kept"):
        reply(ticket.pk, "It comes today.", version=1, actor=person(support_user))
    assert not ticket.messages.filter(direction="out").exists()


def test_two_agents_who_answer_at_once_give_one_answer(
    committed_db: Database, support_user: User
) -> None:
    ticket = open_ticket()
    actor = person(support_user)
    answers = at_once([lambda: reply(ticket.pk, "Today.", version=1, actor=actor)] * 5)
    assert sum(isinstance(each, Message) for each in answers) == 1
    assert sum(isinstance(each, StaleTicket) for each in answers) == 4
    assert ticket.messages.filter(direction="out").count() == 1


def test_a_form_sent_twice_answers_once(db: None, support_user: User) -> None:
    ticket = open_ticket()
    first = answer(ticket, support_user, key="form:1")
    again = reply(ticket.pk, "It comes today.", version=1, actor=person(support_user), key="form:1")
    assert first == again


def test_nothing_is_said_without_words_or_in_a_closed_ticket(db: None, support_user: User) -> None:
    ticket = open_ticket()
    with pytest.raises(EmptyMessage):
        reply(ticket.pk, "  ", version=1, actor=person(support_user))
    solve([ticket.pk], actor=SHOP)
    set_status([ticket.pk], "closed", actor=SHOP)
    with pytest.raises(TicketClosed, match="Open a follow-up"):
        answer(ticket, support_user)
    assert ticket.messages.count() == 1


def test_a_note_stays_among_staff_and_names_its_run(db: None) -> None:
    ticket = open_ticket()
    note = add_note(ticket.pk, "Parcel declared lost.", actor=RULE, key="1:3:a1")
    assert note is not None
    assert (note.direction, note.run_id, note.rule_version) == (Message.Direction.NOTE, 77, 6)
    assert add_note(ticket.pk, "Parcel declared lost.", actor=RULE, key="1:3:a1") is None
    ticket.refresh_from_db()
    assert ticket.status == Ticket.Status.NEW
    assert ticket.version == 2


def test_what_was_said_stays_said(committed_db: Database) -> None:
    message = open_ticket().messages.get()
    message.body = "Something else"
    for change in (message.save, message.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    with sign_in_as(owner_role(), committed_db.name) as owner:
        for statement in (
            "UPDATE support_message SET body = ''",
            "DELETE FROM support_message",
            "TRUNCATE support_message",
        ):
            with pytest.raises(Exception, match="append-only"):
                owner.execute(statement.encode())
    assert Message.objects.get().body == "Hello?"
