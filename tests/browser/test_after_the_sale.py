"""Returns, claims, exchanges and figures as people use them: by the keyboard, under axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from backoffice.actors import HOUSE
from backoffice.models import User
from finance.models.refunds import Refund
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.services.baselines import take_baseline
from orders.services.claims import open_claim
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.shipping import ship_order
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.browser.test_desk import a_paid_order, ready
from tests.orders.factories import fresh

LISTS = ("/returns/", "/claims/", "/claims/?view=all", "/exchanges/", "/orders/figures/")


def a_shipped_order(number: int = 1) -> Order:
    order = a_paid_order(number)
    ship_order(order.pk, actor=HOUSE)
    return fresh(order)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_after_the_sale(
    scheme: str, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe, operations_user: User
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    for address in LISTS:
        ready(page, address)
        check_axe(page)
    order = a_shipped_order()
    line = order.lines.get()
    claim = open_claim(order.pk, {line.pk: 1}, reason=Claim.Reason.DAMAGED, actor=HOUSE)
    goods = [NewGoods("KB-001", 1)]
    unwanted = ReturnOrder.Reason.UNWANTED
    swap = exchange_goods(order.pk, {line.pk: 1}, goods, reason=unwanted, actor=HOUSE)
    take_baseline(order.placed_at.date(), order.placed_at.date(), actor=HOUSE)
    details = (
        f"/claims/{claim.number}/",
        f"/exchanges/{swap.number}/",
        f"/returns/{swap.return_order.number}/",
        f"/finance/refunds/{Refund.objects.get().number}/",
        f"/finance/_/refund-claim/{claim.number}/",
        f"/orders/{order.number}/_/exchange/",
        "/returns/new/",
    )
    for address in (*LISTS, *details):
        ready(page, address)
        check_axe(page)


def test_a_return_is_authorised_received_inspected_and_paid_back_by_keyboard(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    order = a_shipped_order()
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    page.keyboard.press("r")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Return requested")
    row = ReturnOrder.objects.get()
    ready(page, f"/returns/{row.number}/")
    for key, word, state in (("a", "Authorise", "Authorised"), ("r", "Receive", "Received")):
        page.keyboard.press(key)
        button = page.locator("#dialog button[type=submit]")
        expect(button).to_contain_text(word)
        expect(page.locator("#dialog :focus")).to_be_visible()
        button.press("Enter")
        expect(page.locator(".top .status").first).to_have_text(state)
        page.wait_for_load_state("networkidle")
    page.keyboard.press("i")
    expect(page.locator("#dialog input[type=number]")).to_be_focused()
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Part scrapped")
    page.get_by_role("button", name="Ask for a refund…").press("Enter")
    expect(page.locator("#dialog")).to_contain_text("Proposed: £240.00")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.locator("#dialog button[type=submit]").press("Enter")
    expect(page.locator("#return-money")).to_contain_text("Waiting for finance")
    assert Refund.objects.get().return_order == row


def test_a_claim_is_opened_and_sent_again_and_goods_are_exchanged_by_keyboard(
    page: Page, sign_in: SignIn, support_user: User
) -> None:
    order = a_shipped_order()
    sign_in(page, support_user)
    ready(page, f"/orders/{order.number}/")
    page.keyboard.press("c")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Wrong item")
    page.locator("#dialog input[type=number]").fill("1")
    page.locator("#dialog input[type=number]").press("Enter")
    expect(page.locator("main")).to_contain_text("Claim CL")
    claim = Claim.objects.get()
    ready(page, f"/claims/{claim.number}/")
    page.keyboard.press("s")
    expect(page.locator("#dialog_note")).to_be_focused()
    page.locator("#dialog button[type=submit]").press("Enter")
    expect(page.locator(".top")).to_contain_text("Sent again")
    ready(page, f"/orders/{order.number}/")
    page.keyboard.press("x")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.get_by_label("Goods that leave").fill("KB-001 1 130.00")
    page.locator("#dialog input[type=number]").fill("1")
    page.locator("#dialog input[type=number]").press("Enter")
    expect(page.locator("main")).to_contain_text("difference £10.00")
    assert Exchange.objects.get().difference == 10
