"""Rules as lists and pages, and the verdict on a version."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.documents import Activation, Approval, Document, Stop
from automations.models.rules import Draft
from automations.services import drafts, rules
from automations.simulation.backtests import backtest_slice
from backoffice.actors import person
from backoffice.models import AuditEntry, User
from tests.automations.views.factories import make_rule, post, some_orders, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(operations_user: User) -> Document:
    return submitted(operations_user)


def verdict(client: Client, document: Document, name: str, **data: Any) -> Any:
    url = reverse("approval_verdict", args=[document.pk, name])
    return post(client, url, **{"sha256": document.sha256, "comment": "", **data})


def test_the_author_sees_why_they_can_t_decide(
    operations_client: Client, document: Document
) -> None:
    page = operations_client.get(reverse("approval_detail", args=[document.pk]))
    assert "You edited or submitted this version" in page.content.decode()
    answer = verdict(operations_client, document, "approve")
    assert answer.status_code == 422
    assert "someone else has to decide" in answer.content.decode()
    assert not Approval.objects.exists()
    assert not Activation.objects.exists()


def test_finance_approves_and_the_evidence_is_kept(
    finance_client: Client, document: Document
) -> None:
    some_orders()
    backtest_slice()
    post(finance_client, reverse("evidence_count", args=[document.pk]), days="90")
    shown = finance_client.get(reverse("approval_evidence", args=[document.pk]) + "?days=90")
    found = shown.context["found"]
    assert (found.events, found.draft.matched) == (7, 3)
    answer = verdict(finance_client, document, "approve", comment="Fine.")
    assert answer.status_code == 204
    given = Approval.objects.get(document=document)
    assert given.evidence["matched"] == 3
    assert given.evidence["sha256"] == document.sha256
    assert Activation.objects.filter(document=document, until_at=None).exists()


def test_another_hash_than_the_one_shown_is_refused(
    finance_client: Client, document: Document
) -> None:
    answer = verdict(finance_client, document, "approve", sha256="0" * 64)
    assert answer.status_code == 422
    assert not Approval.objects.exists()


@pytest.mark.parametrize("name", ["changes", "reject"])
def test_the_dialog_asks_for_a_reason_at_its_field(
    name: str, finance_client: Client, document: Document
) -> None:
    url = reverse("approval_verdict", args=[document.pk, name])
    asked = finance_client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "(optional)" not in asked
    assert f"version {document.version}" in asked
    answer = verdict(finance_client, document, name)
    assert answer.status_code == 422
    assert answer.context["form"].errors == {
        "comment": ["Say why, so that the author knows what to change."]
    }
    assert not Approval.objects.exists()
    assert not AuditEntry.objects.filter(verb="rules.refused").exists()


def test_what_was_filled_in_stays_when_one_looks_again_for_evidence(
    finance_client: Client, document: Document
) -> None:
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    filled = {"sha256": "0" * 64, "comment": "Looks fine.", "after": "3", "days": "30"}
    form = finance_client.get(url, filled).context["form"]
    assert (form["comment"].value(), form["after"].value()) == ("Looks fine.", "3")
    # Unticked stays unticked, and what is signed is what is there.
    assert not form["first_look"].value()
    assert form["sha256"].value() == document.sha256
    fresh = finance_client.get(url).context["form"]
    assert fresh["after"].value() == 10


def test_sending_back_needs_a_reason(finance_client: Client, document: Document) -> None:
    assert verdict(finance_client, document, "changes").status_code == 422
    assert verdict(finance_client, document, "changes", comment="£400.").status_code == 204
    document.refresh_from_db()
    assert document.state == Document.State.CHANGES


@pytest.mark.requirement("R13")
def test_the_difference_from_what_is_live_is_shown(
    operations_client: Client, operations_user: User, finance_client: Client, document: Document
) -> None:
    verdict(finance_client, document, "approve")
    rule = document.rule
    assert rule is not None
    draft = Draft.objects.get(rule=rule)
    draft.body["when"]["all"][0]["value"]["amount"] = "400"
    actor = person(operations_user)
    drafts.save_draft(rule.pk, body=draft.body, revision=draft.revision, actor=actor)
    second = rules.submit_rule(rule.pk, revision=2, why="Lower.", actor=actor)
    page = finance_client.get(reverse("approval_detail", args=[second.pk])).content.decode()
    assert "£500.00" in page
    assert "£400.00" in page
    diff = finance_client.get(reverse("rule_diff", args=[rule.slug, 1, 2])).content.decode()
    assert "£400.00" in diff
    restored = post(operations_client, reverse("rule_restore", args=[rule.slug, 1]))
    assert restored.status_code == 204
    assert Draft.objects.get(rule=rule).body["when"]["all"][0]["value"]["amount"] == "500"


def test_an_edit_takes_the_submission_back(operations_client: Client, document: Document) -> None:
    rule = document.rule
    assert rule is not None
    url = reverse("rule_save", args=[rule.slug])
    post(operations_client, url, revision=1, missing_data="skip")
    document.refresh_from_db()
    assert document.state == Document.State.WITHDRAWN


def test_what_waits_for_me_is_a_view_and_a_figure(
    finance_client: Client, operations_client: Client, document: Document
) -> None:
    mine = finance_client.get("/approvals/?view=for-me").content.decode()
    assert str(document.rule) in mine
    own = operations_client.get("/approvals/?view=for-me").content.decode()
    assert "Nothing waits for your decision." in own
    home = finance_client.get(reverse("approval_home")).content.decode()
    assert "1 waits for you" in home


def test_one_person_stops_and_two_start(
    operations_client: Client, finance_client: Client, document: Document
) -> None:
    rule = document.rule
    assert rule is not None
    verdict(finance_client, document, "approve")
    stop, start = reverse("rule_stop", args=[rule.slug]), reverse("rule_start", args=[rule.slug])
    assert post(operations_client, stop).status_code == 422
    assert post(operations_client, stop, why="It tags too much.").status_code == 204
    assert "Stopped v1" in finance_client.get("/rules/?view=stopped").content.decode()
    assert post(operations_client, start).status_code == 204
    assert Stop.objects.get().lifted_at is None
    assert post(finance_client, start, queued="release").status_code == 204
    assert Stop.objects.get().lifted_at is not None


def test_everything_stops_at_once(support_client: Client, document: Document) -> None:
    answer = post(support_client, reverse("rules_stop"), why="Something is off.")
    assert answer.status_code == 204
    assert "Everything is stopped." in support_client.get("/rules/").content.decode()


def test_the_auditor_reads_everything_and_changes_nothing(
    auditor_client: Client, document: Document
) -> None:
    rule = document.rule
    assert rule is not None
    for url in (
        "/rules/",
        "/approvals/",
        reverse("rule_detail", args=[rule.slug]),
        reverse("rule_diff", args=[rule.slug, 1, 1]),
        reverse("approval_detail", args=[document.pk]),
        reverse("approval_evidence", args=[document.pk]),
    ):
        assert auditor_client.get(url).status_code == 200, url
    for url in (
        reverse("rule_new"),
        reverse("rule_stop", args=[rule.slug]),
        reverse("rules_stop"),
        reverse("rule_start", args=[rule.slug]),
        reverse("approval_verdict", args=[document.pk, "approve"]),
        reverse("rule_restore", args=[rule.slug, 1]),
    ):
        assert post(auditor_client, url, why="x").status_code == 403, url
    document.refresh_from_db()
    assert document.state == Document.State.SUBMITTED
    assert not Stop.objects.exists()


def test_rules_are_found_by_name(operations_client: Client, operations_user: User) -> None:
    make_rule(operations_user, name="Quartz orders")
    assert "Quartz orders" in operations_client.get("/search/?q=quartz").content.decode()
