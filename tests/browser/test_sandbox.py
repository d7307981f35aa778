"""A sandbox as people use it: told from the live company at a glance, and left by a file alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from automations.models.connectors import CallLog, ConnectorAccount
from automations.models.documents import Activation, Approval
from automations.models.rules import DraftRevision, Rule
from automations.models.runs import Run
from backoffice.caught_mail import CaughtMail
from backoffice.models import User
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.test_staff_mail import mail_account, mailing, with_addresses
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.bed.fakes import Outside

SHOTS = os.environ.get("SHOTS", "")


@pytest.fixture(autouse=True)
def sandbox(settings: Any) -> Any:
    settings.SANDBOX = True
    return settings


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS, f"{name}.png"))


def at_work(url: str) -> tuple[ConnectorAccount, Rule]:
    """A sandbox in which a rule has called a carrier and mailed the staff."""
    with_addresses()
    carrier, post = lines.web_account(url, token="a-token"), mail_account()
    (letter,) = mailing(post, "role:support")
    rule = lines.live_caller(carrier, {**letter, "uid": "a2"}, name="Tell the carrier")
    make.parcels_arrived(1)
    lines.work_lanes(carrier, post)
    return carrier, rule


@pytest.mark.requirement("R144")
def test_a_sandbox_reaches_nobody_but_staging_and_its_rule_goes_live_as_an_unapproved_draft(
    page: Page,
    sign_in: SignIn,
    administrator_user: User,
    operations_user: User,
    outside: Outside,
    sandbox: Any,
    tmp_path: Path,
) -> None:
    carrier, rule = at_work(outside.url)
    assert (outside.calls(), Run.objects.get().state) == ([], "done")
    sign_in(page, administrator_user)
    ready(page, "/settings/caught-mail/")
    expect(page).to_have_title("Sandbox: Caught mail · Countersign")
    page.get_by_role("link", name="[Sandbox] Parcel P-00001").click()
    expect(page.get_by_text("support1@example.com, support2@example.com")).to_be_visible()
    page.get_by_role("link", name=f"run {Run.objects.get().number}", exact=False).click()
    expect(page.get_by_text("Caught: 2 people would have been mailed.").first).to_be_visible()
    expect(page.get_by_text("Caught: Carrier was not called.").first).to_be_visible()
    ready(page, f"/connectors/{carrier.key}/")
    page.locator("#staging").click()
    expect(page.locator("#dialog")).to_contain_text(f"It calls {outside.url} and what is below it")
    page.locator("#dialog").get_by_role("button", name="Mark as staging").click()
    expect(page.get_by_text("so this sandbox calls it")).to_be_visible()
    make.parcels_arrived(1)
    lines.work_lanes(carrier)
    assert sum(outside.acts().values()) == 1
    sign_in(page, operations_user)
    ready(page, f"/rules/{rule.slug}/")
    page.locator("#promote").click()
    expect(page.locator("#dialog")).to_contain_text("version 1, which is in force in this sandbox")
    with page.expect_download() as began:
        page.locator("#promote-file").click()
    began.value.save_as(tmp_path / "rule.yaml")
    file = (tmp_path / "rule.yaml").read_text().replace(f"key: {rule.slug}", "key: promoted")
    sandbox.SANDBOX = False
    before = Approval.objects.count(), Activation.objects.count()
    ready(page, "/rules/import/")
    expect(page.locator(".sandbox")).to_have_count(0)
    page.get_by_label("Or its text").fill(file)
    page.locator("#look").click()
    expect(page.get_by_text("From a sandbox, where it was version 1")).to_be_visible()
    shot(page, "import")
    page.locator("#import").click()
    page.wait_for_url("**/rules/promoted/edit/")
    made = Rule.objects.get(slug="promoted")
    assert DraftRevision.objects.get(rule=made).note == "From a sandbox, where it was version 1"
    assert (Approval.objects.count(), Activation.objects.count()) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_what_a_sandbox_shows(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    administrator_user: User,
    outside: Outside,
) -> None:
    page = open_page(color_scheme=scheme)
    ready(page, "/login/")
    check_axe(page)
    sign_in(page, administrator_user)
    carrier, rule = at_work(outside.url)
    mail, call = CaughtMail.objects.get(), CallLog.objects.filter(account=carrier).get()
    for name, address in (
        ("home", "/"),
        ("mails", "/settings/caught-mail/"),
        ("mail", f"/settings/caught-mail/{mail.pk}/"),
        ("connectors", "/connectors/"),
        ("connector", f"/connectors/{carrier.key}/"),
        ("staff-mail", "/connectors/staff-mail/"),
        ("call", f"/connectors/calls/{call.pk}/"),
        ("run", f"/runs/{Run.objects.get().pk}/"),
        ("rule", f"/rules/{rule.slug}/"),
    ):
        ready(page, address)
        expect(page.locator(".sandbox")).to_be_visible()
        check_axe(page)
        shot(page, f"{scheme}-{name}")
    page.locator("#promote").click()
    expect(page.locator("#promote-file")).to_be_visible()
    check_axe(page)
    shot(page, f"{scheme}-promote")
    ready(page, f"/connectors/{carrier.key}/")
    page.locator("#staging").click()
    expect(page.locator("#dialog form")).to_be_visible()
    check_axe(page)
    shot(page, f"{scheme}-staging")
