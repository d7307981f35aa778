"""Backtests on screen: asked for, watched, cancelled, and read."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.backtests import Backtest
from automations.models.documents import Approval, Document
from automations.models.rules import Draft
from automations.services import backtests, rules
from automations.simulation.backtests import backtest_slice
from backoffice.actors import person
from backoffice.models import User
from tests.automations.views.factories import make_rule, post, some_orders, submitted
from tests.bed.evidence import gather

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(operations_user: User) -> Document:
    return submitted(operations_user)


def asked(document: Document) -> Backtest:
    """The backtest that was begun when the version was submitted."""
    return Backtest.objects.get(sha256=document.sha256)


def test_submitting_begins_what_the_approver_will_want_to_see(document: Document) -> None:
    job = asked(document)
    assert (job.state, job.days, job.rule_id) == ("queued", 90, document.rule_id)


def test_the_draft_is_counted_from_the_builder(
    operations_client: Client, operations_user: User
) -> None:
    some_orders()
    rule = make_rule(operations_user)
    url = reverse("draft_backtest", args=[rule.slug])
    before = operations_client.get(url).content.decode()
    assert "Nothing is counted for this content yet." in before
    assert "Count 90 days" in before
    page = post(operations_client, url, days="30")
    found = page.context["found"]
    assert (found.events, found.draft.matched) == (7, 3)
    assert page.context["job"].state == "done"
    text = page.content.decode()
    assert "What would have stopped it" in text
    assert 'style="' not in text
    assert operations_client.get(f"{url}?days=30").context["job"].pk == page.context["job"].pk


def test_limits_that_nothing_came_near_are_not_told_as_none(
    operations_client: Client, operations_user: User
) -> None:
    some_orders()
    rule = make_rule(operations_user)
    url = reverse("draft_backtest", args=[rule.slug])
    draft = Draft.objects.get(rule=rule)
    told = {}
    for limits in ({}, {"runs": {"per_day": 100}}):
        draft.body = {**draft.body, "limits": limits, "when": {"any": []}}
        draft.save(update_fields=["body"])
        page = post(operations_client, url, days="30")
        assert page.context["found"].draft.matched == 0
        told[bool(limits)] = page.content.decode()
    assert "it has no limits of its own" in told[False]
    assert "its limits were never reached" in told[True]


def test_what_was_counted_of_a_draft_is_the_evidence_once_it_is_submitted_unchanged(
    operations_client: Client, operations_user: User
) -> None:
    some_orders()
    rule = make_rule(operations_user)
    page = post(operations_client, reverse("draft_backtest", args=[rule.slug]), days="90")
    document = rules.submit_rule(
        rule.pk, revision=1, why="Counted before.", actor=person(operations_user)
    )
    found = backtests.evidence_for(document)
    assert found is not None
    assert found.pk == page.context["job"].pk


def test_an_edit_of_the_draft_shows_figures_of_the_new_content_only(
    operations_client: Client, operations_user: User
) -> None:
    some_orders()
    rule = make_rule(operations_user)
    url = reverse("draft_backtest", args=[rule.slug])
    post(operations_client, url, days="90")
    draft = Draft.objects.get(rule=rule)
    draft.body["when"]["all"][0]["value"]["amount"] = "1"
    draft.save()
    assert operations_client.get(url).context["job"] is None


def test_an_unfinished_one_polls_and_can_be_cancelled(
    operations_client: Client, operations_user: User, document: Document
) -> None:
    job = asked(document)
    assert document.rule is not None
    page = operations_client.get(reverse("backtest_detail", args=[document.rule.slug, job.pk]))
    text = page.content.decode()
    part = reverse("backtest_part", args=[document.rule.slug, job.pk])
    assert f'hx-get="{part}"' in text
    assert "<progress" in text
    post(operations_client, reverse("backtest_cancel", args=[document.rule.slug, job.pk]))
    job.refresh_from_db()
    assert job.state == "cancelled"
    after = operations_client.get(part).content.decode()
    assert f'hx-get="{part}"' not in after
    assert "Cancelled" in after


def test_an_auditor_reads_and_has_nothing_counted(
    auditor_client: Client, finance_client: Client, document: Document
) -> None:
    assert document.rule is not None
    count = reverse("evidence_count", args=[document.pk])
    assert auditor_client.post(count).status_code == 403
    cancel = reverse("backtest_cancel", args=[document.rule.slug, asked(document).pk])
    assert auditor_client.post(cancel).status_code == 403
    assert asked(document).state == "queued"
    backtest_slice()
    page = auditor_client.get(reverse("approval_evidence", args=[document.pk]))
    assert page.context["job"].state == "done"
    assert "Count again" not in page.content.decode()


def test_without_history_it_says_so(finance_client: Client, document: Document) -> None:
    post(finance_client, reverse("evidence_count", args=[document.pk]))
    page = finance_client.get(reverse("approval_evidence", args=[document.pk])).content.decode()
    assert "there is no history to judge it by" in page


def test_a_verdict_where_there_is_no_history_says_so(
    finance_client: Client, document: Document
) -> None:
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    page = finance_client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Nothing of this kind happened in the last 90 days" in page


def test_a_yes_waits_for_the_count_and_the_dialog_says_how_far_it_is(
    finance_client: Client, operations_user: User
) -> None:
    some_orders()
    rule = make_rule(operations_user)
    document = rules.submit_rule(rule.pk, revision=1, why="Now.", actor=person(operations_user))
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    page = finance_client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "It is being counted: 0 % so far." in page
    assert "Look again" in page
    refused = post(finance_client, url, sha256=document.sha256, comment="")
    assert refused.status_code == 422
    assert "There is no evidence yet for exactly this version" in refused.content.decode()
    assert not Approval.objects.exists()
    gather(document)
    page = finance_client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Look again" not in page
    assert "of 7 events would match" in page


def test_a_schedule_has_no_backtest_to_ask_for(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user)
    draft = Draft.objects.get(rule=rule)
    draft.body["trigger"] = {"every": "0 8 * * *", "zone": "UTC", "for": "orders.order"}
    draft.save()
    page = post(operations_client, reverse("draft_backtest", args=[rule.slug]))
    assert "Only a rule that starts on a fact" in page.content.decode()
    assert not Backtest.objects.exists()


def test_another_person_s_question_shows_the_same_job(
    finance_user: User, document: Document
) -> None:
    job = backtests.ask_for_document(document, days=90, actor=person(finance_user))
    assert job.pk == asked(document).pk
