"""The work of each role with the keyboard alone, key by key; no mouse and no scripted focus."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from automations.models.documents import Activation
from automations.models.rules import Rule
from automations.services import approvals
from backoffice.actors import person
from backoffice.models import AuditEntry, User
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from inventory.models import Sku
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.services.shipping import ship_order
from support.models import Message, Queue, Ticket
from tests.automations.views import story
from tests.automations.views.factories import some_orders, submitted
from tests.bed.browsers import OpenPage, SignIn
from tests.finance.factories import pay, pounds
from tests.inventory.factories import level, make_locations, make_sku
from tests.orders.factories import fresh, line, make_channel, place
from tests.support.factories import make_queue, open_ticket

STEPS = 160  # no screen of these tests has more places to stop at

# Everything that a person with a mouse can press or fill in, but for the other radio buttons of a
# group (arrows choose among them) and what stands in a closed dialog or menu.
STOPS = """() => {
    const seen = new Set();
    const stops = [...document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex="0"]'
    )].filter((element) => {
        if (element.disabled || element.tabIndex < 0 || element.type === "hidden") return false;
        if (!element.checkVisibility({visibilityProperty: true})) return false;
        if (element.type === "radio") {
            const group = element.form?.id + element.name;
            if (seen.has(group)) return false;
            seen.add(group);
        }
        return true;
    });
    window.missed = new Set(stops);
    document.addEventListener("focusin", (event) => {
        window.missed.delete(event.target);
        if (event.target.type !== "radio") return;
        const group = document.getElementsByName(event.target.name);
        for (const other of group) window.missed.delete(other);
    });
    // A date is several stops: day, month, year, the calendar.
    return stops.reduce((sum, {type}) => sum + (/^date/.test(type) ? 7 : 1), 2);
}"""
MISSED = """() => [...window.missed].filter((element) => element.isConnected)
    .map((element) => element.outerHTML.slice(0, 160))"""
STANDS_ON = "() => document.activeElement.outerHTML.slice(0, 160)"
SHOWS_FOCUS = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return true;
    return getComputedStyle(element).outlineStyle !== "none" || Boolean(element.closest(".find"));
}"""


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Page, name: str) -> None:
    """Tab until a control of this name has the focus."""
    for _ in range(STEPS):
        page.keyboard.press("Tab")
        now = page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel")
        if name in (now or ""):
            return
    pytest.fail(f"{name} can't be reached by Tab.")


def opened(page: Page, name: str) -> None:
    """The dialog is there and has taken the focus."""
    expect(page.get_by_role("dialog", name=name, exact=True)).to_be_visible()
    expect(page.locator("#dialog :focus")).to_have_count(1)


def told(page: Page, words: str) -> None:
    expect(page.locator(".toast").last).to_contain_text(words)
    page.wait_for_load_state("networkidle")


def a_paid_order(number: int = 1) -> Order:
    order = place(line(make_sku(f"KB-{number:03}", stock=10), 2, "120.00"), channel=make_channel())
    pay(order)
    return fresh(order)


