"""The text of a question in the builder takes fields, as other texts do."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.rules import Rule
from automations.services import drafts
from backoffice.actors import person
from backoffice.models import User
from tests.automations.views.factories import make_rule
from tests.automations.views.flow import body_of, loop

pytestmark = pytest.mark.django_db


def ask(question: str) -> dict[str, Any]:
    given = {"role": "finance", "question": question, "due": "PT24H", "on_timeout": "fail"}
    return {"uid": "p1", "ask": given}


def page_with(client: Client, user: User, *steps: dict[str, Any]) -> str:
    rule: Rule = make_rule(user, body=body_of())
    drafts.save_draft(rule.pk, body=body_of(*steps), revision=1, actor=person(user))
    return client.get(reverse("rule_edit", args=[rule.slug])).content.decode()


def test_a_question_has_the_button_for_fields_that_texts_have(
    operations_client: Client, operations_user: User
) -> None:
    page = page_with(operations_client, operations_user, loop("l1", ask("Fine?")))
    assert 'data-insert="s-p1-question"' in page
    assert 'aria-label="Insert a field into Question"' in page
    assert page.count('data-insert-from="variables-l1"') == 1


def test_an_unknown_field_is_told_at_the_question(
    operations_client: Client, operations_user: User
) -> None:
    page = page_with(operations_client, operations_user, ask("Is {{ order.colour }} fine?"))
    assert "There is no field “order.colour” in this trigger." in page
    assert "Write the question" not in page
    assert 'aria-invalid="true">Is {{ order.colour }} fine?' in page


def test_a_question_with_known_fields_has_nothing_wrong(
    operations_client: Client, operations_user: User
) -> None:
    page = page_with(operations_client, operations_user, ask("Is {{ order.number }} fine?"))
    assert "There is no field" not in page
    assert 'class="parameter text has-error"' not in page
