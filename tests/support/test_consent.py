"""No news without a yes, none after a no, and what serves an order always."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail as box
from django.db import DatabaseError, transaction
from django.test import Client

from automations.models.events import Event
from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.customers import Customer
from orders.services.merging import merge_customers
from support.models import ConsentEvent, OutgoingMail, Suppression
from support.services.consent import digest_of, record_consent
from support.services.errors import NoConsentNeeded
from support.services.outgoing import NewMail, queue_mail, send_due, token_of
from tests.bed.databases import Database, at_once
from tests.orders.factories import make_customer
from tests.orders.test_merging import make

Skip, State = OutgoingMail.Skip, OutgoingMail.State


def say(customer: Customer, *, given: bool, **fields: Any) -> ConsentEvent:
    told = {"medium": "mail", "purpose": "marketing", "source": "form", **fields}
    return record_consent(customer.pk, given=given, actor=HOUSE, **told)


def news(customer: Customer, key: str = "spring", purpose: str = "marketing") -> OutgoingMail:
    new = NewMail(customer.pk, purpose, "Spring is here", "New mugs.", key, HOUSE)
    return queue_mail(new)


def settled(mail: OutgoingMail) -> tuple[str, str]:
    now = OutgoingMail.objects.get(pk=mail.pk)
    return now.state, now.skipped


@pytest.mark.requirement("R87")
@pytest.mark.django_db
def test_without_a_basis_no_news_are_sent_and_the_reason_is_kept() -> None:
    customer = make_customer()
    skipped = news(customer)
    other = say(customer, given=True, purpose="review")
    still = news(customer, "summer")
    assert send_due() == 0
    assert settled(skipped) == settled(still) == (State.SKIPPED, Skip.NO_BASIS)
    assert (box.outbox, other.given) == ([], True)


@pytest.mark.requirement("R87")
@pytest.mark.django_db
def test_with_a_yes_it_is_sent_once_with_a_way_out(client: Client) -> None:
    customer = make_customer()
    say(customer, given=True)
    queued = news(customer)
    assert news(customer).pk == queued.pk
    assert (send_due(), send_due()) == (1, 0)
    (message,) = box.outbox
    assert message.to == [customer.email]
    link = message.extra_headers["List-Unsubscribe"].strip("<>")
    assert link in message.body
    assert settled(queued) == (State.SENT, "")
    # Signed in nowhere: one press, as mail programs do it.
    page = client.get(link)
    assert "News and offers".lower() in page.content.decode()
    assert ConsentEvent.objects.filter(given=False).count() == 0
    client.post(link, {"List-Unsubscribe": "One-Click"})
    assert ConsentEvent.objects.latest("pk").source == "link"
    assert settled(news(customer, "summer")) == (State.SKIPPED, Skip.WITHDRAWN)


@pytest.mark.requirement("R87")
@pytest.mark.django_db
def test_a_no_takes_what_waits_out_of_the_queue_at_once_but_not_mail_about_orders() -> None:
    customer = make_customer()
    say(customer, given=True)
    waiting, order = news(customer), news(customer, "shipped", "service")
    say(customer, given=False)
    assert settled(waiting) == (State.SKIPPED, Skip.WITHDRAWN)
    assert send_due() == 1
    assert settled(order) == (State.SENT, "")
    event = Event.objects.get(trigger="support.consent_withdrawn")
    assert (event.subject_id, event.facts["consent.purpose"]) == (customer.pk, "marketing")


@pytest.mark.requirement("R87")
def test_fifty_at_once_send_once_and_never_after_the_no(committed_db: Database) -> None:
    customer = make_customer()
    say(customer, given=True)
    mails = [news(customer, f"n{n}") for n in range(5)]
    works: list[Any] = [send_due] * 30
    works += [lambda: say(customer, given=False)] * 20
    answers = at_once(works)
    assert not [each for each in answers if isinstance(each, Exception)]
    send_due()
    ends = [settled(each) for each in mails]
    assert set(ends) <= {(State.SENT, ""), (State.SKIPPED, Skip.WITHDRAWN)}
    sent = [message.body.split("\n")[0] for message in box.outbox]
    assert len(sent) == len([end for end in ends if end[0] == State.SENT])


@pytest.mark.django_db
def test_what_a_merged_record_said_holds_for_the_person() -> None:
    one, two = make("1"), make("2")
    say(one, given=True)
    say(two, given=False)
    merge_customers(one.pk, two.pk, actor=HOUSE)
    assert settled(news(one)) == (State.SKIPPED, Skip.WITHDRAWN)


@pytest.mark.requirement("R87")
@pytest.mark.django_db
def test_an_old_list_brought_again_does_not_write_to_who_asked_to_be_forgotten() -> None:
    customer = make_customer()
    Suppression.objects.create(digest=digest_of("g@example.com"))
    say(customer, given=True, source="import")
    assert settled(news(customer)) == (State.SKIPPED, Skip.SUPPRESSED)


@pytest.mark.requirement("R87")
@pytest.mark.django_db
def test_postgresql_sends_no_news_without_a_yes_and_unwrites_no_no() -> None:
    customer = make_customer()
    skipped = news(customer)
    row = OutgoingMail.objects.filter(pk=skipped.pk)
    with pytest.raises(DatabaseError, match="does not become"), transaction.atomic():
        row.update(state="queued", skipped="")
    with pytest.raises(DatabaseError, match="has not agreed"), transaction.atomic():
        OutgoingMail.objects.create(
            customer=customer, purpose="marketing", subject="x", body="x", key="k",
            actor_kind="system", actor_label="x",
        )  # fmt: skip
    said = say(customer, given=False)
    for change in (
        lambda: ConsentEvent.objects.filter(pk=said.pk).update(given=True, basis="consent"),
        lambda: ConsentEvent.objects.filter(pk=said.pk).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert ConsentEvent.objects.get(pk=said.pk).given is False


@pytest.mark.django_db
def test_what_serves_an_order_needs_no_consent_and_takes_no_no() -> None:
    with pytest.raises(NoConsentNeeded):
        say(make_customer(), given=False, purpose="service")
    assert ConsentEvent.objects.count() == 0


@pytest.mark.django_db
def test_a_forged_link_leads_nowhere(client: Client) -> None:
    customer = make_customer()
    for token in ("x", token_of(customer.pk, "marketing")[:-1], token_of(10**12, "marketing")):
        assert client.post(f"/unsubscribe/{token}/").status_code == 404
    assert ConsentEvent.objects.count() == 0


@pytest.mark.django_db
def test_staff_note_a_yes_with_its_ground_and_write_a_mail(
    client: Client, support_user: User
) -> None:
    customer = make_customer()
    client.force_login(support_user)
    address = f"/customers/{customer.number}/_/consent/"
    given = {"purpose": "marketing", "medium": "mail", "given": "yes"}
    bare = client.post(address, given)
    assert bare.status_code == 422
    assert ConsentEvent.objects.count() == 0
    client.post(address, {**given, "basis": "consent", "wording": "2026-03"})
    mail = {"purpose": "marketing", "subject": "Hello", "text": "News."}
    mail["key"] = "6f1c5c4e-3f0a-4a50-9d0b-3f5a0d1f7a11"
    for _ in range(2):
        client.post(f"/customers/{customer.number}/_/write/", mail)
    assert OutgoingMail.objects.get().state == State.QUEUED
    panel = client.get(f"/tickets/_/consents-of/{customer.pk}/").content.decode()
    assert "They agreed" in panel
    assert "wording 2026-03" in panel
