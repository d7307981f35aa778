"""Rule documents that no builder makes: kept as drafts or refused, never a page that breaks."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.rules import Draft, Rule
from automations.models.runs import Effect
from automations.services import approvals, rules
from backoffice.actors import person
from backoffice.models import User
from support.models import Ticket
from tests.automations import factories as make
from tests.automations.views import story

pytestmark = pytest.mark.django_db

PAGES = ("rule_edit", "rule_detail", "rule_preview", "rule_words", "rule_actions", "rule_submit")
SECONDS = 20.0  # for all pages of one rule, on a busy machine


def clause(field: Any, op: Any, value: Any) -> str:
    return changed(when={"all": [{"field": field, "op": op, "value": value}]})


def changed(**parts: Any) -> str:
    return json.dumps({**make.body(), **parts})


def text(template: str) -> str:
    values = {"queue": "export", "priority": "high", "subject": {"text": template}, "message": "m"}
    return changed(
        trigger={"on": "orders.order_placed"},
        when={"all": []},
        steps=[{"uid": "t", "do": "support.open_ticket", "with": values}],
    )


def nested(depth: int) -> str:
    return changed(when="?").replace('"?"', '{"all": [' * depth + "]}" * depth)


def pounds(amount: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": "GBP"}


BODIES = {
    "deep": nested(300),
    "deeper": nested(20_000),
    "an array": "[" * 50_000 + "]" * 50_000,
    "nothing": "null",
    "a text": '"x"',
    "no number": '{"schema": NaN}',
    "endless": changed().replace('"schema": 1', '"schema": Infinity'),
    "a long number": changed().replace('"schema": 1', f'"schema": {"9" * 4000}'),
    "a longer number": changed().replace('"schema": 1', f'"schema": {"9" * 5000}'),
    "a null character": changed().replace("high-value", "\\u0000"),
    "half a character": changed().replace("high-value", "\\ud800"),
    "a trigger that is a list": changed(trigger=[]),
    "a trigger that is long": changed(trigger={"on": "x" * 5000}),
    "conditions that are a text": changed(when="x"),
    "no conditions": changed(when=None),
    "steps that are none": changed(steps=[None, 5, "x", []]),
    "a step without a name": changed(steps=[{"do": "depot.add_tag", "with": {"tag": "x"}}]),
    "a name that breaks out": changed(
        steps=[{"uid": 'a,1}{"', "do": "depot.add_tag", "with": {"tag": "x"}}]
    ),
    "thousands of steps": changed(steps=make.steps(*["depot.add_tag"] * 5000)),
    "an amount that is none": clause("parcel.total", "gte", pounds("NaN")),
    "an amount without end": clause("parcel.total", "gte", pounds("1e999999")),
    "an amount of a float": clause("parcel.total", "gte", pounds(5.5)),
    "a field of Python": clause("parcel.__class__", "is", "x"),
    "a field that is an object": clause({"a": 1}, "gte", 1),
    "an operator that is none": clause("parcel.total", "exec", pounds("1")),
    "a pattern": clause("parcel.number", "matches", "(a+)+$"),
    "a list in a list": clause("parcel.country", "in", [["GB"], None]),
    "a time out of time": clause("parcel.arrived_at", "after", "9999-12-31T23:59:59-14:00"),
    "a span out of time": clause("parcel.arrived_at", "older_than", "P999999999999D"),
    "a file": text("{% include '/etc/passwd' %}"),
    "a broken template": text("{{ {% }} %}"),
    "a template that calls Python": text("{{ order.number.__class__.__mro__ }}"),
    "a deep template": text("{% if true %}" * 800 + "{% endif %}" * 800),
}


@pytest.fixture
def rule(operations_user: User) -> Rule:
    body = make.body()
    return rules.create_rule(
        name="Hostile", domain="orders", body=body, actor=person(operations_user), fallback="x"
    )


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_document_breaks_the_builder_or_acts(
    operations_client: Client, rule: Rule, body: str
) -> None:
    began = time.monotonic()
    take = reverse("rule_take", args=[rule.slug])
    assert operations_client.post(take, {"mine": body, "revision": "1"}).status_code < 500
    for name in PAGES:
        assert operations_client.get(reverse(name, args=[rule.slug])).status_code == 200, name
    revision = Draft.objects.get(rule=rule).revision
    for name, sent in (("rule_save", {"do": "add_clause:x"}), ("rule_submit", {"why": "x"})):
        url = reverse(name, args=[rule.slug])
        assert operations_client.post(url, {**sent, "revision": revision}).status_code < 500
    if revision > 1:
        assert not Document.objects.exists()
    assert time.monotonic() - began < SECONDS


BOMBS = {
    "a long loop": "{% for i in (1..1000000000) %}x{% endfor %}",
    "loops in loops": "{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}",
    "doubling": "{% assign x = 'aaaaaaaaaaaaaaaa' %}" + "{% assign x = x | append: x %}" * 60,
    "a long number": "{{ 99999999999 | times: 99999999999 | times: 99999999999 }}" * 50,
}


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS)
def test_a_template_that_never_ends_is_refused_or_a_case_soon(
    template: str, operations_client: Client, rule: Rule
) -> None:
    began = time.monotonic()
    story.queues()
    body = json.loads(text(template))
    sent = {"mine": json.dumps(body), "revision": "1"}
    operations_client.post(reverse("rule_take", args=[rule.slug]), sent)
    submit = reverse("rule_submit", args=[rule.slug])
    operations_client.post(submit, {"revision": "2", "why": "x"})
    if (document := Document.objects.first()) is not None:
        approver = person(make.staff("finance"))
        approvals.approve(document.pk, sha256=document.sha256, actor=approver)
        story.dear_order()
        make.work_all()
        assert not Ticket.objects.exists()
        assert not Effect.objects.exists()
        assert Failure.objects.count() == 1
    assert time.monotonic() - began < SECONDS
