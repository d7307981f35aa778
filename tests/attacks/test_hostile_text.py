"""Text that outsiders and staff may write, on every page that shows it."""

from __future__ import annotations

import csv
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.rules import Draft
from automations.services import rules as rule_services
from backoffice.actors import person
from backoffice.models import SavedView, User
from backoffice.workbench.export import quoted
from finance.services.books import open_books
from finance.services.payments import NewPayment, record_payments
from finance.services.refunds import request_refund
from inventory.models import Sku, StockMove
from inventory.services.moves import receive_stock
from inventory.services.skus import NewSku, add_skus
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address, NewLine
from orders.services.holds import hold_orders
from orders.services.segments import write_segment
from orders.services.shipping import ship_order
from support.services.messages import add_note
from tests.attacks.routes import routes
from tests.attacks.world import SCRIPT, make_world
from tests.automations import factories as rules
from tests.bed.people import MakeUser, signed_in
from tests.finance.factories import NOW
from tests.inventory.factories import make_legal_entity, moving
from tests.orders.factories import make_channel, place
from tests.support.factories import make_queue, open_ticket

pytestmark = pytest.mark.django_db

HOSTILE = {
    "markup": f'{SCRIPT}"><img src=x onerror=alert(1)>{{{{ 7|add:7 }}}}{{% debug %}}',
    "address": "A/B?c=d#e%2f%\u202etxt.exe\u202c\u200b\ufeff",
    "dots": "..",
}
# Unescaped, a browser would run these.
LIVE = ("<script>alert", "<img src=x")


def company_of(text: str, user: User) -> dict[str, dict[str, Any]]:
    """A company in which everything that can be named is named like this."""
    entity = make_legal_entity()
    open_books(entity)
    channel = make_channel()
    code = text[:40]
    sku = add_skus([NewSku(code, name=text)], actor=person(user))[code]
    receive_stock([moving(sku, 9)], actor=person(user))
    twin = f"{code[:30]}-3"
    same: dict[str, Any] = {
        "name": text,
        "email": text,
        "country": "GB",
        "company": text,
        "postcode": text[:20],
    }
    both = add_customers([NewCustomer(number, **same) for number in (code, twin)])
    customer = both[code]
    bought = {"all": [{"field": "customer.orders", "op": "gte", "value": 0}]}
    segment = write_segment("Hostile", bought, about=text[:200], actor=person(user))
    line = NewLine(2, Decimal("40.00"), code, description=text)
    address = Address(text, text, text[:120], text[:20], "FR")
    held, sent = (
        place(
            line,
            channel=channel,
            number=number,
            external_id=f"{number}{text}"[:80],
            customer_id=customer.pk,
            ship_to=address,
        )
        for number in (code, f"{code[:30]}-2")
    )
    hold_orders([held.pk], reason=Hold.Reason.FRAUD, note=text, actor=person(user)).or_raise()
    payment = NewPayment(sent.pk, text[:40], text[:120], sent.total_money, NOW)
    record_payments([payment], actor=person(user))
    ship_order(sent.pk, carrier=text[:60], tracking=text[:80], actor=person(user))
    refund = request_refund(sent, None, "goodwill", note=text, actor=person(user))
    ticket = open_ticket(text[:200], message=text, order=held)
    add_note(ticket.pk, text, actor=person(user))
    queue = make_queue("hostile", text[:80])
    rule = rule_services.create_rule(
        name=text[:120],
        domain="orders",
        body={**rules.body(), "trigger": {"on": "orders.order_placed"}},
        purpose=text,
        fallback=text,
        actor=person(user),
    )
    SavedView.objects.create(
        owner=user, screen="orders.orders", name=text[:40], slug="hostile", query="q=1", shared=True
    )
    return {
        "order": {"number": held.number, "tag": "x", "pk": held.pk},
        "customer": {"number": customer.number, "other": twin, "tag": "x", "pk": customer.pk},
        "consent": {"number": customer.number},
        "segment": {"slug": segment.slug},
        "refund_request": {"number": sent.number},
        "payment_record": {"number": sent.number},
        "sku": {"code": sku.code},
        "refund": {"number": refund.number},
        "ticket": {"number": ticket.number},
        "queue": {"slug": queue.slug},
        "rule_detail": {"slug": rule.slug},
        "rule_edit": {"slug": rule.slug},
        "rule_words": {"slug": rule.slug},
        "rule_submit": {"slug": rule.slug},
    }


