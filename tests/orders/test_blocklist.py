"""The blocklist: marks in any spelling, entries that end, and what stays of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import AuditEntry, User
from orders.models.trust import BlockEntry, MarkKind
from orders.services.blocklist import block_buyer, block_mark, unblock
from orders.services.drafts import Contact
from orders.services.errors import OrderError
from orders.services.marks import clean_mark
from tests.orders.trust import Kind, Mode, make_signal, suspect


@pytest.mark.django_db
@pytest.mark.requirement("R63")
@pytest.mark.parametrize(
    ("kind", "typed", "contact"),
    [
        (MarkKind.MAIL, "BAD@example.com", Contact(email="bad+1@example.com")),
        (MarkKind.PHONE, "+44 20 7946 0000", Contact(phone="0044 (20) 7946-0000")),
        (MarkKind.CARD, "FP_1", Contact(card="fp_1")),
        (MarkKind.ADDRESS, "14 Royal Crescent, ba1 2lx, gb", Contact()),
    ],
)
def test_a_mark_on_the_blocklist_is_known_however_it_is_written(
    kind: MarkKind, typed: str, contact: Contact, operations_user: User
) -> None:
    make_signal(Kind.BLOCKLIST, Mode.BLOCK)
    entry = block_mark(kind, typed, reason="Chargebacks", actor=person(operations_user))
    assert suspect(contact=contact).is_held
    unblock(entry.pk, reason="It was another", actor=person(operations_user))
    assert not suspect(contact=contact).is_held
    entry.refresh_from_db()
    assert (entry.reason, entry.end_reason) == ("Chargebacks", "It was another")
    verbs = AuditEntry.objects.filter(subject="orders.blockentry").order_by("pk")
    assert list(verbs.values_list("verb", "user_id")) == [
        ("orders.mark_blocked", operations_user.pk),
        ("orders.mark_unblocked", operations_user.pk),
    ]


@pytest.mark.django_db
def test_an_entry_ends_by_itself_and_makes_room_for_another() -> None:
    make_signal(Kind.BLOCKLIST, Mode.BLOCK)
    soon = timezone.now() + timedelta(hours=1)
    block_mark(MarkKind.IP, "203.0.113.9", reason="Bots", until=soon, actor=HOUSE)
    assert suspect(contact=Contact(ip="203.0.113.9")).is_held
    BlockEntry.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert not suspect(contact=Contact(ip="203.0.113.9")).is_held
    block_mark(MarkKind.IP, "203.0.113.9", reason="Again", actor=HOUSE)
    assert BlockEntry.objects.filter(ended_at=None).get().reason == "Again"
    assert suspect(contact=Contact(ip="203.0.113.9")).is_held


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (MarkKind.MAIL, "nobody"),
        (MarkKind.PHONE, "12"),
        (MarkKind.ADDRESS, "Bath"),
        (MarkKind.IP, "1.2.3"),
        (MarkKind.CARD, " "),
    ],
)
def test_what_no_order_can_be_told_by_does_not_come_onto_the_list(
    kind: MarkKind, text: str
) -> None:
    with pytest.raises(OrderError):
        clean_mark(kind, text)
    with pytest.raises(OrderError):
        block_mark(kind, text, reason="r", actor=HOUSE)
    assert not BlockEntry.objects.exists()


@pytest.mark.django_db
def test_a_buyer_is_blocked_by_the_marks_of_an_order() -> None:
    order = suspect(contact=Contact(email="g@example.com", ip="203.0.113.9"))
    kinds = [MarkKind.MAIL, MarkKind.IP, MarkKind.CARD]
    made = block_buyer(order.pk, kinds, reason="Fraud", actor=HOUSE)
    again = block_buyer(order.pk, kinds, reason="Fraud", actor=HOUSE)
    assert {entry.kind for entry in made} == {"mail", "ip"}
    assert [entry.pk for entry in again] == [entry.pk for entry in made]
