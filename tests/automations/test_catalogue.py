"""What a payload class offers, and how payloads become stored facts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal

from automations.catalogue import catalogue_of, flatten, typed, upcast
from automations.conditions.fields import Kind
from automations.triggers import Trigger, labelled
from backoffice.money import Money
from tests.automations.shop import CATALOGUE, Customer, OrderPaid, gbp, order, paid


@dataclass(frozen=True, slots=True)
class Clock:
    day: date = labelled("day")
    opens: time = labelled("opens")
    seen: datetime = labelled("seen")
    age: timedelta = labelled("age")


def test_fields_carry_their_kind_their_words_and_their_choices() -> None:
    total, state = CATALOGUE.fields["order.total"], CATALOGUE.fields["order.state"]
    assert (total.kind, total.label) == (Kind.MONEY, "Order › total")
    assert total.keys == ("order.total.amount", "order.total.currency")
    assert state.kind is Kind.CHOICE
    assert dict(state.choices)["paid"] == "Paid"
    assert state.previous == "order.previous_state"
    assert CATALOGUE.fields["customer.orders_before"].optional is True
    lines = CATALOGUE.lists["order.lines"]
    assert lines.label == "Order › lines"
    assert sorted(lines.items) == ["price", "quantity", "sku.code", "sku.fragile"]


def test_a_label_does_not_repeat_the_one_before_it() -> None:
    @dataclass(frozen=True, slots=True)
    class Ticket:
        number: str = labelled("Ticket number")
        queue: str = labelled("Queue")

    @dataclass(frozen=True, slots=True)
    class Opened:
        ticket: Any

    Opened.__annotations__["ticket"] = Ticket
    fields = catalogue_of(Opened).fields
    assert [known.label for known in fields.values()] == ["Ticket › Number", "Ticket › Queue"]


def test_a_payload_becomes_flat_scalars_and_lists_apart() -> None:
    facts, lists = paid()
    assert facts["order.total.amount"] == "640.00"
    assert facts["order.total.currency"] == "GBP"
    assert facts["order.placed_at"] == "2026-11-16T08:00:00.000000Z"
    assert facts["order.tags"] == ["gift", "vip"]
    assert lists["order.lines"][1] == {
        "sku.code": "TX-CUS-40",
        "sku.fragile": False,
        "quantity": 2,
        "price.amount": "20.00",
        "price.currency": "GBP",
    }
    assert len(json.dumps(facts)) < 1000


def test_none_is_stored_as_known_to_be_empty() -> None:
    facts, _ = paid(None, weight=None)
    assert facts["order.weight"] is None
    assert facts["customer.orders_before"] is None
    assert facts["customer.lifetime_spend.currency"] is None


def test_every_kind_of_time_has_one_canonical_form() -> None:
    east = timezone(timedelta(hours=2))
    facts, _ = flatten(
        Clock(
            date(2026, 1, 2),
            time(9, 30),
            datetime(2026, 1, 2, 1, 0, tzinfo=east),
            timedelta(hours=2, milliseconds=900),
        )
    )
    assert facts == {
        "day": "2026-01-02",
        "opens": "09:30:00",
        "seen": "2026-01-01T23:00:00.000000Z",
        "age": 7200,
    }
    seen = typed(catalogue_of(Clock), facts)
    assert seen["seen"] == datetime(2026, 1, 1, 23, 0, tzinfo=UTC)
    assert seen["opens"] == time(9, 30)


def test_stored_facts_read_back_as_the_values_they_were() -> None:
    payload = OrderPaid(order(), Customer(4, gbp("99.50")))
    facts, _ = flatten(payload)
    seen = typed(CATALOGUE, json.loads(json.dumps(facts)))
    assert seen["order.total"] == gbp("640.00")
    assert seen["order.weight"] == Decimal("2.5")
    assert seen["customer.lifetime_spend"] == Money(Decimal("99.50"), "GBP")
    assert seen["order.placed_at"] == payload.order.placed_at
    assert seen["order.tags"] == ["gift", "vip"]


def test_a_type_that_conditions_can_not_judge_is_refused_at_start() -> None:
    @dataclass(frozen=True, slots=True)
    class Odd:
        shape: bytes

    with pytest.raises(ImproperlyConfigured, match=r"Odd\.shape"):
        catalogue_of(Odd)


def test_older_facts_are_brought_to_todays_form_step_by_step() -> None:
    class Grown(Trigger):
        key = "shop.grown"
        signal = Signal()
        payload_class = Clock
        version = 3
        upcasters = {
            1: lambda facts, lists: ({**facts, "age": 0}, lists),
            2: lambda facts, lists: ({**facts, "age": facts["age"] + 1}, lists),
        }

    first = {"day": "2026-01-02"}
    assert upcast(Grown(), 1, first, {}) == ({"day": "2026-01-02", "age": 1}, {})
    assert upcast(Grown(), 3, {"age": 5}, {"rows": None}) == ({"age": 5}, {"rows": None})
    assert first == {"day": "2026-01-02"}
    with pytest.raises(KeyError):
        upcast(Grown(), 0, {}, {})
