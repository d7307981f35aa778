"""Lists of rules say what a rule starts on: its version in force, before that its draft."""

from __future__ import annotations

from typing import Any

import pytest

from automations.models.rules import Draft, Rule
from automations.services.drafts import save_draft
from backoffice.actors import person
from backoffice.models import User
from tests.automations.views.factories import make_live, make_rule

pytestmark = pytest.mark.django_db


def start(rule: Rule, owner: User, trigger: dict[str, Any]) -> str:
    """Let its draft start on something else; answers what the lists then say."""
    draft = Draft.objects.get(rule=rule)
    body = {**draft.body, "trigger": trigger}
    save_draft(rule.pk, body=body, revision=draft.revision, actor=person(owner))
    return Rule.objects.get(pk=rule.pk).trigger


def test_a_rule_that_was_never_live_is_listed_under_what_its_draft_starts_on(
    operations_user: User,
) -> None:
    rule = make_rule(operations_user)
    assert rule.trigger == "orders.order_placed"
    assert start(rule, operations_user, {"on": "orders.order_paid"}) == "orders.order_paid"
    every = {"every": "0 7 * * *", "zone": "Europe/London", "for": "orders.order"}
    assert start(rule, operations_user, every) == "orders.order"
    assert start(rule, operations_user, {}) == ""


def test_a_rule_in_force_is_listed_under_its_version_until_the_next_one_goes_live(
    operations_user: User,
) -> None:
    rule = make_rule(operations_user)
    make_live(rule)
    assert start(rule, operations_user, {"on": "orders.order_paid"}) == "orders.order_placed"
    make_live(rule)
    assert Rule.objects.get(pk=rule.pk).trigger == "orders.order_paid"
