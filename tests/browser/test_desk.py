"""Orders, stock, tickets and money as people use them: looked at, worked by keyboard, read-only."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from backoffice.actors import person
from backoffice.models import User
from finance.models.ledger import JournalEntry
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from orders.models.orders import Order
from orders.services.drafts import Address
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.shipping import ship_order
from support.models import Ticket
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import (
    fresh,
    line,
    make_channel,
    make_customer,
    make_service,
    place,
)
from tests.support.factories import open_ticket

LISTS = (
    "/",
    "/orders/",
    "/customers/",
    "/returns/",
    "/inventory/",
    "/inventory/moves/",
    "/tickets/",
    "/queues/",
    "/finance/ledger/",
    "/finance/trial-balance/",
    "/finance/payments/",
    "/finance/refunds/",
    "/finance/refund-limits/",
    "/settings/carriers/",
    "/settings/channels/",
    "/orders/?view=at-risk",
)


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def a_paid_order(number: int = 1) -> Order:
    sku = make_sku(f"KB-{number:03}", stock=10)
    channel = make_channel()
    address = Address(name="Grace Holloway", lines="14 Royal Crescent", city="Bath", country="GB")
    order = place(line(sku, 2, "120.00"), channel=channel, ship_to=address)
    pay(order)
    return fresh(order)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_empty_and_filled_screens(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    administrator_user: User,
    finance_user: User,
    support_user: User,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, finance_user)
    for address in LISTS:
        ready(page, address)
        check_axe(page)
    order = a_paid_order()
    ticket = open_ticket(order=order)
    refund = request_refund(order, None, Refund.Reason.GOODWILL, actor=person(support_user))
    sku = order.lines.get().sku
    assert sku is not None
    customer = make_customer()
    shipped = a_paid_order(2)
    ship_order(shipped.pk, actor=person(support_user))
    coming = NewReturn(
        shipped.channel,
        (NewReturnLine(1, order_line_id=shipped.lines.get().pk),),
        order_id=shipped.pk,
    )
    (back,) = request_returns([coming], actor=person(support_user))
    sign_in(page, administrator_user)
    details = (
        f"/orders/{order.number}/",
        f"/inventory/{sku.code}/",
        f"/tickets/{ticket.number}/",
        f"/queues/{ticket.queue.slug}/",
        f"/finance/refunds/{refund.number}/",
        f"/finance/payments/{order.payments.get().number}/",
        f"/finance/ledger/{JournalEntry.objects.latest('pk').number}/",
        f"/customers/{customer.number}/",
        f"/returns/{back.number}/",
        f"/settings/carriers/{make_service(order.channel).key}/",
        f"/settings/channels/{order.channel.key}/",
    )
    for address in (*LISTS, *details):
        ready(page, address)
        check_axe(page)


def test_an_order_is_tagged_held_and_released_by_keyboard_alone(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    order = a_paid_order()
    sign_in(page, operations_user)
    ready(page, "/orders/?view=all")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/orders/{order.number}/")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("t")
    expect(page.get_by_label("Tag", exact=True)).to_be_focused()
    page.keyboard.type("gift")
    page.keyboard.press("Enter")
    expect(page.locator(".top .chip")).to_contain_text("gift")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("h")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Address")
    page.keyboard.press("Tab")
    page.keyboard.type("No street")
    for _ in range(4):  # how long it lasts, what happens then, Cancel
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".strip")).to_contain_text("No street")
    assert fresh(order).is_held
    page.wait_for_load_state("networkidle")
    page.keyboard.press("l")
    expect(page.locator("#dialog h2")).to_have_text(f"Release order {order.number}")
    expect(page.get_by_label("Which hold")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#dialog button[type=submit]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".strip")).not_to_contain_text("No street")
    assert not fresh(order).is_held
    expect(page.locator("#timeline")).to_contain_text("Put on hold: address")


def test_a_stale_page_holds_nothing_and_says_so(
    open_page: OpenPage, sign_in: SignIn, operations_user: User, troubles: Troubles
) -> None:
    order = a_paid_order()
    troubles.allow("status of 409")
    page = open_page()
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    Order.objects.filter(pk=order.pk).update(version=order.version + 1)
    page.get_by_role("button", name="Hold").click()
    page.locator("#dialog button[type=submit]").click()
    expect(page.locator("#dialog")).to_contain_text("has changed since you opened it")
    assert not fresh(order).is_held


def test_one_asks_for_a_refund_and_another_of_finance_releases_it(
    open_page: OpenPage, sign_in: SignIn, support_user: User, finance_user: User
) -> None:
    order = a_paid_order()
    asker, finance = open_page(), open_page()
    sign_in(asker, support_user)
    ready(asker, f"/orders/{order.number}/")
    asker.get_by_role("button", name="Ask for a refund…").click()
    asker.get_by_label("Reason").select_option("goodwill")
    asker.get_by_role("button", name="Ask finance").click()
    expect(asker.locator("#order-money")).to_contain_text("Waiting for finance")
    refund = Refund.objects.get()
    sign_in(finance, finance_user)
    ready(finance, f"/finance/refunds/{refund.number}/")
    finance.keyboard.press("y")
    finance.get_by_role("button", name=re.compile("^Approve £240.00$")).click()
    expect(finance.locator(".top")).to_contain_text("Approved")
    refund.refresh_from_db()
    assert (refund.state, refund.approved_by) == ("approved", finance_user)
    ready(finance, "/finance/trial-balance/")
    expect(finance.locator("main")).to_contain_text("debit = credit")


def test_support_answers_a_ticket_and_an_auditor_sees_no_button(
    open_page: OpenPage, sign_in: SignIn, support_user: User, auditor_user: User
) -> None:
    ticket = open_ticket(order=a_paid_order())
    page, reader = open_page(), open_page()
    sign_in(page, support_user)
    ready(page, f"/tickets/{ticket.number}/")
    page.get_by_label("Answer", exact=True).fill("It left yesterday.")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("article.message").last).to_contain_text("It left yesterday.")
    assert Ticket.objects.get().status == Ticket.Status.PENDING
    sign_in(reader, auditor_user)
    ready(reader, f"/tickets/{ticket.number}/")
    expect(reader.locator("article.message").last).to_contain_text("It left yesterday.")
    for name in ("Answer", "Assign", "Solve", "Note"):
        expect(reader.get_by_role("button", name=name, exact=True)).to_have_count(0)
