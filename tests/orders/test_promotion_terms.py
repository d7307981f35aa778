"""Terms of promotions: what takes two people, what one may do, what can not be at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from backoffice import roles
from backoffice.actors import HOUSE, person
from orders.models.promotions import Promotion
from orders.services.errors import PromotionError, WrongState
from orders.services.promotions import (
    agree_promotion,
    ask_start,
    edit_promotion,
    refuse_promotion,
    stop_promotion,
)
from tests.bed.databases import at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.orders.promotions import Kind, Target, drafted, somebody, started, terms_with

PLENTY = 1000


@pytest.mark.django_db
def test_one_person_asks_and_another_agrees() -> None:
    row = drafted()
    clerk, other = somebody(roles.FINANCE), somebody(roles.OPERATIONS)
    sku = make_sku(stock=PLENTY)
    change = ask_start(row.pk, why="Easter", actor=person(clerk))
    for who, why in ((clerk, "someone else has to agree"), (other, "finance has to agree")):
        with pytest.raises(PromotionError, match=why):
            agree_promotion(change.pk, actor=person(who))
    assert place(line(sku), codes=("SPRING",)).discount == 0
    change = ask_start(row.pk, why="Easter", actor=person(other))
    agree_promotion(change.pk, actor=person(clerk))
    assert place(line(sku), codes=("SPRING",)).discount == 1
    with pytest.raises(PromotionError, match="Nobody waits"):
        agree_promotion(change.pk, actor=person(clerk))


def test_of_fifty_who_agree_at_once_one_starts_it(committed_db: None) -> None:
    row, clerk = drafted(), person(somebody(roles.FINANCE))
    change = ask_start(row.pk, why="Easter", actor=person(somebody(roles.OPERATIONS)))
    answers = at_once([lambda: agree_promotion(change.pk, actor=clerk)] * 50)
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert {type(error) for error in refused} == {PromotionError}
    assert len(refused) == 49
    row.refresh_from_db()
    assert (row.is_on, row.version) == (True, 2)


@pytest.mark.django_db
def test_giving_more_waits_for_a_second_person_and_giving_less_does_not() -> None:
    promotion = started(usage_limit=10)
    operator, clerk = (person(somebody(role)) for role in (roles.OPERATIONS, roles.FINANCE))
    done = edit_promotion(
        promotion.pk, terms_with(promotion, usage_limit=5), why="Less", actor=operator
    )
    assert done is None
    asked = edit_promotion(
        promotion.pk, terms_with(promotion, percent=Decimal(20)), why="More", actor=operator
    )
    assert asked is not None
    promotion.refresh_from_db()
    assert (promotion.percent, promotion.usage_limit) == (Decimal(10), 5)
    refuse_promotion(asked.pk, note="Too much", actor=clerk)
    asked = edit_promotion(
        promotion.pk, terms_with(promotion, percent=Decimal(20)), why="More", actor=operator
    )
    assert asked is not None
    edit_promotion(promotion.pk, terms_with(promotion, usage_limit=4), why="Less", actor=operator)
    with pytest.raises(PromotionError, match="has changed since"):
        agree_promotion(asked.pk, actor=clerk)
    asked = edit_promotion(
        promotion.pk, terms_with(promotion, usage_limit=40), why="More", actor=operator
    )
    assert asked is not None
    agree_promotion(asked.pk, actor=clerk)
    promotion.refresh_from_db()
    assert (promotion.percent, promotion.usage_limit) == (Decimal(10), 40)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"percent": Decimal(90)},
        {"usage_limit": 11},
        {"usage_limit": None},
        {"margin_percent": Decimal(-50)},
        {"cap_percent": Decimal(99)},
        {"change": None},
    ],
)
def test_postgresql_lets_nothing_give_more_without_an_agreed_change(
    change: dict[str, object],
) -> None:
    promotion = started(usage_limit=10, cap_percent=Decimal(50))
    rows = Promotion.objects.filter(pk=promotion.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(**change)
    assert rows.get(usage_limit=10, percent=10, cap_percent=50).is_on
    stop_promotion(promotion.pk, reason="Typo", actor=HOUSE)
    with pytest.raises(IntegrityError, match="agreed change"), transaction.atomic():
        rows.update(is_on=True)
    with pytest.raises(WrongState):
        stop_promotion(promotion.pk, reason="Again", actor=HOUSE)
    assert not rows.get().is_on


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"percent": None}, "percent"),
        ({"code": ""}, "code"),
        ({"kind": Kind.TIME}, "ends_at"),
        ({"kind": Kind.THRESHOLD}, "thresholds"),
        ({"kind": Kind.BUNDLE}, "bundle"),
        ({"target": Target.SKUS, "skus": ("NONE",)}, "skus"),
        ({"amounts": {"GBP": "0.001"}}, "amounts"),
        ({"channels": ("moon",)}, "channels"),
        ({"stock_sku": "NONE"}, "stock_units"),
        ({"time_zone": "Moon/Base"}, "time_zone"),
    ],
)
def test_terms_that_can_not_be_are_refused_at_their_field(
    fields: dict[str, object], where: str
) -> None:
    with pytest.raises(PromotionError) as caught:
        drafted(**fields)
    assert caught.value.field == where
    assert not Promotion.objects.exists()
