"""The engine's health as people see it: figures that lead to their lists, a stall nobody misses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from automations.engine import measure, progress
from automations.models.progress import Progress, Worker
from automations.views import health
from backoffice import notices
from backoffice.models import User
from tests.automations import factories as make
from tests.bed.browsers import CheckAxe, OpenPage, SignIn


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def a_busy_hour() -> None:
    make.live_rule(name="Tag large parcels")
    make.live_rule(name="Weigh at night", latency="batch")
    make.live_rule(name="Choosy", steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(60)
    make.work_all()
    progress.swept()
    now = timezone.now()
    Worker.objects.create(name="desk-1:2108", started_at=now - timedelta(hours=5), seen_at=now)


def count_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MARGIN_SECONDS", 0)
    while measure.count():
        pass


def stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has taken work for five minutes, and the site has been up for an hour."""
    monkeypatch.setattr(health, "STARTED", timezone.now() - timedelta(hours=1))
    Progress.objects.update(last_claim_at=timezone.now() - timedelta(minutes=5))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_the_banner_and_the_notices(
    scheme: str,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    operations_user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    for address in ("/automation/health/", "/notices/"):
        ready(page, address)
        check_axe(page)
    a_busy_hour()
    count_everything(monkeypatch)
    stand_still(monkeypatch)
    notices.notify([operations_user], "“Choosy” fails: 60 of 180 runs.", "/runs/")
    for address in ("/automation/health/", "/automation/health/?last=week", "/", "/notices/"):
        ready(page, address)
        check_axe(page)
    ready(page, "/automation/health/")
    page.get_by_text("As a table").first.click()
    check_axe(page)


@pytest.mark.requirement("R12")
def test_a_figure_leads_to_the_list_with_the_same_total(
    page: Page, sign_in: SignIn, finance_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_busy_hour()
    count_everything(monkeypatch)
    sign_in(page, finance_user)
    ready(page, "/")
    page.get_by_role("link", name="Health", exact=True).click()
    expect(page.get_by_role("heading", name="Health", exact=True)).to_be_visible()
    row = page.get_by_role("row", name="All that ended")
    expect(row).to_contain_text("120")
    row.get_by_role("link").click()
    expect(page.locator("#list")).to_contain_text("of 120")
    page.go_back()
    rule = page.get_by_role("row").filter(has_text="Choosy")
    expect(rule).to_contain_text("100.0%")
    rule.get_by_role("link", name="60").click()
    expect(page.get_by_role("heading", name="Failures")).to_be_visible()
    expect(page.locator("#list")).to_contain_text("of 60")


@pytest.mark.requirement("R12")
def test_a_column_of_the_chart_leads_to_its_hour(
    page: Page, sign_in: SignIn, operations_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_busy_hour()
    count_everything(monkeypatch)
    sign_in(page, operations_user)
    ready(page, "/automation/health/")
    page.locator("svg.columns").first.locator("a").last.click()
    expect(page.locator("#list")).to_contain_text("of 120")


def test_a_stall_shows_on_home_by_itself_leads_on_and_goes_when_work_moves(
    page: Page, sign_in: SignIn, administrator_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress.swept()
    sign_in(page, administrator_user)
    ready(page, "/")
    banner = page.get_by_role("alert")
    expect(banner).to_have_count(0)
    stand_still(monkeypatch)
    page.evaluate("document.body.dispatchEvent(new CustomEvent('ui:tick'))")
    expect(banner).to_contain_text("The clock of the rules was not seen since")
    banner.get_by_role("link", name="Health").click()
    expect(page.get_by_role("alert")).to_contain_text("waits, retries and schedules stand still")
    Progress.objects.update(last_claim_at=timezone.now())
    page.evaluate("document.body.dispatchEvent(new CustomEvent('ui:tick'))")
    expect(banner).to_have_count(0)


def test_a_notice_is_read_by_opening_it(page: Page, sign_in: SignIn, operations_user: User) -> None:
    notices.notify([operations_user], "“Choosy” fails: 60 of 180 runs.", "/runs/")
    sign_in(page, operations_user)
    ready(page, "/")
    expect(page.locator('a[href="/notices/"] .count')).to_have_text("1")
    page.get_by_role("link", name="“Choosy” fails").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    ready(page, "/notices/")
    expect(page.locator("#list")).to_contain_text("You have read everything.")
    page.locator("#view-all").click()
    expect(page.locator("#list")).to_contain_text("“Choosy” fails")
