"""Promotions on screen: drafted, tried, asked for, agreed to, changed, stopped; and for rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from automations.actions import Call, Rejected, actions
from automations.models.events import Event
from backoffice.actors import Actor, ActorKind, person
from backoffice.models import AuditEntry
from orders.models.promotions import Promotion, PromotionChange
from orders.services.promotions import edit_promotion, terms_of
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.orders.promotions import drafted, somebody, started
from tests.orders.test_automation import assert_same

pytestmark = pytest.mark.django_db
RUN = Actor(ActorKind.RULE, "Guard", rule_id=1, rule_version=2, run_id=3)
TYPED = {
    "name": "Mug week",
    "kind": "bundle",
    "percent": "",
    "amounts": "3.00 GBP, 4 EUR",
    "target": "bundle",
    "bundle": "2 × MUG, BOWL",
    "code": " mugs ",
    "starts_at": "2026-03-29T09:30",
    "ends_at": "2026-12-30T09:30",
    "time_zone": "Europe/Paris",
    "when_used_up": "full_price",
    "cap_percent": "30",
    "margin_percent": "0",
}


def test_what_was_typed_is_drafted_shown_and_typed_again(operations_client: Client) -> None:
    make_sku("MUG")
    make_sku("BOWL")
    answer = operations_client.post("/promotions/_/new/", TYPED, follow=True)
    row = Promotion.objects.get()
    assert (row.code, row.amounts, row.bundle) == (
        "MUGS",
        {"GBP": "3.00", "EUR": "4"},
        {"MUG": 2, "BOWL": 1},
    )
    # Half past nine on the clocks of Paris, summer time.
    assert row.starts_at.isoformat() == "2026-03-29T07:30:00+00:00"
    text = answer.content.decode()
    assert "€4.00 or £3.00 off each bundle with the code MUGS" in text
    assert "when 1 × BOWL and 2 × MUG are bought together" in text
    assert "29 Mar 2026 09:30" in text
    assert "at most 30% off its goods" in text
    form = operations_client.get(f"/promotions/{row.key}/_/edit/").content.decode()
    assert 'value="2026-03-29T09:30"' in form
    assert "1 × BOWL, 2 × MUG" in form


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("amounts", "3.005 GBP", "no such small amounts"),
        ("amounts", "3 pounds", "Write it like 5.00 GBP"),
        ("bundle", "many × MUG", "Write it like 2 × MUG"),
        ("bundle", "2 × NONE", "There is no product"),
        ("time_zone", "Paris", "There is no such time zone"),
        ("ends_at", "2026-01-01T00:00", "It ends after it starts"),
        ("code", "two words", "without spaces"),
        ("percent", "10", "either a percentage or an amount"),
    ],
)
def test_each_mistake_is_told_at_its_field(
    operations_client: Client, field: str, value: str, says: str
) -> None:
    make_sku("MUG")
    make_sku("BOWL")
    answer = operations_client.post("/promotions/_/new/", {**TYPED, field: value})
    assert answer.status_code == 422
    assert any(says in error for error in answer.context["form"].errors[field])
    assert not Promotion.objects.exists()


def test_a_sample_says_what_it_would_have_given_and_saves_nothing(
    operations_client: Client,
) -> None:
    mug, bowl = make_sku("MUG", stock=99), make_sku("BOWL", stock=99)
    place(line(mug, 4), line(bowl, 2))
    place(line(mug, 1))
    answer = operations_client.post("/promotions/_/new/", {**TYPED, "sample": "1"})
    tried = answer.context["sample"]
    assert (tried.looked_at, tried.given, tried.total) == (2, 1, "£6.00")
    assert "1 of 2 orders (50%) would have got it, £6.00 in all" in answer.content.decode()
    assert not Promotion.objects.exists()


def test_two_people_start_it_and_one_stops_it_on_their_screens(
    operations_client: Client, finance_client: Client, support_client: Client
) -> None:
    row = drafted()
    page = f"/promotions/{row.key}/"
    operations_client.post(f"{page}_/start/?version=1", {"why": "Easter"})
    change = PromotionChange.objects.get()
    agree = f"/promotions/_/asked/{change.pk}/agree/"
    assert operations_client.post(agree).status_code == 403
    assert support_client.get(agree).status_code == 403
    assert "asks to start it" in finance_client.get(page).content.decode()
    assert "To agree to" in finance_client.get("/promotions/?view=waiting").content.decode()
    finance_client.post(agree, {"note": "Fine"})
    row.refresh_from_db()
    assert row.is_on
    order = place(line(make_sku(stock=5)), codes=("SPRING",))
    assert order.number in operations_client.get(page).content.decode()
    shown = support_client.get(f"/orders/{order.number}/").content.decode()
    assert page in shown
    assert "−£1.00" in shown
    listed = operations_client.get("/promotions/?state=live").content.decode()
    assert "£1.00" in listed
    assert operations_client.get("/promotions/?view=all&waits=yes").status_code == 200
    stale = support_client.post(f"{page}_/stop/?version=1", {"why": "Typo"})
    assert stale.status_code == 409
    support_client.post(f"{page}_/stop/?version={row.version}", {"why": "Typo"})
    assert not Promotion.objects.get(pk=row.pk).is_on
    assert "Stopped by Amara Lewis: Typo" in finance_client.get(page).content.decode()
    verbs = AuditEntry.objects.filter(subject="orders.promotion", subject_id=row.pk).order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        "orders.promotion_drafted",
        "orders.promotion_asked",
        "orders.promotion_agreed",
        "orders.promotion_stopped",
    ]


def test_whoever_asked_takes_it_back_and_the_page_shows_what_would_change(client: Client) -> None:
    row, asker = started(), somebody("operations")
    wanted = replace(terms_of(row), percent=Decimal(20))
    change = edit_promotion(row.pk, wanted, why="More", actor=person(asker))
    assert change is not None
    client.force_login(asker, backend="django.contrib.auth.backends.ModelBackend")
    assert "Per cent: 10 → 20" in client.get(f"/promotions/{row.key}/").content.decode()
    client.post(f"/promotions/_/asked/{change.pk}/turn-down/", {"note": ""})
    change.refresh_from_db()
    row.refresh_from_db()
    assert (change.state, row.percent) == ("refused", Decimal(10))


def told(key: str) -> Any:
    return Event.objects.filter(trigger=f"orders.{key}").latest("pk").facts


def test_rules_hear_of_uses_and_ends_and_stop_a_promotion() -> None:
    row = started(usage_limit=1)
    order = place(line(make_sku(stock=9), 2, "10.00"), codes=("SPRING",))
    facts = told("promotion_redeemed")
    assert facts["order.promotions"] == [row.key]
    assert facts["order.discount.amount"] == "2.00"
    assert Decimal(str(facts["order.discount_percent"])) == 10
    assert told("order_placed")["order.promotions"] == [row.key]
    assert told("promotion_ended")["promotion.why"] == "limit"
    for key, pk in (
        ("promotion_redeemed", order.pk),
        ("order_placed", order.pk),
        ("promotion_ended", row.pk),
    ):
        assert_same(f"orders.{key}", pk)
    action: Any = actions["orders.stop_promotion"]
    form = action.form({"promotion": row.key, "reason": "Too deep"})
    assert form.is_valid()
    call = Call("stop:1", order.pk, form.cleaned_data, RUN)
    assert action.execute(call).says == "“Spring” is off"
    assert told("promotion_ended")["promotion.why"] == "stopped"
    assert_same("orders.promotion_ended", row.pk)
    assert action.execute(call).already
    row.refresh_from_db()
    assert (row.stopped_by, row.stop_reason) == ("Guard", "Too deep")
    with pytest.raises(Rejected):
        action.execute(Call("stop:2", order.pk, {"promotion": "none", "reason": "x"}, RUN))
