"""Tab reaches everything on every screen, and shows where it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from backoffice.actors import person
from backoffice.models import User
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from orders.services.shipping import ship_order
from tests.automations.views.factories import submitted
from tests.bed.browsers import SignIn
from tests.browser.keys import (
    MISSED,
    SHOWS_FOCUS,
    STANDS_ON,
    STEPS,
    STOPS,
    a_paid_order,
    ready,
)
from tests.finance.factories import pounds
from tests.support.factories import open_ticket


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
        "/parcels/",
        "/settings/channels/",
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
