"""Someone else looks at a version, and decides."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from automations.models.documents import Activation, Document
from automations.models.rules import Draft
from automations.services import approvals, drafts, rules
from backoffice.actors import person
from backoffice.models import User
from tests.automations.views.factories import some_orders, submitted
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.bed.evidence import gather


def a_second_version(author: User, approver: User) -> Document:
    """Version 1 is live at £500.00; version 2 asks for £100.00."""
    first = submitted(author)
    approvals.approve(first.pk, sha256=first.sha256, actor=person(approver))
    assert first.rule_id is not None
    draft = Draft.objects.get(rule_id=first.rule_id)
    draft.body["when"]["all"][0]["value"]["amount"] = "100"
    actor = person(author)
    drafts.save_draft(first.rule_id, body=draft.body, revision=draft.revision, actor=actor)
    second = rules.submit_rule(first.rule_id, revision=2, why="Smaller ones too.", actor=actor)
    gather(second)
    return second


@pytest.mark.requirement("R14")
def test_finance_sees_the_difference_and_the_evidence_and_approves(
    open_page: OpenPage,
    sign_in: SignIn,
    operations_user: User,
    finance_user: User,
    check_axe: CheckAxe,
) -> None:
    some_orders()
    document = a_second_version(operations_user, finance_user)

    author = open_page()
    sign_in(author, operations_user)
    author.goto(f"/approvals/{document.pk}/")
    expect(author.get_by_role("button", name="Approve")).to_be_disabled()
    expect(author.locator("#why-not")).to_contain_text("someone else has to decide")

    page = open_page()
    sign_in(page, finance_user)
    page.goto("/")
    page.get_by_role("link", name="Look at high-value orders going abroad v2").click()
    changes = page.locator(".changes")
    expect(changes).to_contain_text("£500.00")
    expect(changes).to_contain_text("£100.00")
    expect(page.locator("#evidence-matched")).to_have_text("4")
    expect(page.locator("#evidence")).to_contain_text("+1")
    check_axe(page)
    page.emulate_media(color_scheme="dark")
    check_axe(page)
    page.emulate_media(color_scheme="light")
    page.keyboard.press("v")
    expect(page.locator("[data-viewed]").first).to_be_checked()
    page.keyboard.press("y")
    expect(page.locator("#dialog")).to_contain_text("4 of 7 events would match")
    page.get_by_label("Comment").fill("Fine.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#verdict")).to_contain_text("In force now")
    expect(page.locator("#verdict")).to_contain_text(re.compile(r"1 of \d+ differences? viewed"))
    expect(page.locator(".changes")).to_contain_text(str(finance_user))
    assert len(document.approvals.get().evidence["viewed"]) == 1
    assert Activation.objects.get(until_at=None).document_id == document.pk


def test_lists_and_pages_of_rules_please_axe(
    page: Page,
    sign_in: SignIn,
    operations_user: User,
    finance_user: User,
    auditor_user: User,
    check_axe: CheckAxe,
) -> None:
    document = a_second_version(operations_user, finance_user)
    assert document.rule is not None
    slug = document.rule.slug
    sign_in(page, auditor_user)
    for url in (
        "/rules/",
        "/approvals/?view=waiting",
        f"/rules/{slug}/",
        f"/rules/{slug}/diff/1..2/",
        f"/approvals/{document.pk}/",
    ):
        page.goto(url)
        page.wait_for_load_state("networkidle")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            check_axe(page)
    expect(page.get_by_role("button", name="Approve")).to_be_disabled()
