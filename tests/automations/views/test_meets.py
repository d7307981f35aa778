"""“Meets other rules”: at save, at submission and before a verdict, which keeps it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.documents import Approval, Document
from automations.models.rules import Draft, Rule
from backoffice.models import User
from tests.automations.views.factories import make_live, make_rule, post, some_orders, submitted

pytestmark = pytest.mark.django_db


def url(name: str, rule: Rule) -> str:
    return reverse(name, args=[rule.slug])


@pytest.fixture
def there(operations_user: User) -> Rule:
    """A live rule that does what the next one made from the template does."""
    rule = make_rule(operations_user, name="There before")
    make_live(rule)
    return rule


@pytest.mark.requirement("R6")
def test_a_draft_is_compared_as_soon_as_it_is_saved(
    operations_client: Client, operations_user: User, there: Rule
) -> None:
    some_orders()
    rule = make_rule(operations_user, name="Once more")
    shown = operations_client.get(url("rule_edit", rule)).content.decode()
    assert url("rule_meets", rule) in shown
    page = operations_client.get(url("rule_meets", rule)).content.decode()
    assert "The same rule twice" in page
    assert "<b>3</b> events of the last 30 days" in page
    assert url("rule_detail", there) in page


def test_a_rule_that_meets_nothing_says_so(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user)
    page = operations_client.get(url("rule_meets", rule)).content.decode()
    assert "no other rule does the same" in page


def test_a_draft_without_a_start_is_compared_later(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user, body={"schema": 1, "steps": []})
    page = operations_client.get(url("rule_meets", rule)).content.decode()
    assert "as soon as the start is chosen" in page


def test_an_unfinished_part_is_left_out_of_it(
    operations_client: Client, operations_user: User, there: Rule
) -> None:
    rule = make_rule(operations_user, name="Once more")
    draft = Draft.objects.get(rule=rule)
    draft.body["when"]["all"].append({"field": "order.units", "op": "gte", "value": None})
    draft.save(update_fields=["body"])
    page = operations_client.get(url("rule_meets", rule)).content.decode()
    assert "without what is unfinished" in page
    assert "The same rule twice" in page


def test_the_author_is_told_and_can_submit_all_the_same(
    operations_client: Client, operations_user: User, there: Rule
) -> None:
    rule = make_rule(operations_user, name="Once more")
    dialog = operations_client.get(url("rule_submit", rule)).content.decode()
    assert "Whoever decides sees this too" in dialog
    assert "“There before” starts on the same events" in dialog
    revision = Draft.objects.get(rule=rule).revision
    answer = post(operations_client, url("rule_submit", rule), revision=revision, why="Needed.")
    assert answer.status_code == 204
    assert Document.objects.filter(rule=rule, state="submitted").exists()


def test_the_approver_sees_it_and_the_verdict_keeps_it(
    finance_client: Client, operations_user: User, there: Rule
) -> None:
    document = submitted(operations_user, name="Once more")
    detail = finance_client.get(reverse("approval_detail", args=[document.pk])).content.decode()
    part = reverse("approval_meets", args=[document.pk])
    assert part in detail
    assert "The same rule twice" in finance_client.get(part).content.decode()
    address = reverse("approval_verdict", args=[document.pk, "reject"])
    answer = post(finance_client, address, sha256=document.sha256, comment="There is one already.")
    assert answer.status_code == 204
    (found,) = Approval.objects.get(document=document).evidence["meets"]["found"]
    assert found["kind"] == "duplicate"
    assert found["with"][0]["rule"] == there.pk


def test_a_verdict_keeps_it_where_the_page_was_not_opened(
    finance_client: Client, operations_user: User
) -> None:
    document = submitted(operations_user)
    address = reverse("approval_verdict", args=[document.pk, "approve"])
    answer = post(finance_client, address, sha256=document.sha256, comment="")
    assert answer.status_code == 204
    kept = Approval.objects.get(document=document).evidence["meets"]
    assert kept == {"rules": 0, "days": 30, "found": []}
