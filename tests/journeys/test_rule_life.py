"""The whole job, once: a rule is wished for, built, signed off, acts, fails, and is put right."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from automations.models.documents import Activation, Document
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Effect, Run
from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.orders import Order
from support.models import Queue, Ticket
from support.services.queues import close_queue
from tests.automations.views.factories import some_orders
from tests.bed.browsers import OpenPage, SignIn, Troubles
from tests.bed.people import signed_in
from tests.bed.workers import Process
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line, place
from tests.support.factories import make_queue

SECONDS = 40


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Wait until the worker has got there."""
    until = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > until:
            pytest.fail(f"Waited {SECONDS} s in vain for: {what}")
        time.sleep(0.1)


def settled(page: Page) -> None:
    """Until every request is answered, the one that a change is about to send too."""
    page.wait_for_timeout(120)
    expect(page.locator(".htmx-request")).to_have_count(0, timeout=15_000)
    page.wait_for_timeout(40)


def arrives(price: str, country: str) -> Order:
    """One order comes in from the shop."""
    sku = make_sku(f"KB-{Order.objects.count():03}", stock=5)
    order = draft(line(sku, 1, price))
    address = type(order.ship_to)(name="Grace Holloway", country=country)
    return place(line(sku, 1, price), ship_to=address, channel=order.channel)


def build_the_rule(page: Page) -> None:
    """£500 or more, shipping outside the United Kingdom → tag it and open a ticket."""
    page.goto("/rules/")
    page.get_by_role("button", name="New rule").click()
    page.get_by_label("Name", exact=True).fill("Large orders abroad")
    page.get_by_label("What starts it").select_option("orders.order_placed")
    page.get_by_role("button", name="Make the rule").click()
    page.wait_for_url("**/rules/large-orders-abroad/edit/")
    add = page.get_by_role("button", name="condition").first
    fields = page.get_by_label("What to look at")
    add.click()
    expect(fields).to_have_count(1)
    fields.nth(0).select_option("order.total")
    page.get_by_label("Value, amount").fill("500")
    page.get_by_label("Value, amount").blur()
    settled(page)
    add.click()
    expect(fields).to_have_count(2)
    fields.nth(1).select_option("order.country")
    page.get_by_label("Compared how").nth(1).select_option("not_in")
    page.get_by_label("Add a value").select_option("GB")
    expect(page.get_by_role("button", name="Remove United Kingdom")).to_be_visible()
    page.get_by_role("button", name="Step", exact=False).first.click()
    page.get_by_role("button", name="Tag the order").click()
    page.get_by_label("Tag", exact=True).fill("high-value")
    page.get_by_label("Tag", exact=True).blur()
    settled(page)
    page.locator("#add-step").click()
    page.get_by_role("button", name="Open a ticket").click()
    page.get_by_label("Queue", exact=True).select_option("export")
    page.get_by_label("Subject", exact=True).fill("Check the export papers")
    page.get_by_label("If it can’t run, people do this").fill("Filter the orders by hand.")
    page.get_by_label("If it can’t run, people do this").blur()
    settled(page)


def submit(page: Page) -> None:
    page.get_by_role("button", name="Submit for approval").click()
    page.get_by_label("Why").fill("Too many slip by.")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile(r"/approvals/\d+/$"))


def approve(page: Page, document: Document) -> None:
    page.goto(f"/approvals/{document.pk}/")
    expect(page.locator(".changes")).to_contain_text("£500.00")
    expect(page.locator("#evidence-matched")).to_have_text("3")
    page.keyboard.press("y")
    expect(page.locator("#dialog")).to_be_visible()
    page.get_by_label("Comment").fill("Fine.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#verdict")).to_contain_text("In force now")


def refused_everywhere(client: Client, order: Order, case: Failure, document: Document) -> None:
    """Everything this journey wrote, tried by somebody who may only read."""
    case.refresh_from_db()
    before = (Effect.objects.count(), Ticket.objects.count(), order.version, case.version)
    for address in (
        "/rules/_/new/",
        "/rules/_/stop/",
        "/rules/large-orders-abroad/submit/",
        f"/approvals/{document.pk}/approve/",
        f"/orders/{order.number}/_/hold/",
        f"/orders/{order.number}/_/tag/",
        f"/orders/{order.number}/_/cancel/",
        "/tickets/_/new/",
    ):
        assert client.post(address, {}).status_code == 403, address
    order.refresh_from_db()
    case.refresh_from_db()
    after = (Effect.objects.count(), Ticket.objects.count(), order.version, case.version)
    assert after == before


