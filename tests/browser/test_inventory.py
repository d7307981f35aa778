"""Inventory, review and files of rules as people use them: looked at, by keyboard, under axe."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from automations.engine import inventory
from automations.models.reviews import RuleReview
from automations.models.rules import Draft, Rule
from automations.services import rule_files, rules
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as make
from tests.bed.browsers import CheckAxe, OpenPage, SignIn

SHOTS = os.environ.get("SHOTS", "")


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS, f"{name}.png"))


def due(name: str) -> Rule:
    rule = make.live_rule(name=name)
    make.live_for(rule, 300)
    yesterday = timezone.localdate() - timedelta(days=1)
    rules.describe_rule(
        rule.pk,
        version=rule.version,
        actor=person(make.author()),
        review_on=yesterday,
        purpose="The packer sees at a glance what is dear.",
    )
    for day in range(1, 25):
        make.ended(rule, days_ago=day, runs=30 + day % 7)
    return rule


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_inventory_review_and_import(
    scheme: Any, finance_user: User, operations_user: User, open_page: OpenPage, sign_in: SignIn,
    check_axe: CheckAxe,
) -> None:  # fmt: skip
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    ready(page, "/rules/inventory/")
    check_axe(page)
    ready(page, "/rules/review/")
    check_axe(page)
    shot(page, f"{scheme}-review-empty")
    rule, other = due("Tag dear parcels"), due("Tell the packer")
    make.make_rule(name="Only a draft")
    Rule.objects.filter(pk=other.pk).update(owner=None)
    inventory.count()
    ready(page, "/rules/inventory/")
    check_axe(page)
    shot(page, f"{scheme}-inventory")
    ready(page, "/rules/review/")
    check_axe(page)
    shot(page, f"{scheme}-review")
    page.keyboard.press("k")
    expect(page.locator("#dialog form")).to_be_visible()
    check_axe(page)
    shot(page, f"{scheme}-review-keep")
    ready(page, "/rules/import/")
    check_axe(page)
    text = rule_files.export_rule(rule).replace("high-value", "dear").replace("gte", "gt")
    broken = text.replace("key: ", "key: x-").replace("op: gt", "op: nicer")
    page.locator("#id_text").fill(f"{text}---\n{broken}")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#plan")).to_be_visible()
    check_axe(page)
    shot(page, f"{scheme}-import")
    page.locator("#id_text").fill(text.replace("owner: author", "owner: gone.away"))
    page.locator("#look").click()
    expect(page.locator("#import")).to_be_visible()
    check_axe(page)
    shot(page, f"{scheme}-import-ready")
    ready(page, f"/rules/{rule.slug}/")
    check_axe(page)
    shot(page, f"{scheme}-rule")


def test_the_walk_is_done_by_the_keyboard_alone(
    page: Page, sign_in: SignIn, finance_user: User
) -> None:
    first, second, third = due("First"), due("Second"), due("Third")
    inventory.count()
    sign_in(page, finance_user)
    ready(page, "/rules/review/")
    expect(page.locator("h1")).to_have_text("First")
    page.keyboard.press("k")
    expect(page.locator("#dialog form")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("Second")
    expect(page.locator("#progress")).to_contain_text("1 of 3 looked at")
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("Third")
    page.keyboard.press("x")
    expect(page.locator("#dialog textarea")).to_be_visible()
    page.locator("#dialog textarea").fill("Nobody needs it.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("Second")
    page.keyboard.press("c")
    expect(page.locator("#dialog textarea")).to_be_visible()
    page.locator("#dialog textarea").fill("The limit is too low.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("Review")
    expect(page.get_by_text("Every rule that is due was looked at")).to_be_visible()
    expect(page.get_by_text("The limit is too low.")).to_be_visible()
    said = dict(RuleReview.objects.values_list("rule__name", "verdict"))
    assert said == {"First": "keep", "Second": "change", "Third": "retire"}
    assert Rule.objects.get(pk=third.pk).retired_at is not None
    assert Rule.objects.get(pk=first.pk).retired_at is None
    assert second.pk


def test_a_file_is_looked_at_and_imported_by_the_keyboard_alone(
    page: Page, sign_in: SignIn, operations_user: User
) -> None:
    rule = make.make_rule(name="Tag dear parcels")
    Rule.objects.filter(pk=rule.pk).update(owner=operations_user)
    text = rule_files.export_rule(Rule.objects.get(pk=rule.pk)).replace("high-value", "dear")
    sign_in(page, operations_user)
    ready(page, "/rules/")
    page.keyboard.press("i")
    page.wait_for_url("**/rules/import/")
    page.wait_for_load_state("networkidle")
    page.locator("#id_text").fill(text)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#plan")).to_contain_text("Tag: tag")
    page.wait_for_load_state("networkidle")
    assert Draft.objects.get(rule=rule).body["steps"][0]["with"] == {"tag": "high-value"}
    page.keyboard.press("Control+Enter")
    page.wait_for_url(f"**/rules/{rule.slug}/edit/")
    assert Draft.objects.get(rule=rule).body["steps"][0]["with"] == {"tag": "dear"}


def test_an_auditor_takes_the_evidence_with_one_click(
    page: Page, sign_in: SignIn, auditor_user: User
) -> None:
    rule = make.live_rule(name="Tag dear parcels")
    sign_in(page, auditor_user)
    ready(page, f"/rules/{rule.slug}/")
    for form, begins in (("pdf", b"%PDF-"), ("csv", b"PK")):
        with page.expect_download() as taken:
            page.locator(f"#evidence-{form}").click()
        assert taken.value.suggested_filename.startswith(f"evidence-{rule.slug}-")
        assert Path(taken.value.path()).read_bytes().startswith(begins)
