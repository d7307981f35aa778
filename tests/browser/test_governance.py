"""Who has to agree, deputies, an emergency and a tuned value: every page and dialog by axe."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from automations.models.policies import Emergency
from automations.services import policies
from backoffice import standing_in
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as make
from tests.automations.views.factories import some_orders, submitted
from tests.bed.browsers import CheckAxe, OpenPage, SignIn, Troubles


def both(page: Page, check_axe: CheckAxe) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        check_axe(page)
    page.emulate_media(color_scheme="light")


def opened(page: Page, button: Locator, check_axe: CheckAxe) -> Locator:
    """The dialog that a button opens, looked at in both themes."""
    button.click()
    dialog = page.locator("#dialog")
    expect(dialog).to_be_visible()
    both(page, check_axe)
    return dialog


def test_an_emergency_from_the_asking_to_the_review(
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    operations_user: User,
    finance_user: User,
    support_user: User,
) -> None:
    some_orders()
    document = submitted(operations_user)
    url = f"/approvals/{document.pk}/"
    asker, second, judge = open_page(), open_page(), open_page()
    sign_in(asker, operations_user)
    sign_in(second, finance_user)
    sign_in(judge, support_user)

    asker.goto(url)
    dialog = opened(asker, asker.get_by_role("button", name="Emergency…"), check_axe)
    dialog.get_by_label("Why it can’t wait").fill("Parcels are lost every minute.")
    asker.keyboard.press("Control+Enter")
    expect(asker.locator("#emergency")).to_contain_text("Emergency asked for")
    both(asker, check_axe)

    second.goto(url)
    opened(second, second.get_by_role("button", name="Agree: let it act…"), check_axe)
    second.keyboard.press("Control+Enter")
    expect(second.locator(".banner")).to_contain_text("acts without an approval until")
    both(second, check_axe)

    judge.goto("/")
    expect(judge.locator(".banner")).to_contain_text("Emergency")
    both(judge, check_axe)
    judge.get_by_role("link", name="Look at it").click()
    opened(judge, judge.get_by_role("button", name="End it now…"), check_axe)
    judge.keyboard.press("Control+Enter")
    expect(judge.locator("#emergency")).to_contain_text("waits for its review")
    expect(judge.locator(".banner")).to_have_count(0)
    dialog = opened(judge, judge.get_by_role("button", name="Review…"), check_axe)
    dialog.get_by_label("Right", exact=True).check()
    dialog.get_by_label("What you found").fill("It held three orders, all rightly.")
    judge.keyboard.press("Control+Enter")
    expect(judge.locator("#emergency")).to_contain_text("Emergency reviewed")
    both(judge, check_axe)
    assert Emergency.objects.get().was_right is True


def test_deputies_on_ones_own_page_and_a_colleague_s(
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    finance_user: User,
    support_user: User,
    administrator_user: User,
) -> None:
    own, keeper = open_page(), open_page()
    sign_in(own, finance_user)
    sign_in(keeper, administrator_user)
    own.goto("/me/")
    expect(own.locator("#deputies")).to_contain_text("Nobody stands in")
    both(own, check_axe)
    dialog = opened(own, own.get_by_role("button", name="Name a deputy…"), check_axe)
    dialog.get_by_label("Who stands in").select_option(str(support_user.pk))
    dialog.get_by_label("Why").fill("On leave.")
    own.keyboard.press("Control+Enter")
    expect(own.locator("#deputies")).to_contain_text("Waits for a second person")
    both(own, check_axe)
    keeper.goto(f"/settings/users/{finance_user.username}/")
    both(keeper, check_axe)
    opened(keeper, keeper.get_by_role("button", name="Agree…"), check_axe)
    keeper.keyboard.press("Control+Enter")
    expect(keeper.locator("#deputies")).to_contain_text("Stands in now")
    assert standing_in.roles_of(support_user) == {"support", "finance"}
    make.live_rule(name="Belongs to somebody")
    keeper.goto("/settings/users/author/")
    opened(keeper, keeper.get_by_role("button", name="Hand over…"), check_axe)


def test_how_many_have_to_agree(
    page: Page, sign_in: SignIn, check_axe: CheckAxe, finance_user: User
) -> None:
    sign_in(page, finance_user)
    page.goto("/approvals/")
    page.get_by_role("link", name="Who has to agree").click()
    both(page, check_axe)
    dialog = opened(page, page.get_by_role("button", name="Change…").first, check_axe)
    dialog.get_by_label("Two people").check()
    page.keyboard.press("Control+Enter")
    expect(page.locator("main")).to_contain_text("Two people")
    assert policies.quorum("money") == 2
    policies.change("money", 1, actor=person(finance_user))
    page.reload()
    expect(page.locator("main")).to_contain_text("One instead is asked for")
    both(page, check_axe)


def test_a_value_is_tuned_and_a_version_tried_on_the_rule_s_page(
    page: Page, sign_in: SignIn, check_axe: CheckAxe, operations_user: User, troubles: Troubles
) -> None:
    troubles.allow("status of 422")
    amount = {"amount": "100.00", "currency": "GBP"}
    param = {
        "type": "money",
        "label": "Least total",
        "value": amount,
        "range": [{**amount, "amount": "50.00"}, {**amount, "amount": "300.00"}],
    }
    clause = {"field": "parcel.total", "op": "gte", "value": {"param": "least"}}
    rule = make.live_rule(when={"all": [clause]}, params={"least": param})
    make.own(rule, operations_user)
    sign_in(page, operations_user)
    page.goto(f"/rules/{rule.slug}/")
    expect(page.locator("#trial")).to_contain_text("Test on one")
    both(page, check_axe)
    dialog = opened(page, page.locator("#tunables").get_by_role("button"), check_axe)
    dialog.get_by_label("Least total").fill("400")
    dialog.get_by_label("Why").fill("A busy week.")
    page.keyboard.press("Control+Enter")
    expect(dialog).to_contain_text("outside")
    dialog.get_by_label("Least total").fill("200")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#tunables")).to_contain_text("£200.00")
