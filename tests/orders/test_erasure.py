"""A customer forgotten: everywhere at once, but not where tax law keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test import Client

from backoffice.actors import HOUSE, person
from backoffice.models import AuditEntry, User
from finance.models.ledger import JournalEntry
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.segments import SegmentMember
from orders.services.customers import CustomerEdit, edit_customer
from orders.services.drafts import Address
from orders.services.erasure import erase_customer
from orders.services.errors import NotErased
from orders.services.merging import merge_customers
from orders.services.notes import add_note
from orders.services.segments import write_segment
from orders.services.shipping import ship_order
from support.models import Message, OutgoingMail, Ticket
from support.services.consent import record_consent
from support.services.outgoing import NewMail, queue_mail, send_due
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.orders.test_merging import make
from tests.support.factories import mail, open_ticket

# Nothing else in the test's company holds these.
NAME, MAIL, STREET, PHONE = "Zebulon Quill", "zebulon@quill.example", "9 Quill Yard", "01225 460000"
SECRETS = ("Zebulon", "zebulon", "Quill Yard", "+441225460000", "BA1 2ZQ")


def everywhere() -> dict[str, list[str]]:
    """The tables in which something that names the person stands, with which of it."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = model._meta.db_table
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')
            text = "\n".join(row for (row,) in cursor.fetchall())
            if hits := [each for each in SECRETS if each in text]:
                found[table] = hits
    return found


def somebody() -> Customer:
    """A customer with something in every place that a person leaves traces in."""
    customer = make("1", name=NAME, email=MAIL, phone=PHONE, postcode="BA1 2ZQ")
    edit_customer(
        customer.pk,
        CustomerEdit(name=f"{NAME} Jr", email=MAIL, country="GB", postcode="BA1 2ZQ"),
        version=None,
        actor=HOUSE,
    )
    return customer


def trade(customer: Customer, user: User) -> None:
    sku = make_sku(stock=5)
    to = Address(name=NAME, lines=STREET, city="Bath", postcode="BA1 2ZQ", country="GB")
    order = place(line(sku, 1, "20.00"), customer_id=customer.pk, ship_to=to)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    add_note(order.pk, f"{NAME} called", actor=HOUSE)
    refund = request_refund(order, None, Refund.Reason.GOODWILL, actor=person(user))
    Refund.objects.filter(pk=refund.pk).update(note=f"for {NAME}")
    ticket = open_ticket(f"{NAME} asks", order=order, message=f"I am {NAME} of {STREET}.")
    assert mail(ticket) is not None
    yes = {"medium": "mail", "purpose": "marketing", "given": True, "source": "form"}
    record_consent(customer.pk, actor=HOUSE, **yes)  # type: ignore[arg-type]
    queue_mail(NewMail(customer.pk, "marketing", f"Dear {NAME}", "…", "k", HOUSE))
    everyone: Any = {"all": [{"field": "customer.orders", "op": "gte", "value": 0}]}
    write_segment("Everyone", everyone, actor=HOUSE)


@pytest.mark.requirement("R92")
@pytest.mark.django_db
def test_nothing_that_names_the_person_is_left_and_tax_records_are(support_user: User) -> None:
    customer, guest = somebody(), make("2", name=NAME, email=MAIL, postcode="BA1 2ZQ")
    trade(customer, support_user)
    merge_customers(customer.pk, guest.pk, take={"name": True}, actor=HOUSE)
    assert {"orders_customer", "orders_order", "support_message", "support_ticket"} <= set(
        everywhere()
    )
    kept = (
        Payment.objects.count(), Refund.objects.count(), JournalEntry.objects.count(),
        list(Payment.objects.values_list("amount", "order__total", "order__tax")),
    )  # fmt: skip
    done = erase_customer(customer.pk, why="asked on 3 March", actor=HOUSE)
    # The invoice needs whom it was written to.
    assert set(everywhere()) == {"orders_order"}
    order = Order.objects.get()
    assert (order.ship_name, order.ship_lines, order.ship_postcode) == ("", "", "")
    assert order.bill_name == NAME
    assert SegmentMember.objects.count() == 0
    queued = OutgoingMail.objects.get()
    assert (queued.state, queued.skipped, send_due()) == ("skipped", "erased", 0)
    assert kept == (
        Payment.objects.count(), Refund.objects.count(), JournalEntry.objects.count(),
        list(Payment.objects.values_list("amount", "order__total", "order__tax")),
    )  # fmt: skip
    assert {part.what for part in done.going} >= {"Messages and notes in tickets"}
    entry = AuditEntry.objects.get(verb="orders.customer_erased")
    assert entry.detail["family"] == [customer.pk, guest.pk]
    assert not any(each in json.dumps(entry.detail) for each in SECRETS)


@pytest.mark.requirement("R92")
@pytest.mark.django_db
def test_who_waits_for_a_parcel_is_not_erased() -> None:
    customer = somebody()
    order = place(line(make_sku(stock=1)), customer_id=customer.pk)
    with pytest.raises(NotErased, match=order.number):
        erase_customer(customer.pk, why="asked", actor=HOUSE)
    assert Customer.objects.get(pk=customer.pk).erased_at is None


@pytest.mark.django_db
def test_postgresql_keeps_the_erased_empty_and_messages_of_others_as_they_were() -> None:
    customer = somebody()
    erase_customer(customer.pk, why="asked", actor=HOUSE)
    row = Customer.objects.filter(pk=customer.pk)
    for change in ({"name": NAME}, {"erased_at": None}):
        with pytest.raises(DatabaseError), transaction.atomic():
            row.update(**change)
    with pytest.raises(NotErased):
        edit_customer(customer.pk, CustomerEdit(name=NAME), version=None, actor=HOUSE)
    ticket = open_ticket(message="Mine")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT support_forget_messages(%s::bigint[])", [[ticket.pk]])
    assert Message.objects.get(ticket=ticket).body == "Mine"


@pytest.mark.requirement("R92")
@pytest.mark.django_db
def test_an_administrator_sees_what_goes_and_stays_and_must_write_the_number(
    client: Client, administrator_user: User, support_user: User
) -> None:
    customer = somebody()
    trade(customer, support_user)
    address = "/customers/1/_/erase/"
    client.force_login(support_user)
    assert client.post(address, {"why": "x", "number": "1"}).status_code == 403
    client.force_login(administrator_user)
    page = client.get(address).content.decode()
    for words in ("Messages and notes in tickets", "tax law", "Mails waiting to be sent"):
        assert words in page
    assert client.post(address, {"why": "asked", "number": "2"}).status_code == 422
    assert Customer.objects.get(pk=customer.pk).name
    client.post(address, {"why": "asked", "number": "1"})
    assert "Erased" in client.get("/customers/1/").content.decode()
    assert Ticket.objects.get().subject == "Erased"