@pytest.mark.requirement("R1")
@pytest.mark.requirement("R5")
@pytest.mark.requirement("R26")
def test_a_rule_is_built_signed_acts_fails_and_is_put_right(
    open_page: OpenPage,
    sign_in: SignIn,
    operations_user: User,
    finance_user: User,
    support_user: User,
    auditor_user: User,
    celery_worker: Process,
    troubles: Troubles,
) -> None:
    some_orders()
    export, _ = make_queue("export", "Export desk"), make_queue("parcels", "Parcels")

    # Operations builds it, sees how many past orders match, and can't sign it off.
    author = open_page()
    sign_in(author, operations_user)
    build_the_rule(author)
    expect(author.locator("#preview-matched")).to_have_text("3")
    submit(author)
    expect(author.get_by_role("button", name="Approve")).to_be_disabled()
    expect(author.locator("#why-not")).to_contain_text("someone else has to decide")
    document = Document.objects.get()
    refused = signed_in(operations_user).post(
        f"/approvals/{document.pk}/approve/", {"sha256": document.sha256, "comment": "Me."}
    )
    assert refused.status_code in (403, 409, 422)
    assert not Activation.objects.exists()

    # Finance sees the difference and approves.
    finance = open_page()
    sign_in(finance, finance_user)
    approve(finance, document)

    # Orders arrive. One is near the mark and stays alone; one is tagged and gets its ticket.
    near, match = arrives("499.99", "FR"), arrives("640.00", "FR")
    wait_for(lambda: Run.objects.filter(subject_id=match.pk, state="done").exists(), "the run")
    assert not Run.objects.filter(subject_id=near.pk).exists()
    match.refresh_from_db()
    assert match.tags == ["high-value"]
    assert Ticket.objects.get().order_id == match.pk
    run = Run.objects.get(subject_id=match.pk)
    author.goto(f"/runs/{run.pk}/")
    expect(author.locator("main")).to_contain_text("£640.00")
    expect(author.locator("main")).to_contain_text("France")

    # The queue is closed, so the next run can't finish: it stands in the queue of cases.
    close_queue(export, move_to=Queue.objects.get(slug="parcels"), actor=HOUSE)
    stuck = arrives("712.00", "DE")
    wait_for(lambda: Failure.objects.filter(subject_id=stuck.pk).exists(), "the case")
    case = Failure.objects.get(subject_id=stuck.pk)

    # Support chooses another queue and retries.
    support = open_page()
    sign_in(support, support_user)
    support.goto(f"/failures/{case.pk}/")
    support.wait_for_load_state("networkidle")
    expect(support.locator("#case")).to_contain_text("is closed")
    support.get_by_role("button", name="Edit and retry").click()
    expect(support.locator("#dialog h2")).to_have_text("Edit and retry")
    support.locator("#dialog select").first.select_option("parcels")
    support.keyboard.press("Control+Enter")
    wait_for(lambda: Run.objects.filter(subject_id=stuck.pk, state="done").exists(), "the retry")
    ticket = Ticket.objects.get(order=stuck)
    assert ticket.queue.slug == "parcels"
    stuck.refresh_from_db()
    assert stuck.tags == ["high-value"]
    assert Effect.objects.count() == 4

    # The order's timeline tells the story, and the auditor can read all of it and change nothing.
    auditor = open_page()
    sign_in(auditor, auditor_user)
    auditor.goto(f"/orders/{stuck.number}/")
    auditor.wait_for_load_state("networkidle")
    timeline = auditor.locator("#timeline")
    for words in ("Large orders abroad", "high-value", "Stopped: ", ticket.number):
        expect(timeline).to_contain_text(words)
    rule = Rule.objects.get()
    for address in (
        f"/rules/{rule.slug}/",
        f"/approvals/{document.pk}/",
        f"/runs/{run.pk}/",
        f"/failures/{case.pk}/",
        f"/tickets/{ticket.number}/",
        "/finance/ledger/",
        "/inventory/",
        "/settings/audit/",
    ):
        answer = auditor.goto(address)
        assert answer is not None
        assert answer.status == 200, address
    refused_everywhere(signed_in(auditor_user), stuck, case, document)
