"""The page of templates without a browser: found by words, used with one press."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.documents import Activation, Document
from automations.models.rules import Draft, Rule
from automations.rules.library import rule_templates
from backoffice.models import User

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true", "HX-Target": "templates"}


def page(client: Client, **asked: str) -> str:
    return unescape(client.get(reverse("template_list"), asked).content.decode())


def use(client: Client, key: str, **headers: Any) -> Any:
    return client.post(reverse("template_use", args=[key]), headers=headers)


def test_every_template_stands_there_with_its_examples(operations_client: Client) -> None:
    shown = page(operations_client)
    for template in rule_templates():
        assert template.name in shown
        assert template.fires.says in shown
        assert template.passes.says in shown
    assert "Tag the order “high-value”" in shown
    assert "“High-value order 1000123 goes abroad”" in shown


def test_words_and_domain_narrow_it_down(operations_client: Client) -> None:
    found = page(operations_client, q="refund limit")
    assert "Ask for the refund of a cancelled order" in found
    assert "Mark orders with fragile lines" not in found
    none = page(operations_client, q="refund limit", domain="inventory")
    assert "No template fits these words" in none
    part = operations_client.get(reverse("template_list"), {"q": "fragile"}, headers=PART)
    assert part.content.decode().strip().startswith('<div id="templates"')
    assert "HX-Target" in part["Vary"]


def test_use_makes_an_unapproved_draft_of_the_person_s_own(
    operations_client: Client, operations_user: User
) -> None:
    answer = use(operations_client, "fragile")
    rule = Rule.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("rule_edit", args=[rule.slug])
    template = next(each for each in rule_templates() if each.key == "fragile")
    assert (rule.owner, rule.created_by) == (operations_user, operations_user)
    assert (rule.name, rule.purpose) == (template.name, template.purpose)
    assert (rule.domain, rule.fallback) == (template.domain, template.fallback)
    assert Draft.objects.get(rule=rule).body == template.body
    assert not Document.objects.exists()
    assert not Activation.objects.exists()


def test_a_template_used_twice_is_two_rules(operations_client: Client) -> None:
    use(operations_client, "fragile")
    use(operations_client, "fragile")
    assert len(set(Rule.objects.values_list("slug", flat=True))) == 2


@pytest.mark.parametrize("key", [template.key for template in rule_templates()])
def test_what_is_made_of_a_template_can_be_submitted_as_it_is(
    key: str, operations_client: Client
) -> None:
    use(operations_client, key)
    rule = Rule.objects.get()
    revision = Draft.objects.get(rule=rule).revision
    given = {"revision": revision, "why": "We need it."}
    headers = {"HX-Request": "true"}
    url = reverse("rule_submit", args=[rule.slug])
    assert operations_client.post(url, given, headers=headers).status_code == 204
    assert Document.objects.get(rule=rule).state == Document.State.SUBMITTED


def test_an_unknown_template_makes_nothing(operations_client: Client) -> None:
    assert use(operations_client, "nothing-of-the-kind").status_code == 404
    assert not Rule.objects.exists()


@pytest.mark.parametrize("role", ["finance", "support", "administrator", "auditor"])
def test_who_may_make_no_rule_gets_no_template(role: str, request: Any) -> None:
    client: Client = request.getfixturevalue(f"{role}_client")
    assert client.get(reverse("template_list")).status_code == 403
    assert use(client, "fragile").status_code == 403
    assert not Rule.objects.exists()


def test_a_rule_called_templates_has_an_address_of_its_own(operations_client: Client) -> None:
    given = {"name": "Templates", "domain": "orders", "trigger": "orders.order_placed"}
    operations_client.post(reverse("rule_new"), given, headers={"HX-Request": "true"})
    assert Rule.objects.get().slug != "templates"
