"""An approver says that a version is for the records that are there, too."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from automations.engine.applying import apply_batch
from automations.models.documents import Approval
from automations.models.existing import ExistingRecords
from automations.models.runs import Run
from backoffice.models import User
from orders.services.drafts import Address
from tests.automations import factories as make
from tests.automations.views.factories import submitted
from tests.bed.browsers import CheckAxe, SignIn
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, place


def orders_there() -> list[str]:
    """Twelve that match, and one that does not, placed before the rule."""
    make_channel()
    sku, abroad = make_sku(stock=50), Address(name="Grace Holloway", country="FR")
    wanted = [place(line(sku, 1, f"{600 + n}.00"), ship_to=abroad).number for n in range(12)]
    place(line(sku, 1, "20.00"), ship_to=abroad)
    make.match_all()
    return wanted


def please_axe(page: Page, check_axe: CheckAxe) -> None:
    page.emulate_media(color_scheme="dark")
    check_axe(page)
    page.emulate_media(color_scheme="light")
    check_axe(page)


def test_the_dialog_asks_about_the_orders_that_are_there_and_a_yes_reaches_them(
    page: Page,
    sign_in: SignIn,
    operations_user: User,
    finance_user: User,
    check_axe: CheckAxe,
) -> None:
    numbers = orders_there()
    document = submitted(operations_user)
    sign_in(page, finance_user)
    page.goto(f"/approvals/{document.pk}/")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("y")
    dialog = page.locator("#dialog")
    alone = dialog.get_by_role("radio", name="What is there already is left alone")
    expect(alone).to_be_checked()
    expect(dialog).to_contain_text("12 that match as they stand now")
    expect(dialog.locator("#existing-list tr")).to_have_count(5)
    expect(dialog).to_contain_text("7 more")
    expect(dialog.get_by_role("link", name=numbers[-1])).to_be_visible()
    please_axe(page, check_axe)
    dialog.get_by_role("radio", name="It is also applied").check()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#verdict")).to_contain_text("also for the records that were there")
    assert Approval.objects.get().existing
    while apply_batch():
        pass
    make.match_all()
    assert ExistingRecords.objects.get().events == Run.objects.count() == 12
    page.reload()
    expect(page.locator("#existing-standing")).to_contain_text(re.compile("12 started of 13"))
    please_axe(page, check_axe)
    page.locator("#existing-standing").get_by_role("link", name="12 started").click()
    expect(page.locator("tbody tr")).to_have_count(12)