def test_goods_come_back_from_the_request_to_the_shelf(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    order = a_paid_order()
    sign_in(page, operations_user)
    ready(page, "/")
    press(page, "g", "o")
    page.wait_for_url("**/orders/")
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
    press(page, "Space")  # the first line is scrapped
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


def test_a_rule_is_stopped_by_one_and_started_by_two(
    open_page: OpenPage, sign_in: SignIn, operations_user: User, finance_user: User
) -> None:
    document = submitted(operations_user)
    approvals.approve(document.pk, sha256=document.sha256, actor=person(finance_user))
    rule = Rule.objects.get()
    one, other = open_page(), open_page()
    sign_in(one, operations_user)
    sign_in(other, finance_user)
    ready(one, f"/rules/{rule.slug}/")
    press(one, "Shift+X")
    opened(one, f"Stop “{rule.name}”")
    one.keyboard.type("Too many.")
    press(one, "Control+Enter")
    expect(one.locator(".note-bar")).to_contain_text("Too many.")
    one.wait_for_load_state("networkidle")
    tab_to(one, "Start again…")
    press(one, "Enter")
    opened(one, f"Start “{rule.name}” again")
    press(one, "Control+Enter")
    told(one, "Someone else has to agree")
    ready(other, f"/rules/{rule.slug}/")
    tab_to(other, "Start again…")
    press(other, "Enter")
    opened(other, f"Start “{rule.name}” again")
    press(other, "ArrowDown")
    press(other, "Control+Enter")
    told(other, "It runs again.")
    verbs = AuditEntry.objects.filter(verb__startswith="rules.start").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == ["rules.start_asked", "rules.started"]


def test_a_version_is_sent_back_mended_and_approved(
    open_page: OpenPage, sign_in: SignIn, operations_user: User, finance_user: User
) -> None:
    some_orders()
    document = submitted(operations_user)
    author, finance = open_page(), open_page()
    sign_in(author, operations_user)
    sign_in(finance, finance_user)
    ready(finance, "/")
    press(finance, "g", "a")
    finance.wait_for_url("**/approvals/")
    finance.wait_for_load_state("networkidle")
    press(finance, "j", "Enter")
    finance.wait_for_url(f"**/approvals/{document.pk}/")
    finance.wait_for_load_state("networkidle")
    press(finance, "v", "n")
    opened(finance, "Request changes to version 1")
    finance.keyboard.type("From £400.")
    press(finance, "Control+Enter")
    told(finance, "Sent back")
    assert document.rule is not None
    ready(author, f"/rules/{document.rule.slug}/")
    press(author, "e")
    author.wait_for_url("**/edit/")
    author.wait_for_load_state("networkidle")
    expect(author.locator("#sent-back")).to_contain_text("From £400.")
    for _ in range(STEPS):
        author.keyboard.press("Tab")
        if author.evaluate("document.activeElement.ariaLabel") == "Value, amount":
            break
    author.keyboard.type("400")
    press(author, "Escape")
    expect(author.locator("#words")).to_contain_text("£400.00")
    press(author, "Control+Enter")
    opened(author, f"Submit “{document.rule.name}” for approval")
    author.keyboard.type("As asked.")
    press(author, "Control+Enter")
    author.wait_for_url("**/approvals/*/")
    ready(finance, "/approvals/")
    press(finance, "j", "Enter")
    finance.wait_for_url("**/approvals/*/")
    finance.wait_for_load_state("networkidle")
    press(finance, "y")
    opened(finance, "Approve version 2")
    press(finance, "Control+Enter")
    told(finance, "Version 2 is live")
    assert Activation.objects.get(until_at=None).document.version == 2


def test_the_place_in_the_inbox_is_kept_when_its_case_goes(
    page: Page, sign_in: SignIn, support_user: User
) -> None:
    first, second, third = story.failed_run(3)
    sign_in(page, support_user)
    ready(page, "/failures/?view=nobodys")
    press(page, "j", "j")
    expect(page.locator("#case")).to_have_attribute("data-case", str(second.pk))
    press(page, "i")
    told(page, f"Case {second.pk} is with Amara Lewis")
    expect(page.locator("tr[data-id]")).to_have_count(2)
    expect(page.locator("#view-nobodys .count")).to_have_text("2")
    expect(page.locator("#scroll")).to_be_focused()
    press(page, "j")
    expect(page.locator("#case")).to_have_attribute("data-case", str(third.pk))
    press(page, "k")
    expect(page.locator("#case")).to_have_attribute("data-case", str(first.pk))


def test_rows_that_open_nothing_are_walked_too(
    page: Page, sign_in: SignIn, administrator_user: User, support_user: User
) -> None:
    sign_in(page, administrator_user)
    for role in ("finance", "support"):
        ready(page, f"/settings/users/{support_user.username}/")
        press(page, "r")
        opened(page, "Role of Amara Lewis")
        page.keyboard.type(role.capitalize())
        press(page, "Control+Enter")
        told(page, f"has the role {role}")
    ready(page, "/settings/audit/")
    press(page, "j", "j")
    expect(page.locator("tbody tr").nth(1)).to_be_focused()


@pytest.fixture
def company(operations_user: User, support_user: User) -> list[str]:
    """A bit of everything, and the address of each screen that shows it."""
    order, actor = a_paid_order(), person(support_user)
    ship_order(order.pk, actor=person(operations_user))
    ticket = open_ticket(order=order)
    refund = request_refund(order, pounds(20), Refund.Reason.GOODWILL, actor=actor)
    document = submitted(operations_user)
    assert document.rule is not None
    lists = (
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
        "/failures/",
        "/jobs/",
        "/rules/",
        "/runs/",
        "/approvals/?view=waiting",
        "/me/",
        "/search/?q=KB",
    )
    return [
        *lists,
        f"/orders/{order.number}/",
        "/inventory/KB-001/",
        f"/tickets/{ticket.number}/",
        f"/queues/{ticket.queue.slug}/",
        f"/finance/refunds/{refund.number}/",
        f"/finance/payments/{order.payments.get().number}/",
        f"/rules/{document.rule.slug}/",
        f"/rules/{document.rule.slug}/edit/",
        f"/approvals/{document.pk}/",
    ]


def test_tab_reaches_everything_that_a_mouse_does_and_shows_where_it_is(
    page: Page, sign_in: SignIn, operations_user: User, company: list[str]
) -> None:
    sign_in(page, operations_user)
    for address in company:
        ready(page, address)
        count = page.evaluate(STOPS)
        assert 10 < count < STEPS, address
        for _ in range(count):
            page.keyboard.press("Tab")
            assert page.evaluate(SHOWS_FOCUS), (address, page.evaluate(STANDS_ON))
        assert page.evaluate(MISSED) == [], address


def test_the_administrators_screens_are_reached_by_tab_too(
    page: Page, sign_in: SignIn, administrator_user: User, company: list[str]
) -> None:
    sign_in(page, administrator_user)
    own = f"/settings/users/{administrator_user.username}/"
    for address in ("/settings/users/", "/settings/users/new/", own, "/settings/audit/"):
        ready(page, address)
        count = page.evaluate(STOPS)
        for _ in range(count):
            page.keyboard.press("Tab")
        assert page.evaluate(MISSED) == [], address
