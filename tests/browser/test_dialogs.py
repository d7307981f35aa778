"""Every dialog by the button that opens it, light and dark: named, accessible, left by Esc."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.services import approvals, stops
from backoffice.actors import HOUSE, person
from backoffice.models import User
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.drafts import OnShort
from orders.services.holds import hold_orders
from orders.services.placing import place_orders
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns
from orders.services.shipping import ship_order
from orders.services.tags import add_tags
from tests.automations.views import story
from tests.automations.views.factories import make_rule, some_orders, submitted
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, fresh, line, make_channel, place
from tests.support.factories import make_queue, open_ticket

Looks = Callable[[Page, Locator, str], None]


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


@pytest.fixture
def looks(check_axe: CheckAxe) -> Looks:
    """Press a button: its dialog has this name, pleases axe in both themes, and Esc gives the
    focus back to the button."""

    def look(page: Page, opener: Locator, name: str) -> None:
        opener.click()
        dialog = page.get_by_role("dialog", name=name, exact=True)
        expect(dialog).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            check_axe(page)
        page.emulate_media(color_scheme="light")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()

    return look


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def a_paid_order(number: int = 1) -> Order:
    order = place(line(make_sku(f"KB-{number:03}", stock=10), 2, "120.00"), channel=make_channel())
    pay(order)
    return fresh(order)


def test_dialogs_of_an_order(
    page: Page, sign_in: SignIn, looks: Looks, operations_user: User, troubles: Troubles
) -> None:
    order, actor = a_paid_order(), person(operations_user)
    number = order.number
    add_tags([order.pk], ["gift"], actor=actor)
    sign_in(page, operations_user)
    ready(page, f"/orders/{number}/")
    looks(page, page.get_by_role("button", name="Tag", exact=True), "Add a tag")
    looks(page, button(page, "Take gift off"), f"Take gift off order {number}?")
    looks(page, button(page, "Hold"), f"Hold order {number}")
    looks(page, button(page, "Ship"), f"Ship order {number}")
    looks(page, button(page, "Cancel…"), f"Cancel order {number}")
    looks(page, button(page, "Change address…"), f"Address of order {number}")
    looks(page, button(page, "Ask for a refund…"), f"Refund of order {number}")
    looks(page, button(page, "Open one…"), "New ticket")
    hold_orders([order.pk], reason=Hold.Reason.FRAUD, actor=actor).or_raise()
    ready(page, f"/orders/{number}/")
    looks(page, button(page, "Release"), f"Release order {number}")


def test_dialogs_that_were_refused(
    page: Page,
    sign_in: SignIn,
    check_axe: CheckAxe,
    operations_user: User,
    troubles: Troubles,
) -> None:
    order = a_paid_order()
    troubles.allow("status of (409|422)")
    # axe leaves empty style attributes behind, which the next swap then copies.
    troubles.allow("Applying inline style")
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Tag", exact=True).fill("no tag!")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#dialog")).to_contain_text("Please look at 1 field.")
    expect(page.get_by_label("Tag", exact=True)).to_be_focused()
    check_axe(page)
    page.emulate_media(color_scheme="dark")
    check_axe(page)
    page.keyboard.press("Escape")
    Order.objects.filter(pk=order.pk).update(version=order.version + 1)
    button(page, "Hold").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Control+Enter")
    way_on = page.get_by_role("link", name="Show the newest state")
    expect(way_on).to_be_visible()
    check_axe(page)
    way_on.click()
    page.wait_for_load_state("networkidle")
    button(page, "Hold").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".strip")).to_contain_text("Possible fraud")
    assert fresh(order).is_held


def test_dialogs_of_returns_and_stock(
    page: Page, sign_in: SignIn, looks: Looks, operations_user: User
) -> None:
    order, actor = a_paid_order(), person(operations_user)
    ship_order(order.pk, actor=actor)
    coming = NewReturn(
        order.channel,
        (NewReturnLine(1, order_line_id=order.lines.get().pk),),
        order_id=order.pk,
    )
    (back,) = request_returns([coming], actor=actor)
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    looks(page, button(page, "Return…"), f"Return of order {order.number}")
    ready(page, f"/returns/{back.number}/")
    looks(page, button(page, "Receive"), f"Receive return {back.number}")
    looks(page, button(page, "Refuse…"), f"Refuse return {back.number}?")
    receive_returns([back.pk], actor=actor)
    ready(page, f"/returns/{back.number}/")
    looks(page, button(page, "Inspect"), f"Inspect return {back.number}")
    ready(page, "/inventory/KB-001/")
    looks(page, button(page, "Receive"), "Receive KB-001")
    looks(page, button(page, "Adjust"), "Adjust KB-001")
    looks(page, button(page, "Reorder point"), "Reorder point of KB-001")
    looks(page, button(page, "Write off…"), "Write off KB-001")


def test_dialogs_of_tickets_and_queues(
    page: Page, sign_in: SignIn, looks: Looks, support_user: User, administrator_user: User
) -> None:
    queue = make_queue()
    ticket = open_ticket(order=a_paid_order(), queue=queue.slug)
    sign_in(page, support_user)
    ready(page, "/tickets/")
    looks(page, button(page, "New ticket"), "New ticket")
    ready(page, f"/tickets/{ticket.number}/")
    looks(page, page.get_by_role("button", name="Note", exact=True), "Note for staff")
    looks(page, button(page, "Assign"), f"Assign {ticket.number}")
    looks(page, button(page, "Move"), f"Move {ticket.number}")
    looks(page, button(page, "Priority"), f"Priority of {ticket.number}")
    sign_in(page, administrator_user)
    ready(page, f"/queues/{queue.slug}/")
    looks(page, button(page, "Close…"), f"Close “{queue}”")
    queue.is_active = False
    queue.save()
    ready(page, f"/queues/{queue.slug}/")
    looks(page, button(page, "Open again…"), f"Open “{queue}” again")


def test_dialogs_of_finance(
    page: Page, sign_in: SignIn, looks: Looks, support_user: User, finance_user: User
) -> None:
    order = a_paid_order()
    unpaid = place(line(make_sku("KB-002", stock=5)), channel=order.channel)
    asker = person(support_user)
    refund = request_refund(order, None, Refund.Reason.GOODWILL, actor=asker)
    sign_in(page, finance_user)
    ready(page, f"/finance/refunds/{refund.number}/")
    looks(page, button(page, "Approve £240.00…"), f"Approve {refund.number}: £240.00")
    looks(page, button(page, "Reject…"), f"Reject {refund.number}")
    ready(page, f"/orders/{unpaid.number}/")
    looks(page, button(page, "Record payment…"), f"Payment for order {unpaid.number}")
    sign_in(page, support_user)
    ready(page, f"/finance/refunds/{refund.number}/")
    looks(page, button(page, "Withdraw…"), f"Withdraw {refund.number}?")


def test_dialogs_of_lists(
    page: Page, sign_in: SignIn, looks: Looks, operations_user: User, administrator_user: User
) -> None:
    a_paid_order()
    sign_in(page, operations_user)
    ready(page, "/orders/?view=all&total=gte:5")
    looks(page, button(page, "Save view"), "Save this view")
    button(page, "Save view").click()
    page.get_by_label("Name", exact=True).fill("Mine")
    page.keyboard.press("Enter")
    page.wait_for_url("**view=mine")
    page.wait_for_load_state("networkidle")
    looks(page, button(page, "Rename, share or delete"), "View “Mine”")
    page.get_by_role("checkbox", name="Tick all rows").check()
    looks(page, button(page, "Tag 1…"), "Tag: 1 order")
    looks(page, button(page, "Hold 1…"), "Hold: 1 order")
    ready(page, "/inventory/")
    page.get_by_role("checkbox", name="Tick all rows").check()
    looks(page, button(page, "Set reorder point 1…"), "Set reorder point: 1 SKU")
    sign_in(page, administrator_user)
    ready(page, f"/settings/users/{operations_user.username}/")
    looks(page, button(page, "Change role"), "Role of Priya Shah")
    looks(page, button(page, "Deactivate…"), "Deactivate Priya Shah")


def live(document: Document, approver: User) -> Rule:
    approvals.approve(document.pk, sha256=document.sha256, actor=person(approver))
    assert document.rule is not None
    return document.rule


def test_dialogs_of_stops_and_starts(
    open_page: OpenPage,
    sign_in: SignIn,
    looks: Looks,
    operations_user: User,
    finance_user: User,
) -> None:
    rule = live(submitted(operations_user), finance_user)
    asker, other = open_page(), open_page()
    sign_in(asker, operations_user)
    sign_in(other, finance_user)
    ready(asker, f"/rules/{rule.slug}/")
    looks(asker, button(asker, "Stop…"), f"Stop “{rule.name}”")
    ready(asker, "/rules/")
    looks(asker, button(asker, "Stop everything…"), "Stop every rule")
    stop = stops.stop_rule(rule.pk, reason="Too many.", actor=person(operations_user))
    ready(asker, f"/rules/{rule.slug}/")
    looks(asker, button(asker, "Start again…"), f"Start “{rule.name}” again")
    stops.ask_start(stop.pk, actor=person(operations_user))
    ready(asker, f"/rules/{rule.slug}/")
    looks(asker, button(asker, "Start again…"), f"Start “{rule.name}” again")
    ready(other, f"/rules/{rule.slug}/")
    looks(other, button(other, "Start again…"), f"Start “{rule.name}” again")


def test_dialogs_of_rules_and_verdicts(
    open_page: OpenPage,
    sign_in: SignIn,
    looks: Looks,
    operations_user: User,
    finance_user: User,
) -> None:
    some_orders()
    document = submitted(operations_user)
    lacking = make_rule(operations_user, "fragile", fallback="")
    author, finance = open_page(), open_page()
    sign_in(author, operations_user)
    sign_in(finance, finance_user)
    ready(author, "/rules/")
    looks(author, button(author, "New rule"), "New rule")
    ready(author, f"/rules/{lacking.slug}/edit/")
    looks(author, author.locator("#add-step"), "Add a step")
    submit = button(author, "Submit for approval…")
    looks(author, submit, f"Submit “{lacking.name}” for approval")
    assert document.rule is not None
    ready(author, f"/rules/{document.rule.slug}/edit/")
    looks(author, submit, f"Submit “{document.rule.name}” for approval")
    ready(finance, f"/approvals/{document.pk}/")
    looks(finance, button(finance, "Approve…"), "Approve version 1")
    looks(finance, button(finance, "Request changes…"), "Request changes to version 1")
    looks(finance, button(finance, "Reject…"), "Reject version 1")


def test_dialogs_of_cases(page: Page, sign_in: SignIn, looks: Looks, support_user: User) -> None:
    failed = story.failed_run(2)[0]
    short = draft(line(make_sku("KB-900", stock=1), 3), channel=story.shop())
    place_orders([short], on_short=OnShort.HOLD, actor=HOUSE)
    reported = Failure.objects.get(kind="orders.stock_short")
    sign_in(page, support_user)
    ready(page, f"/failures/{failed.pk}/")
    for opener, name in (
        ("Edit and retry", "Edit and retry"),
        ("Done by hand", "Done by hand"),
        ("Assign", "Assign"),
        ("Snooze", "Snooze"),
        ("Skip the step…", "Skip the step"),
        ("End the run…", "End the run"),
        ("Comment", "Comment"),
    ):
        looks(page, button(page, opener), name)
    ready(page, f"/failures/{reported.pk}/")
    looks(page, button(page, "Solved…"), "Solved")
    ready(page, "/failures/")
    page.get_by_role("checkbox", name="Tick all rows").check()
    looks(page, button(page, "Snooze 3…"), "Snooze: 3 cases")
    looks(page, button(page, "Skip 3…"), "Skip: 3 cases")


def test_the_dialogs_of_the_shell_are_named(
    page: Page, sign_in: SignIn, operations_user: User, check_axe: CheckAxe
) -> None:
    sign_in(page, operations_user)
    ready(page, "/")
    for key, name in (("?", "Keys"), ("Control+k", "Search or jump")):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            check_axe(page)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name=name)).to_be_hidden()
