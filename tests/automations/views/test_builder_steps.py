"""Steps in the builder, and what the preview and the test on one event tell of them."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from automations.models.rules import Rule
from automations.rules.library import rule_templates
from backoffice.models import User
from tests.automations.views.drafts import draft, save, url
from tests.automations.views.factories import make_rule, some_orders

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(operations_user: User) -> Rule:
    return make_rule(operations_user)


@pytest.fixture
def saved(operations_client: Client, rule: Rule) -> Rule:
    """A rule whose parts have their uids already."""
    save(operations_client, rule, missing_data="hold")
    return rule


def test_a_step_takes_a_field_of_the_event(operations_client: Client, saved: Rule) -> None:
    save(operations_client, saved, do="add_step:support.open_ticket")
    step = draft(saved).body["steps"][-1]
    name = f"s-{step['uid']}"
    save(
        operations_client,
        saved,
        **{
            f"{name}-shown": "1",
            f"{name}-queue": "general",
            f"{name}-priority": "high",
            f"{name}-subject": "Order {{ order.number }}",
            f"{name}-message-from": "value",
        },
    )
    given = draft(saved).body["steps"][-1]["with"]
    assert given["subject"] == {"text": "Order {{ order.number }}"}
    assert given["priority"] == "high"


def all_of(page: str, attribute: str) -> set[str]:
    return set(re.findall(rf' {attribute}="([^"]+)"', page))


def test_every_input_of_a_step_is_sent_as_the_reader_reads_it(
    operations_client: Client, saved: Rule
) -> None:
    save(operations_client, saved, do="add_step:support.open_ticket")
    uid = draft(saved).body["steps"][-1]["uid"]
    page = operations_client.get(url("rule_edit", saved)).content.decode()
    sent = {name for name in all_of(page, "name") if uid in name}
    known = ("shown", "queue", "queue-from", "priority", "priority-from", "subject", "message")
    assert sent == {f"s-{uid}-{name}" for name in known}
    ids = all_of(page, "id")
    assert all_of(page, "for") | all_of(page, "data-insert") <= ids
    given = {f"s-{uid}-shown": "1", f"s-{uid}-tag": "x", f"s-{uid}-queue-from": "field"}
    save(operations_client, saved, **given)
    assert list(draft(saved).body["steps"][-1]["with"]["queue"]) == ["field"]


def test_a_select_without_a_value_says_so_and_its_first_option_can_be_chosen(
    operations_client: Client, saved: Rule
) -> None:
    save(operations_client, saved, do="add_step:support.open_ticket")
    uid = draft(saved).body["steps"][-1]["uid"]
    page = operations_client.get(url("rule_edit", saved)).content.decode()
    queue = page.partition(f'name="s-{uid}-queue"')[2].partition("</select>")[0]
    assert re.findall(r"<option[^>]*selected[^>]*>\s*([^<]+?)\s*<", queue) == ["Choose…"]
    save(operations_client, saved, **{f"s-{uid}-shown": "1", f"s-{uid}-queue": "general"})
    page = operations_client.get(url("rule_edit", saved)).content.decode()
    queue = page.partition(f'name="s-{uid}-queue"')[2].partition("</select>")[0]
    assert "Choose…" not in queue


@pytest.mark.parametrize("key", [each.key for each in rule_templates()])
def test_every_template_is_counted_on_stored_events(
    key: str, operations_client: Client, operations_user: User
) -> None:
    some_orders()
    rule = make_rule(operations_user, key)
    answer = operations_client.get(url("rule_preview", rule))
    assert answer.context.get("found") is not None
    assert "would match" in answer.content.decode()


def test_the_preview_counts_right(operations_client: Client, saved: Rule) -> None:
    some_orders()
    answer = operations_client.get(url("rule_preview", saved) + "?days=30")
    found = answer.context["found"]
    assert (found.events, found.matched) == (7, 3)
    assert answer.context["sums"] == "£2,390.50"
    assert [count["passed"] for count in answer.context["counts"]] == [4, 5]


def test_an_unfinished_condition_is_left_out_of_the_preview(
    operations_client: Client, saved: Rule
) -> None:
    some_orders()
    root = draft(saved).body["when"]["uid"]
    save(operations_client, saved, do=f"add_clause:{root}")
    answer = operations_client.get(url("rule_preview", saved))
    assert answer.context["left_out"] == 1
    assert answer.context["found"].matched == 3
    save(operations_client, saved, do=f"add_group:{root}")
    answer = operations_client.get(url("rule_preview", saved))
    assert answer.context["left_out"] == 2
    assert answer.context["found"].matched == 3


@pytest.mark.requirement("R15")
def test_a_test_on_one_order_lists_effects_and_takes_none(
    operations_client: Client, saved: Rule
) -> None:
    order = some_orders()[0]
    answer = operations_client.get(url("rule_try", saved) + f"?number={order.number}")
    assert answer.context["trial"].verdict == "yes"
    assert f"High-value order {order.number} goes abroad" in answer.content.decode()
    order.refresh_from_db()
    assert list(order.tags) == []
