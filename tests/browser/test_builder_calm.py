"""The builder leaves people alone: Esc only closes, and what is being made is not marked wrong."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from backoffice.models import User
from tests.automations.views.factories import make_rule, some_orders
from tests.bed.browsers import SignIn
from tests.browser.test_builder_flow import a_draft
from tests.browser.test_rule_builder import settled

INVALID = '#builder [aria-invalid="true"]'


def test_esc_closes_what_is_open_and_never_leaves_the_builder(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    rule = make_rule(operations_user)
    sign_in(page, operations_user)
    page.goto("/rules/")
    page.goto(f"/rules/{rule.slug}/edit/")
    settled(page)
    page.locator("#add-step").click()
    expect(page.get_by_label("Find a step by name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#dialog[open]")).to_have_count(0)
    page.locator(".step .grip").first.click()
    expect(page.locator(":popover-open")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(":popover-open")).to_have_count(0)
    page.get_by_label("Value, amount").fill("640")
    for _ in range(4):
        page.keyboard.press("Escape")
    settled(page)
    expect(page).to_have_url(f"/rules/{rule.slug}/edit/")
    expect(page.get_by_label("Value, amount")).to_have_value("640")
    page.locator("#add-step").press("Enter")
    page.keyboard.press("Escape")
    page.wait_for_timeout(800)
    expect(page.locator("#dialog[open]")).to_have_count(0)
    expect(page).to_have_url(f"/rules/{rule.slug}/edit/")
    page.keyboard.press("s")
    expect(page.get_by_label("Find a step by name")).to_be_focused()


def test_nothing_is_held_against_a_part_before_one_leaves_it(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    some_orders()
    sign_in(page, operations_user)
    page.goto(a_draft(operations_user))
    settled(page)
    wrong = page.locator("#builder .error:visible")
    purpose = page.locator("#id_care-purpose")
    page.get_by_role("button", name="condition").first.click()
    field = page.get_by_label("What to look at")
    expect(field).to_be_focused()
    expect(page.locator(INVALID)).to_have_count(0)
    field.select_option("order.total")
    settled(page)
    page.get_by_label("Value, amount").fill("500")
    purpose.focus()
    settled(page)
    expect(wrong).to_have_count(0)
    # Changed after it was right: its value is asked for once the condition is left.
    field.focus()
    field.select_option("order.units")
    settled(page)
    expect(wrong).to_have_count(0)
    purpose.focus()
    expect(wrong).to_have_text(["Write a whole number."])
    page.locator("#add-ask").click()
    expect(page.get_by_label("Who is asked")).to_be_focused()
    settled(page)
    page.get_by_label("Who is asked").select_option("finance")
    settled(page)
    question = page.locator(".kind-ask .error:visible")
    expect(question).to_have_count(0)
    expect(page.locator(INVALID)).to_have_count(0)
    purpose.focus()
    expect(question).to_contain_text("Write the question")
    expect(page.locator(INVALID)).to_have_count(1)


def test_esc_does_not_throw_away_what_is_typed_and_unsaved(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    sign_in(page, operations_user)
    page.goto("/promotions/_/new/")
    page.wait_for_load_state("networkidle")
    name = page.locator("#id_name")
    name.fill("Spring")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#toasts")).to_contain_text("What you typed here is not saved")
    expect(page).to_have_url("/promotions/_/new/")
    name.fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.wait_for_url("**/promotions/")
