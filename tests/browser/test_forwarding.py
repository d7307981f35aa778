"""Forwarding as people use it: by the keyboard, under axe."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from backoffice.models import User
from orders.services.forwarding import forward_ready
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.browser.test_desk import ready
from tests.orders.test_forwarding import ready_order, utrecht


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_forwarding(
    scheme: str, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe, operations_user: User
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    who = utrecht()
    order = ready_order()
    forward_ready()
    row = order.forwarded.get()
    channel = f"/settings/channels/{order.channel.key}/"
    for address in (
        "/forwarding/", f"/forwarding/{row.number}/", "/forwarding/_/who/",
        f"/forwarding/_/who/{who.pk}/", "/forwarding/_/who/new/", channel,
        f"/orders/{order.number}/",
    ):  # fmt: skip
        ready(page, address)
        check_axe(page)


def test_a_shipment_is_marked_sent_and_acknowledged_by_keyboard(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    utrecht()
    order = ready_order()
    forward_ready()
    row = order.forwarded.get()
    sign_in(page, operations_user)
    ready(page, f"/forwarding/{row.number}/")
    page.keyboard.press("s")
    button = page.locator("#dialog button[type=submit]")
    expect(button).to_contain_text("Mark sent")
    button.press("Enter")
    expect(page.locator(".top .status").first).to_have_text("Sent, no answer yet")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("a")
    field = page.locator("#dialog").get_by_label("Their reference")
    expect(field).to_be_focused()
    field.fill("U-77")
    field.press("Enter")
    expect(page.locator(".top .status").first).to_have_text("Acknowledged")
    expect(page.locator("main")).to_contain_text("U-77")
