"""A person sees, while building and before deciding, what a rule makes of the others."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from automations.models.documents import Approval
from backoffice.models import User
from tests.automations.views.factories import make_live, make_rule, some_orders, submitted
from tests.bed.browsers import CheckAxe, OpenPage, SignIn


@pytest.mark.requirement("R6")
def test_an_author_is_told_at_save_and_the_approver_before_the_verdict(
    open_page: OpenPage,
    sign_in: SignIn,
    operations_user: User,
    finance_user: User,
    check_axe: CheckAxe,
) -> None:
    some_orders()
    make_live(make_rule(operations_user, name="There before"))
    rule = make_rule(operations_user, name="Once more")

    page = open_page()
    sign_in(page, operations_user)
    page.goto(f"/rules/{rule.slug}/edit/")
    meets = page.locator("#meets")
    expect(meets).to_contain_text("The same rule twice")
    expect(meets).to_contain_text("3 events of the last 30 days")
    both_lights(page, check_axe)
    # A narrower rule is another finding, told as soon as the change is saved.
    page.get_by_label("Value, amount").fill("900")
    page.get_by_label("Value, amount").blur()
    expect(meets).to_contain_text("Nearly the same rule")
    expect(meets).to_contain_text("1 event of the last 30 days")
    page.get_by_role("button", name="Submit for approval").click()
    expect(page.locator("#submit-meets")).to_contain_text("Whoever decides sees this too")
    check_axe(page, within="#dialog")
    page.get_by_label("Why").fill("For the large ones.")
    page.get_by_role("button", name="Submit", exact=True).click()
    page.wait_for_url("**/approvals/*/")

    deciding = open_page()
    sign_in(deciding, finance_user)
    deciding.goto(page.url)
    expect(deciding.locator("#meets")).to_contain_text("Whatever starts this rule starts")
    both_lights(deciding, check_axe)
    deciding.keyboard.press("n")
    deciding.get_by_label("Comment").fill("Raise the other one instead.")
    deciding.keyboard.press("Control+Enter")
    expect(deciding.locator("#verdict")).to_contain_text("Changes requested")
    (found,) = Approval.objects.get(verdict="changes").evidence["meets"]["found"]
    assert found["kind"] == "near"


def test_a_rule_that_meets_nothing_says_so_calmly(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    document = submitted(operations_user)
    sign_in(page, operations_user)
    page.goto(f"/approvals/{document.pk}/")
    expect(page.locator("#meets")).to_contain_text("no other rule does the same")


def both_lights(page: Page, check_axe: CheckAxe) -> None:
    check_axe(page)
    page.emulate_media(color_scheme="dark")
    check_axe(page)
    page.emulate_media(color_scheme="light")
