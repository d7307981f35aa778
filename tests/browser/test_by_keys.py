"""The work of each role with the keyboard alone, key by key; no mouse and no scripted focus."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from backoffice.actors import person
from backoffice.models import User
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from inventory.models import Sku
from orders.models.returns import ReturnOrder
from orders.services.shipping import ship_order
from support.models import Message, Queue, Ticket
from tests.bed.browsers import SignIn
from tests.browser.keys import (
    a_paid_order,
    opened,
    press,
    ready,
    tab_to,
    told,
)
from tests.finance.factories import pounds
from tests.inventory.factories import level, make_locations, make_sku
from tests.support.factories import make_queue, open_ticket


def test_goods_come_back_from_the_request_to_the_shelf(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    order = a_paid_order()
    sign_in(page, operations_user)
    ready(page, "/")
    press(page, "g", "o")
    page.wait_for_url("**/orders/")
    page.wait_for_load_state("networkidle")
    page.get_by_role("link", name="All 1").press("Enter")
    page.wait_for_url("**view=all")
    page.wait_for_load_state("networkidle")
    press(page, "j", "Enter")
    page.wait_for_url(f"**/orders/{order.number}/")
    page.wait_for_load_state("networkidle")
    press(page, "s")
    opened(page, f"Ship order {order.number}")
    page.keyboard.type("Royal Mail")
    press(page, "Control+Enter")
    told(page, "shipped")
    press(page, "r")
    opened(page, f"Return of order {order.number}")
    press(page, "Tab")
    page.keyboard.type("1")  # over the 0 that stands there: the field is selected
    press(page, "Control+Enter")
    told(page, "is requested")
    back = ReturnOrder.objects.get()
    assert back.units == 1
    ready(page, "/returns/")
    press(page, "j", "Enter")
    page.wait_for_url(f"**/returns/{back.number}/")
    page.wait_for_load_state("networkidle")
    press(page, "r")
    opened(page, f"Receive return {back.number}")
    press(page, "Control+Enter")
    told(page, "in quarantine until it is inspected")
    press(page, "i")
    opened(page, f"Inspect return {back.number}")
    page.keyboard.type("1")  # of the first line, scrapped
    press(page, "Control+Enter")
    told(page, f"Return {back.number} is inspected")
    back.refresh_from_db()
    assert (back.state, back.lines.get().outcome) == ("inspected", "scrapped")
    press(page, "Escape")
    page.wait_for_url("**/returns/")


def test_a_return_is_refused_by_its_button(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    order = a_paid_order()
    ship_order(order.pk, actor=person(operations_user))
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    press(page, "r")
    opened(page, f"Return of order {order.number}")
    press(page, "Tab")
    page.keyboard.type("2")
    press(page, "Control+Enter")
    told(page, "is requested")
    back = ReturnOrder.objects.get()
    ready(page, f"/returns/{back.number}/")
    tab_to(page, "Refuse…")
    press(page, "Enter")
    opened(page, f"Refuse return {back.number}?")
    press(page, "Control+Enter")
    told(page, "is refused")
    back.refresh_from_db()
    assert back.state == "refused"


def test_stock_is_received_corrected_written_off_and_watched(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    make_locations()
    sku = make_sku("KB-001", stock=10)
    sign_in(page, operations_user)
    ready(page, "/")
    press(page, "g", "i")
    page.wait_for_url("**/inventory/")
    page.wait_for_load_state("networkidle")
    press(page, "j", "Enter")
    page.wait_for_url("**/inventory/KB-001/")
    page.wait_for_load_state("networkidle")
    press(page, "r")
    opened(page, "Receive KB-001")
    press(page, "Tab")
    page.keyboard.type("5")
    press(page, "Enter")
    told(page, "Received 5 of KB-001")
    press(page, "a")
    opened(page, "Adjust KB-001")
    press(page, "Tab")
    page.keyboard.type("-3")
    press(page, "Tab")
    page.keyboard.type("count")
    press(page, "Enter")
    told(page, "Adjusted KB-001 by −3")
    press(page, "p")
    opened(page, "Reorder point of KB-001")
    page.keyboard.type("4")
    press(page, "Enter")
    told(page, "4 or fewer")
    tab_to(page, "Write off…")
    press(page, "Enter")
    opened(page, "Write off KB-001")
    press(page, "Tab")
    page.keyboard.type("2")
    press(page, "Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Write off…")).to_be_focused()
    press(page, "Enter")
    opened(page, "Write off KB-001")
    press(page, "Tab")
    page.keyboard.type("2")
    press(page, "Enter")
    told(page, "Wrote off 2 of KB-001")
    assert level(sku).on_hand == 10
    assert Sku.objects.get().reorder_point == 4
    press(page, "Escape")
    page.wait_for_url("**/inventory/")


def test_a_ticket_is_taken_answered_noted_moved_and_solved(
    page: Page, sign_in: SignIn, support_user: User
) -> None:
    other = make_queue("parcels", "Parcels")
    open_ticket(order=a_paid_order())
    sign_in(page, support_user)
    ready(page, "/")
    press(page, "g", "t")
    page.wait_for_url("**/tickets/")
    page.wait_for_load_state("networkidle")
    press(page, "j", "Enter")
    page.wait_for_url("**/tickets/T-*/")
    page.wait_for_load_state("networkidle")
    ticket = Ticket.objects.get()
    press(page, "a")
    opened(page, f"Assign {ticket.number}")
    page.keyboard.type("Amara")
    press(page, "Control+Enter")
    told(page, "Amara Lewis")
    press(page, "n")
    opened(page, "Note for staff")
    page.keyboard.type("A courier's mistake.")
    press(page, "Control+Enter")
    told(page, "The note is written down")
    press(page, "v")
    opened(page, f"Move {ticket.number}")
    page.keyboard.type("Parcels")
    press(page, "Control+Enter")
    told(page, "has moved")
    press(page, "p")
    opened(page, f"Priority of {ticket.number}")
    page.keyboard.type("High")
    press(page, "Control+Enter")
    told(page, "high")
    press(page, "r")
    expect(page.get_by_label("Answer", exact=True)).to_be_focused()
    page.keyboard.type("It left yesterday.")
    press(page, "Control+Enter")
    told(page, "The answer is written down")
    press(page, "s")
    told(page, "is solved")
    ticket.refresh_from_db()
    assert (ticket.assignee, ticket.queue, ticket.priority) == (support_user, other, "high")
    assert (ticket.status, Message.objects.count()) == ("solved", 3)
    press(page, "Escape")
    page.wait_for_url("**/tickets/")


def test_tickets_are_worked_from_their_list(
    page: Page, sign_in: SignIn, support_user: User
) -> None:
    for _ in range(3):
        open_ticket()
    sign_in(page, support_user)
    ready(page, "/tickets/")
    press(page, "j", "x", "j", "x", "a")
    opened(page, "Assign: 2 tickets")
    page.keyboard.type("Amara")
    press(page, "Control+Enter")
    told(page, "Assigned")
    press(page, "s")
    told(page, "Solved")
    assert Ticket.objects.filter(assignee=support_user, status="solved").count() == 2


def test_a_queue_is_closed_and_opened_again(
    page: Page, sign_in: SignIn, administrator_user: User
) -> None:
    make_queue("aisle", "Aisle 4")
    open_ticket(queue="aisle")
    sign_in(page, administrator_user)
    ready(page, "/queues/")
    press(page, "j", "Enter")
    page.wait_for_url("**/queues/aisle/")
    page.wait_for_load_state("networkidle")
    tab_to(page, "Close…")
    press(page, "Enter")
    opened(page, "Close “Aisle 4”")
    page.keyboard.type("General")
    press(page, "Control+Enter")
    told(page, "1 ticket moved")
    assert not Queue.objects.get(slug="aisle").is_active
    tab_to(page, "Open again…")
    press(page, "Enter")
    opened(page, "Open “Aisle 4” again")
    press(page, "Control+Enter")
    told(page, "is open again")
    press(page, "Escape")
    page.wait_for_url("**/queues/")


def test_finance_releases_one_refund_and_turns_down_another(
    page: Page, sign_in: SignIn, finance_user: User, support_user: User
) -> None:
    order, asker = a_paid_order(), person(support_user)
    first = request_refund(order, pounds(20), Refund.Reason.GOODWILL, actor=asker)
    second = request_refund(order, pounds(30), Refund.Reason.GOODWILL, actor=asker)
    sign_in(page, finance_user)
    ready(page, "/finance/refunds/")
    press(page, "j", "Enter")
    page.wait_for_url(f"**/refunds/{first.number}/")
    page.wait_for_load_state("networkidle")
    press(page, "y")
    opened(page, f"Approve {first.number}: £20.00")
    press(page, "Control+Enter")
    told(page, "is approved")
    press(page, "Escape")
    page.wait_for_url("**/finance/refunds/")
    page.wait_for_load_state("networkidle")
    press(page, "j", "Enter")
    page.wait_for_url(f"**/refunds/{second.number}/")
    page.wait_for_load_state("networkidle")
    press(page, "n")
    opened(page, f"Reject {second.number}")
    page.keyboard.type("Paid by gift card.")
    press(page, "Control+Enter")
    told(page, "is rejected")
    states = Refund.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["approved", "rejected"]
