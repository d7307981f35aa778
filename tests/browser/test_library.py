"""The template library as people use it: looked at, searched and used by keyboard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from automations.models.documents import Document
from automations.models.rules import Rule
from backoffice.models import User
from tests.automations.views.factories import some_orders
from tests.bed.browsers import CheckAxe, OpenPage, SignIn

SHOTS = os.environ.get("SHOTS", "")


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS, f"{name}.png"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_templates(
    scheme: Any, operations_user: User, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    ready(page, "/rules/")
    shot(page, f"{scheme}-rules")
    page.keyboard.press("n")
    expect(page.locator("#dialog form")).to_be_visible()
    check_axe(page)
    shot(page, f"{scheme}-new-rule")
    ready(page, "/rules/templates/")
    check_axe(page)
    shot(page, f"{scheme}-templates")
    page.locator("summary").first.click()
    ready(page, "/rules/templates/?q=refund&domain=finance")
    page.locator("summary").first.click()
    check_axe(page)
    shot(page, f"{scheme}-templates-found")
    ready(page, "/rules/templates/?q=unicorn")
    check_axe(page)
    shot(page, f"{scheme}-templates-none")


def test_a_template_is_found_and_used_with_the_keyboard_alone(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    some_orders()
    sign_in(page, operations_user)
    ready(page, "/rules/")
    page.keyboard.press("t")
    page.wait_for_url("**/rules/templates/")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("twice")
    expect(page.locator(".template")).to_have_count(2)
    expect(page).to_have_url("/rules/templates/?q=twice")
    expect(page.locator("#find")).to_be_focused()
    use = page.locator("#use-duplicate-order")
    for _ in range(20):
        if use.evaluate("button => button === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(use).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/edit/")
    expect(page.locator("h1")).to_contain_text("Hold an order that looks like one just placed")
    expect(page.get_by_text("This draft is yours")).to_be_visible()
    assert Rule.objects.get().owner == operations_user
    assert not Document.objects.exists()
