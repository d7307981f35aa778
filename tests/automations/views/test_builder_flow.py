"""Waits, branches, loops, questions and limits in the builder: each button is one post."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.rules import Draft, Rule
from automations.services import drafts
from backoffice.actors import person
from backoffice.models import User
from orders.models.orders import Order
from tests.automations.views.factories import make_live, make_rule, post, some_orders
from tests.automations.views.flow import Json, body_of, branch, loop, tag

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(operations_user: User) -> Rule:
    return make_rule(operations_user, body=body_of(tag("a1")))


def given(rule: Rule, *steps: Json) -> None:
    draft, author = Draft.objects.get(rule=rule), User.objects.get(pk=rule.created_by_id)
    drafts.save_draft(rule.pk, body=body_of(*steps), revision=draft.revision, actor=person(author))


def body(rule: Rule) -> Json:
    found: Json = Draft.objects.get(rule=rule).body
    return found


def steps(rule: Rule) -> list[Json]:
    found: list[Json] = body(rule)["steps"]
    return found


def outline(parts: list[Json]) -> list[Any]:
    """The uids, with what stands inside in lists beside them."""
    found: list[Any] = []
    for step in parts:
        found.append(step["uid"])
        found.extend(
            {name: outline(step[name])} for name in ("then", "else", "steps") if step.get(name)
        )
    return found


def save(client: Client, rule: Rule, do: str = "", **data: Any) -> Any:
    revision = Draft.objects.get(rule=rule).revision
    sent = {"revision": revision, **({"do": do} if do else {}), **data}
    return post(client, reverse("rule_save", args=[rule.slug]), **sent)


def page_of(client: Client, rule: Rule) -> str:
    return str(client.get(reverse("rule_edit", args=[rule.slug])).content.decode())


def test_each_kind_of_step_is_added_with_a_form_of_its_own(
    operations_client: Client, rule: Rule
) -> None:
    for kind in ("wait", "if", "for_each", "ask"):
        assert save(operations_client, rule, f"add_step:{kind}").status_code == 200
    wait, test, each, ask = steps(rule)[1:]
    assert wait["wait"] == "PT1H"
    assert (test["then"], test["else"]) == ([], [])
    assert each["for_each"] == "order.lines"
    assert ask["ask"]["on_timeout"] == "fail"
    page = page_of(operations_client, rule)
    names = (f"s-{wait['uid']}-wait", f"s-{each['uid']}-list", f"s-{ask['uid']}-role")
    for name in (*names, f"s-{ask['uid']}-question", f"c-{test['if']['all'][0]['uid']}-field"):
        assert f'name="{name}"' in page


def test_a_wait_takes_its_length_and_the_events_that_end_the_run(
    operations_client: Client, rule: Rule
) -> None:
    given(rule, {"uid": "w1", "wait": "PT1H"})
    sent = {"s-w1-shown": "1", "s-w1-wait": "3", "s-w1-wait-unit": "D"}
    save(operations_client, rule, **sent, **{"s-w1-end-add": "orders.order_cancelled"})
    assert steps(rule)[0] == {
        "uid": "w1",
        "wait": "P3D",
        "end_run_on": ["orders.order_cancelled"],
    }
    save(operations_client, rule, **sent, **{"s-w1-end-add": "support.ticket_opened.no"})
    assert len(steps(rule)[0]["end_run_on"]) == 1
    save(operations_client, rule, "step_drop:w1:0", **sent)
    assert steps(rule)[0]["end_run_on"] == []


def test_a_length_that_is_no_number_stays_as_typed_with_its_error(
    operations_client: Client, rule: Rule
) -> None:
    given(rule, {"uid": "w1", "wait": "PT1H"})
    answer = save(operations_client, rule, **{"s-w1-shown": "1", "s-w1-wait": "soon"})
    page = answer.content.decode()
    assert 'value="soon"' in page
    assert "Write how long, as a whole number." in page


def test_a_branch_has_conditions_edited_like_those_of_the_rule(
    operations_client: Client, rule: Rule
) -> None:
    given(rule, branch("b1"))
    sent = {"s-b1-shown": "1", "c-cb1-field": "order.total", "c-cb1-op": "gte"}
    save(operations_client, rule, **sent)
    sent |= {"c-cb1-value": "80", "c-cb1-value-currency": "GBP"}
    save(operations_client, rule, "add_clause:gb1", **sent)
    first, second = steps(rule)[0]["if"]["all"]
    assert first["value"] == {"amount": "80", "currency": "GBP"}
    assert second["field"] == ""
    page = page_of(operations_client, rule)
    assert "Choose what to look at." in page
    save(operations_client, rule, f"delete:{second['uid']}")
    assert len(steps(rule)[0]["if"]["all"]) == 1
    assert "Choose what to look at." not in page_of(operations_client, rule)


def test_a_step_is_added_inside_a_branch_a_loop_and_below_another(
    operations_client: Client, rule: Rule
) -> None:
    given(rule, branch("b1"), loop("l1"))
    for into in ("b1.then", "b1.else", "l1.steps", "b1"):
        save(operations_client, rule, f"add_step:orders.add_tag:{into}")
    one, below, each = steps(rule)
    assert [part["do"] for part in one["then"] + one["else"] + each["steps"]] == [
        "orders.add_tag"
    ] * 3
    assert below["do"] == "orders.add_tag"


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ("step_move:a1:down", ["b1", {"then": ["a2", "a3"]}, {"else": ["a4"]}, "a1", "l1"]),
        ("step_move:a2:up", ["a1", "a2", "b1", {"then": ["a3"]}, {"else": ["a4"]}, "l1"]),
        ("step_move:a3:down", ["a1", "b1", {"then": ["a2"]}, {"else": ["a3", "a4"]}, "l1"]),
        ("step_move:a4:up", ["a1", "b1", {"then": ["a2", "a3", "a4"]}, "l1"]),
        ("step_move:a4:down", ["a1", "b1", {"then": ["a2", "a3"]}, "a4", "l1"]),
        ("step_in:a1", ["b1", {"then": ["a1", "a2", "a3"]}, {"else": ["a4"]}, "l1"]),
        ("step_in:l1", ["a1", "b1", {"then": ["a2", "a3", "l1"]}, {"else": ["a4"]}]),
        ("step_out:a2", ["a1", "b1", {"then": ["a3"]}, {"else": ["a4"]}, "a2", "l1"]),
        ("step_delete:b1", ["a1", "l1"]),
    ],
)
def test_steps_move_in_and_out_of_branches(
    operation: str, after: list[Any], operations_client: Client, rule: Rule
) -> None:
    given(rule, tag("a1"), branch("b1", tag("a2"), tag("a3"), otherwise=(tag("a4"),)), loop("l1"))
    assert save(operations_client, rule, operation).status_code == 200
    assert outline(steps(rule)) == after
    save(operations_client, rule, "undo")
    assert outline(steps(rule))[0] == "a1"


def test_a_branch_is_copied_with_uids_of_its_own(operations_client: Client, rule: Rule) -> None:
    given(rule, branch("b1", tag("a2")))
    save(operations_client, rule, "step_duplicate:b1")
    one, two = steps(rule)
    assert two["then"][0]["with"] == {"tag": "vip"}
    uids = re.findall(r'"uid": "([^"]+)"', json.dumps([one, two]))
    assert len(uids) == len(set(uids)) == 8


def test_what_can_t_be_done_is_refused_and_changes_nothing(
    operations_client: Client, rule: Rule
) -> None:
    deep = loop("l1", loop("l2", loop("l3", loop("l4", tag("a5")))))
    given(rule, deep, branch("b1", tag("a6")))
    before = steps(rule)
    refused = (
        "step_out:l1",
        "step_in:a6",
        "step_in:l1",
        "step_move:gone:up",
        "add_step:if:a5",
        "add_step:wait:a5.then",
        "add_step:no.such",
    )
    for operation in refused:
        answer = save(operations_client, rule, operation)
        assert answer.status_code == 422, operation
        assert steps(rule) == before, operation


def test_the_picker_offers_what_can_stand_there(operations_client: Client, rule: Rule) -> None:
    deep = loop("l1", loop("l2", loop("l3", loop("l4", tag("a5")))))
    given(rule, deep)
    url = reverse("rule_actions", args=[rule.slug])
    page = operations_client.get(url).content.decode()
    assert 'value="add_step:if"' in page
    page = operations_client.get(url + "?into=l1.steps").content.decode()
    assert 'value="add_step:if:l1.steps"' in page
    page = operations_client.get(url + "?into=a5").content.decode()
    assert "add_step:if" not in page
    assert 'value="add_step:wait:a5"' in page


def test_a_step_in_a_loop_is_filled_from_its_item(operations_client: Client, rule: Rule) -> None:
    note = {"uid": "n1", "do": "support.open_ticket", "with": {}}
    given(rule, loop("l1", note))
    page = page_of(operations_client, rule)
    assert 'id="variables-l1"' in page
    assert 'data-insert-from="variables-l1"' in page
    assert 'data-variable="item.' in page


def test_a_question_says_who_what_how_long_and_what_then(
    operations_client: Client, rule: Rule
) -> None:
    given(rule)
    save(operations_client, rule, "add_step:ask")
    uid = steps(rule)[0]["uid"]
    page = save(operations_client, rule, **{f"s-{uid}-shown": "1"}).content.decode()
    assert "Write the question" in page
    sent = {
        f"s-{uid}-shown": "1",
        f"s-{uid}-role": "finance",
        f"s-{uid}-question": "Refund it?",
        f"s-{uid}-due": "2",
        f"s-{uid}-due-unit": "D",
        f"s-{uid}-timeout": "end",
    }
    page = save(operations_client, rule, **sent).content.decode()
    assert steps(rule)[0]["ask"] == {
        "role": "finance",
        "question": "Refund it?",
        "due": "P2D",
        "on_timeout": "end",
    }
    assert "to finish" not in page


def test_a_field_that_is_gone_is_chosen_anew_and_never_taken_for_another(
    operations_client: Client, rule: Rule
) -> None:
    step = {"uid": "b1", **branch("b1")}
    step["if"]["all"][0]["field"] = "item.sku.code"
    given(rule, step)
    page = page_of(operations_client, rule)
    select = page.partition('name="c-cb1-field"')[2].partition("</select>")[0]
    assert re.findall(r"<option[^>]*selected[^>]*>\s*([^<]+?)\s*<", select) == ["Choose…"]


LIMITS = {
    "limits-shown": "1",
    "limits-runs-per_hour": "1,200",
    "limits-money-per_day": "£1,000.00",
    "limits-money-per_day-currency": "GBP",
    "limits-per_subject-runs": "1",
    "limits-per_subject-within": "7",
    "limits-per_subject-within-unit": "D",
}


def test_limits_are_typed_and_empty_means_none(operations_client: Client, rule: Rule) -> None:
    page = save(operations_client, rule, **LIMITS).content.decode()
    assert body(rule)["limits"] == {
        "runs": {"per_hour": 1200},
        "money": {"per_day": {"amount": "1000.00", "currency": "GBP"}},
        "per_subject": {"runs": 1, "within": "P7D"},
    }
    assert "to finish" not in page
    assert 'value="1000.00"' in page
    save(operations_client, rule, **{"limits-shown": "1"})
    assert body(rule)["limits"] == {}


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("limits-runs-per_hour", "many", "Write a whole number, 1 or more."),
        ("limits-units-per_day", "0", "Write a whole number, 1 or more."),
        ("limits-messages-per_day", "-3", "Write a whole number, 1 or more."),
        ("limits-money-per_hour", "lots", "Write an amount above 0"),
        ("limits-money-per_day", "0", "Write an amount above 0"),
        ("limits-per_subject-runs", "x", "Write a whole number, 1 or more."),
    ],
)
def test_a_limit_that_can_t_be_read_stays_as_typed_with_its_error(
    name: str, typed: str, says: str, operations_client: Client, rule: Rule
) -> None:
    page = save(operations_client, rule, **{"limits-shown": "1", name: typed}).content.decode()
    around = page.partition(f'id="{name}"')[2].partition("</div>")[0]
    assert f'value="{typed}"' in around
    assert says in around
    assert page.count("Write a") == 1
    assert "To finish before it can be submitted" in page


def test_a_limit_per_customer_needs_a_start_that_names_one(
    operations_client: Client, operations_user: User
) -> None:
    known = body_of(tag("a1"))
    known["trigger"] = {"on": "inventory.stock_low"}
    rule = make_rule(operations_user, body=known)
    sent = {"limits-shown": "1", "limits-per_customer-runs": "2"}
    page = save(operations_client, rule, **sent).content.decode()
    assert "What starts it does not say who the customer is." in page


def test_what_happens_in_trouble_is_chosen(operations_client: Client, rule: Rule) -> None:
    save(operations_client, rule, missing_data="skip", connector_down="hold", latency="batch")
    known = body(rule)
    assert known["missing_data"] == "skip"
    assert (known["connector_down"], known["latency"]) == ("hold", "batch")
    save(operations_client, rule, connector_down="explode")
    assert body(rule)["connector_down"] == "hold"


def test_what_is_unfinished_is_left_out_of_words_and_preview(
    operations_client: Client, rule: Rule
) -> None:
    some_orders()
    given(rule, tag("a1"), {"uid": "w1", "wait": "soon"}, branch("b1", {"uid": "q1", "ask": {}}))
    save(operations_client, rule, **{"limits-shown": "1", "limits-runs-per_day": "many"})
    for name in ("rule_words", "rule_preview"):
        answer = operations_client.get(reverse(name, args=[rule.slug]))
        assert answer.context["left_out"] == 3
    assert answer.context["found"].matched == 7
    page = operations_client.get(reverse("rule_words", args=[rule.slug])).content.decode()
    assert "if order ships to is United Kingdom" in page


@pytest.mark.requirement("R15")
def test_a_test_on_one_order_goes_the_way_of_its_values(
    operations_client: Client, rule: Rule
) -> None:
    abroad, home = some_orders()[0], some_orders()[3]
    subject = {"text": "Look at {{ item.sku.code }}"}
    ticket = {"queue": "general", "priority": "high", "subject": subject}
    note = {"uid": "n1", "do": "support.open_ticket", "with": ticket}
    given(
        rule,
        branch("b1", tag("a1", "home"), otherwise=(loop("l1", note),)),
        {"uid": "w1", "wait": "PT1H"},
    )
    url = reverse("rule_try", args=[rule.slug])
    shown = operations_client.get(url).content.decode()
    assert any(f"such as {order.number}" in shown for order in Order.objects.all())
    answer = operations_client.get(f"{url}?number={abroad.number}")
    said = [(step.depth, step.words) for step in answer.context["trial"].steps]
    assert said[0] == (0, "If order ships to is United Kingdom: no")
    assert said[1] == (1, "For each of the order lines: 1")
    assert said[2][0] == 2
    assert re.search(r"“Look at \w", said[2][1])
    assert said[3] == (0, "Wait 1 hour")
    answer = operations_client.get(f"{url}?number={home.number}")
    said = [(step.depth, step.words) for step in answer.context["trial"].steps]
    assert said[:2] == [
        (0, "If order ships to is United Kingdom: yes"),
        (1, "Tag the order “home”"),
    ]
    abroad.refresh_from_db()
    assert list(abroad.tags) == []


def test_the_difference_tells_where_in_the_flow_something_changed(
    operations_client: Client, rule: Rule
) -> None:
    given(rule, branch("b1", tag("a1"), tag("a2")), loop("l1", branch("b2")))
    make_live(rule)
    before = steps(rule)
    before[0]["if"]["all"][0]["value"] = "FR"
    before[0]["else"] = [before[0]["then"].pop()]
    before[1]["steps"][0]["if"]["all"][0].update(field="item.quantity", op="gte", value=3)
    before[1]["steps"].append(tag("a9"))
    given(rule, *before)
    page = operations_client.get(reverse("rule_words", args=[rule.slug]))
    said = [shown.change.sentence for shown in page.context["changes"]]
    assert said[0] == "In a branch: order ships to is: United Kingdom → France"
    assert "now step 1 of a branch’s no" in " ".join(said)
    assert any("quantity is at least 3" in each and "item." not in each for each in said)
    assert any(each.endswith("in a loop") for each in said)
    told = page.content.decode()
    assert re.findall(r'class="step-number">([^<]+)<', told) == [
        "1",
        "1.1",
        "1.2",
        "2",
        "2.1",
        "2.2",
    ]
