"""Rules, verdicts and the inbox with the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from automations.models.documents import Activation
from automations.models.rules import Rule
from automations.services import approvals
from backoffice.actors import person
from backoffice.models import AuditEntry, User
from tests.automations.views import story
from tests.automations.views.factories import some_orders, submitted
from tests.bed.browsers import OpenPage, SignIn
from tests.browser.keys import (
    STEPS,
    opened,
    press,
    ready,
    shown,
    tab_to,
    told,
)


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
    shown(page, second.pk)
    press(page, "i")
    told(page, f"Case {second.pk} is with Amara Lewis")
    expect(page.locator("tr[data-id]")).to_have_count(2)
    expect(page.locator("#view-nobodys .count")).to_have_text("2")
    expect(page.locator("#scroll")).to_be_focused()
    press(page, "j")
    shown(page, third.pk)
    press(page, "k")
    shown(page, first.pk)


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
        told(page, f"gets the role {role}")
    ready(page, "/settings/audit/")
    press(page, "j", "j")
    expect(page.locator("tbody tr").nth(1)).to_be_focused()