def pages(client: Client, records: dict[str, dict[str, Any]]) -> list[tuple[str, Any]]:
    """Every page and part that can be read, as this person sees it."""
    found = []
    for route in routes():
        if route.name == "logout":
            continue
        answer: Any = client.get(route.url(records))
        if answer.status_code == 200:
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            # Papers are no text; that they can be made is enough.
            is_paper = answer["Content-Type"] == "application/pdf"
            found.append((route.name, "" if is_paper else body.decode()))
        else:
            assert answer.status_code < 500, route.name
    return found


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_name_breaks_a_page_or_runs_in_it(make_user: MakeUser, text: str) -> None:
    world = make_world(make_user)
    user = make_user("administrator", first_name=text[:150], last_name=text[:150])
    records = {**world.records, **company_of(text, user)}
    records["all"]["action_key"] = "orders.hold"
    shown = []
    for viewer in (user, world.people["operations"]):
        for name, body in pages(signed_in(viewer), records):
            shown.append(name)
            if not name.endswith("_export"):
                assert not any(live in body for live in LIVE), name
    assert {"order_detail", "sku_detail", "order_list", "customer_detail"} <= set(shown)


@pytest.mark.parametrize("code", ["A/B", "100%", "%2F", "..", ".", "moves", "_", "a b", "é?#&+"])
def test_a_record_is_found_by_whatever_number_others_gave_it(
    operations_client: Client, code: str
) -> None:
    sku = add_skus([NewSku(code)], actor=person(User.objects.get()))[code]
    make_channel()
    receive_stock([moving(sku, 3)], actor=person(User.objects.get()))
    listed = operations_client.get("/inventory/")
    assert listed.status_code == 200
    page = operations_client.get(reverse("sku_detail", args=[code]))
    assert page.status_code == 200
    assert page.context["record"] == sku
    place_url = reverse("sku_write_off", args=[code])
    form = operations_client.get(place_url).context["form"]
    sent = {"location": form["location"].initial or form.fields["location"].queryset.get().pk}
    answer = operations_client.post(
        place_url, {**sent, "quantity": "1", "key": "k", "note": ""}, HTTP_HX_REQUEST="true"
    )
    assert answer.status_code == 204
    assert StockMove.objects.filter(sku=sku, reason="write_off").count() == 1


@pytest.mark.parametrize(
    "text",
    ["=1+1", "=1", "@SUM(A1)", "@1", "+1+1", "-2+3", "-cmd|' /C calc'!A0", "\t=1", "\r=1", "\n=1"],
)
def test_no_cell_of_an_export_is_a_formula(text: str) -> None:
    assert quoted(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-1", "+44", "-0.50", "12", "", "a=1", "−3"])
def test_numbers_of_an_export_stay_numbers(text: str) -> None:
    assert quoted(text) == text


def test_an_export_with_formulas_reads_back_as_text(operations_client: Client) -> None:
    text = "=HYPERLINK(1)"
    add_skus([NewSku("X", name=text)], actor=person(User.objects.get()))
    answer: Any = operations_client.get("/inventory/_/export/")
    rows = list(csv.reader(b"".join(answer.streaming_content).decode().splitlines()))
    assert [f"'{text}" in row for row in rows].count(True) == 1
    assert Sku.objects.get().name == text
    assert not Order.objects.exists()
    assert not Draft.objects.exists()
