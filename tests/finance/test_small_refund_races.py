"""Fifty small refunds of one person at one moment: the day's sum holds."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from backoffice.actors import person
from backoffice.models import User
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from finance.services.small_refunds import answer_limit, change_limit, pay_if_small
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.finance.factories import make_paid_order, pounds


def test_fifty_at_once_stay_within_the_day_s_sum(
    committed_db: Database, support_user: User, make_user: MakeUser
) -> None:
    one, two = person(make_user("finance")), person(make_user("finance"))
    change_limit("GBP", Decimal(10), Decimal(95), actor=one)
    answer_limit("GBP", Decimal(10), Decimal(95), agrees=True, actor=two)
    actor = person(support_user)
    refunds = [
        request_refund(make_paid_order(), pounds("10.00"), "goodwill", actor=actor)
        for _ in range(50)
    ]
    answers = at_once([partial(pay_if_small, refund, actor=actor) for refund in refunds])
    assert sorted(map(str, answers)) == ["False"] * 41 + ["True"] * 9
    assert Refund.objects.filter(alone=True, state="approved").count() == 9
    assert Refund.objects.filter(state="requested").count() == 41
