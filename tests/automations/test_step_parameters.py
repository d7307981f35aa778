"""A step's parameters, filled in from an event: typed values, text, and refusals in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django import forms

from automations.actions import Action
from automations.rules.document import Do
from automations.rules.parameters import ParametersInvalid, StepParameters, clean, resolve_params
from automations.rules.texts import TextInvalid, render
from backoffice.forms import MoneyField
from tests.automations.shop import CATALOGUE, OpenTicket, TagForm, actions, gbp, paid


class RefundForm(forms.Form):
    amount = MoneyField(label="Amount", required=False)
    units = forms.IntegerField(label="Units", required=False, min_value=1)
    weight = forms.DecimalField(label="Weight", required=False)
    tags = forms.MultipleChoiceField(
        label="Tags", required=False, choices=[("vip", "VIP"), ("gift", "Gift")]
    )
    note = forms.CharField(label="Note", required=False, max_length=40)


class Refund(Action):
    key = "shop.refund"
    label = "Refund"
    subject = "shop.order"
    form = RefundForm
    permission = "shop.refund"


def resolved(values: dict[str, Any], stored: Any = None, **more: Any) -> dict[str, Any]:
    step = Do.model_validate({"uid": "s", "do": "shop.refund", "with": values})
    facts, lists = stored or paid()
    return resolve_params(step, Refund(), CATALOGUE, facts, lists, **more)


def errors(values: dict[str, Any], stored: Any = None, **more: Any) -> dict[str, list[str]]:
    with pytest.raises(ParametersInvalid) as caught:
        resolved(values, stored, **more)
    return caught.value.errors


def test_fields_params_and_literals_keep_their_types() -> None:
    found = resolved(
        {
            "amount": {"field": "order.total"},
            "units": {"param": "units"},
            "weight": {"field": "order.weight"},
            "tags": {"field": "order.tags"},
            "note": "as agreed",
        },
        params={"units": 2},
    )
    assert found == {
        "amount": gbp("640.00"),
        "units": 2,
        "weight": Decimal("2.5"),
        "tags": ["gift", "vip"],
        "note": "as agreed",
    }


def test_text_is_filled_in_from_the_event() -> None:
    text = "{{ order.number }}: {{ order.total }}, {{ order.lines.first.sku.code }}"
    assert resolved({"note": {"text": text}})["note"] == "104-22790: £640.00, GL-LMP-03"


def test_a_literal_amount_is_money_too() -> None:
    money = {"amount": "12.50", "currency": "GBP"}
    assert resolved({"amount": money})["amount"] == gbp("12.50")


def test_inside_a_loop_the_item_is_read_as_item() -> None:
    facts, lists = paid()
    step = Do.model_validate(
        {"uid": "s", "do": "shop.refund", "with": {"units": {"field": "item.quantity"}}}
    )
    seen = CATALOGUE.with_item("order.lines")
    item = lists["order.lines"][1]
    assert resolve_params(step, Refund(), seen, facts, lists, item)["units"] == 2


def test_what_an_event_does_not_hold_is_refused_in_words() -> None:
    assert errors({"units": {"field": "order.units"}}, ({}, {})) == {
        "units": ["Order › units is not known for this event."]
    }
    assert errors({"note": {"text": "{{ order.number }}"}}, ({}, {})) == {
        "note": ["This text can't be filled in: 'order' is undefined."]
    }


def test_what_is_known_to_be_empty_fills_an_optional_parameter_with_nothing() -> None:
    assert resolved({"amount": {"field": "customer.lifetime_spend"}})["amount"] is None


def test_the_actions_form_has_the_last_word() -> None:
    assert errors({"units": {"field": "customer.orders_before"}}) == {
        "units": ["Ensure this value is greater than or equal to 1."]
    }
    assert errors({"note": {"text": "{{ order.number }}" * 9}}) == {
        "note": ["Ensure this value has at most 40 characters (it has 81)."]
    }


def test_equal_values_are_cleaned_once_for_a_batch() -> None:
    made: list[int] = []

    class Counting(TagForm):
        def clean(self) -> None:
            made.append(1)

    class Tag(Action):
        key, label, subject, form, permission = "shop.tag", "Tag", "shop.order", Counting, "x"

    step = Do.model_validate({"uid": "s", "do": "shop.tag", "with": {"tag": "big"}})
    batch = StepParameters(step, Tag(), CATALOGUE, {})
    answers = [batch.resolve(*paid()) for _ in range(50)]
    assert answers == [{"tag": "big"}] * 50
    assert len(made) == 1


def test_a_person_who_edits_the_values_meets_the_same_form() -> None:
    assert clean(Refund(), {"units": "3"})["units"] == 3
    with pytest.raises(ParametersInvalid, match="no parameter “x”"):
        clean(Refund(), {"x": 1})
    with pytest.raises(ParametersInvalid) as caught:
        clean(actions[OpenTicket.key], {"subject": "x", "priority": "urgent"})
    assert list(caught.value.errors) == ["priority"]


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..99999999) %}x{% endfor %}",
        "{% assign s = 'xxxxxxxxxx' %}{% for i in (1..60) %}{% assign s = s | append: s %}"
        "{% endfor %}{{ s }}",
        "{{ nothing.there }}",
        "{% if x %}",
        "{% render 'x' %}",
        "{% capture x %}y{% endcapture %}",
        "{{ 1 | divided_by: 0 }}",
    ],
)
def test_no_text_reaches_outside_or_grows_without_bound(text: str) -> None:
    with pytest.raises(TextInvalid, match="This text can't be"):
        render(text, {"order": {"number": "1"}})
