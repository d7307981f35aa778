"""A person builds a rule with a wait, a branch, a loop, a question and limits."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from automations.models.documents import Document
from automations.models.rules import Draft
from backoffice.models import User
from tests.automations.views.factories import make_rule, some_orders
from tests.bed.browsers import CheckAxe, SignIn
from tests.browser.test_rule_builder import choose, settled


def a_draft(owner: User) -> str:
    """The address of the builder on a rule that starts on a paid order and does nothing yet."""
    body = {
        "schema": 1,
        "trigger": {"on": "orders.order_placed"},
        "when": {"all": []},
        "steps": [],
    }
    return f"/rules/{make_rule(owner, name='Odd orders', body=body).slug}/edit/"


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = Draft.objects.get().body["steps"]
    return found


def kinds(parts: list[dict[str, Any]]) -> list[Any]:
    """The kinds of steps, with those inside in lists."""
    found: list[Any] = []
    for step in parts:
        kind = next(name for name in ("do", "wait", "if", "for_each", "ask") if name in step)
        inside = [kinds(step[name]) for name in ("then", "else", "steps") if name in step]
        found.append((kind, *inside) if inside else kind)
    return found


def pick(page: Page, name: str) -> None:
    """Choose a step in the dialog, and wait until it is there."""
    count = page.locator(".step").count()
    page.locator("#dialog").get_by_role("button", name=name).click()
    expect(page.locator(".step")).to_have_count(count + 1)
    expect(page.get_by_role("dialog")).to_have_count(0)
    settled(page)


def fill(page: Page, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.blur()
    settled(page)


def build_wait_and_branch(page: Page) -> None:
    page.get_by_role("button", name="Wait", exact=True).click()
    expect(page.get_by_label("Wait, how long")).to_be_focused()
    fill(page, "Wait, how long", "2")
    page.get_by_label("Unit").first.select_option("D")
    page.get_by_label("An event that ends the run").select_option("orders.order_cancelled")
    expect(page.get_by_role("button", name="Go on after Order cancelled")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Branch", exact=True).click()
    expect(page.get_by_label("What to look at")).to_be_focused()
    page.get_by_label("What to look at").select_option("order.total")
    fill(page, "Value, amount", "500")


def build_inside(page: Page) -> None:
    page.get_by_role("button", name="Add a step to step 2, yes").click()
    pick(page, "Ask a person")
    page.get_by_label("Who is asked").select_option("finance")
    fill(page, "Question", "Ship it?")
    page.get_by_label("Without an answer").select_option("end")
    settled(page)
    page.get_by_role("button", name="For each", exact=True).click()
    expect(page.get_by_label("Which list step 3 goes over")).to_be_focused()
    settled(page)
    page.get_by_role("button", name="Add a step to step 3, each").click()
    pick(page, "Open a ticket")
    page.get_by_label("Queue", exact=True).select_option("general")
    subject = page.get_by_label("Subject", exact=True)
    subject.fill("Check ")
    page.get_by_role("button", name="Insert a field into Subject").click()
    page.locator(".pick-list:popover-open [data-variable='item.sku.code']").click()
    expect(subject).to_have_value("Check {{ item.sku.code }}")
    settled(page)


def test_a_rule_that_waits_branches_loops_and_asks_is_built_with_the_mouse(
    page: Page, sign_in: SignIn, operations_user: User, check_axe: CheckAxe
) -> None:
    some_orders()
    sign_in(page, operations_user)
    page.goto(a_draft(operations_user))
    settled(page)
    build_wait_and_branch(page)
    build_inside(page)
    fill(page, "Runs, at most in an hour", "0")
    expect(page.locator(".limits .error")).to_have_text("Write a whole number, 1 or more.")
    fill(page, "Runs, at most in an hour", "200")
    expect(page.locator(".limits .error")).to_have_count(0)
    fill(page, "Money, at most in a day, amount", "1000")
    page.get_by_label("make cases for a person").check()
    settled(page)

    assert kinds(steps()) == ["wait", ("if", ["ask"], []), ("for_each", ["do"])]
    assert steps()[0]["end_run_on"] == ["orders.order_cancelled"]
    limits = Draft.objects.get().body["limits"]
    assert limits["runs"] == {"per_hour": 200}
    words = page.locator("#words")
    for said in ("wait 2 days, and end at", "if order total is at least £500.00", "ask finance"):
        expect(words).to_contain_text(said)
    for said in ("for each of the order lines", "at most £1,000.00 a day", "become cases"):
        expect(words).to_contain_text(re.compile(said, re.IGNORECASE))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        check_axe(page)
    page.emulate_media(color_scheme="light")

    page.get_by_role("button", name="Submit for approval").click()
    page.get_by_label("Why").fill("Odd orders slip by.")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url(re.compile(r"/approvals/\d+/$"))
    expect(page.locator("main")).to_contain_text("ask finance “Ship it?”")
    check_axe(page)
    assert Document.objects.get().why == "Odd orders slip by."


def add_by_keys(page: Page, key: str, words: str) -> None:
    count = page.locator(".step").count()
    page.keyboard.press(key)
    expect(page.get_by_label("Find a step by name")).to_be_focused()
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    expect(page.locator(".step")).to_have_count(count + 1)
    settled(page)


def move_by_keys(page: Page, key: str, after: list[Any]) -> None:
    """Press a key on the step one stands on, and stand on it still."""
    page.keyboard.press(key)
    settled(page)
    assert kinds(steps()) == after
    expect(page.locator(".step-head .grip:focus")).to_have_count(1)


def test_steps_are_added_and_moved_with_the_keyboard_alone(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    sign_in(page, operations_user)
    page.goto(a_draft(operations_user))
    settled(page)
    add_by_keys(page, "s", "branch")
    expect(page.get_by_label("What to look at")).to_be_focused()
    choose(page, "Total")
    page.keyboard.press("Escape")
    add_by_keys(page, "s", "wait")
    expect(page.get_by_label("Wait, how long")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("Escape")
    settled(page)
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Move or copy step 2":
            break
    expect(page.get_by_role("button", name="Move or copy step 2")).to_be_focused()
    move_by_keys(page, ">", [("if", ["wait"], [])])
    move_by_keys(page, "Shift+J", [("if", [], ["wait"])])
    move_by_keys(page, "<", [("if", [], []), "wait"])
    move_by_keys(page, "Shift+K", ["wait", ("if", [], [])])
    add_by_keys(page, "o", "ask")
    expect(page.get_by_label("Who is asked")).to_be_focused()
    choose(page, "Finance")
    assert kinds(steps()) == ["wait", "ask", ("if", [], [])]
    assert steps()[1]["ask"]["role"] == "finance"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Delete")
    settled(page)
    assert kinds(steps()) == ["wait", ("if", [], [])]
    page.keyboard.press("Control+z")
    settled(page)
    assert kinds(steps()) == ["wait", "ask", ("if", [], [])]
