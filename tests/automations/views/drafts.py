"""A draft as the builder's posts leave it."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from automations.models.rules import Draft, Rule
from tests.automations.views.factories import post


def draft(rule: Rule) -> Draft:
    return Draft.objects.get(rule=rule)


def url(name: str, rule: Rule) -> str:
    return reverse(name, args=[rule.slug])


def save(client: Client, rule: Rule, **data: Any) -> Any:
    given = {"revision": draft(rule).revision, **data}
    return post(client, url("rule_save", rule), **given)


def clauses(rule: Rule) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = draft(rule).body["when"]["all"]
    return found


def uid_of(rule: Rule, index: int) -> str:
    return str(clauses(rule)[index]["uid"])
