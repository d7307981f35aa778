"""Money back by claim, by return and by hand for the same goods: never more, and said in words."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.test import Client

from finance.models.refunds import Refund
from finance.services.errors import RefundTooLarge
from finance.services.parts import NewPart, offered
from tests.finance.factories import pounds
from tests.finance.test_refund_lines import What, asked, coming, mugs, shipped

pytestmark = pytest.mark.django_db


def test_goods_that_a_claim_was_paid_for_come_back_with_the_rest(support_client: Client) -> None:
    order = shipped()
    asked(order, NewPart(What.LINE, Decimal(4), mugs(order).pk, 1))
    back = coming(order, 3)
    (goods, _) = offered(order, {mugs(order).pk: 3})
    assert (goods.units, goods.proposed) == (2, pounds(8))
    url = f"/finance/_/refund-return/{back.number}/"
    page = support_client.get(url).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    sent = {f"line_{mugs(order).pk}": "8.00", "reason": "returned", "key": key[1]}
    assert support_client.post(url, sent).status_code == 302
    assert sorted(Refund.objects.values_list("amount", flat=True)) == [4, 8]


def test_more_units_than_are_left_are_refused_in_words() -> None:
    order = shipped()
    asked(order, NewPart(What.LINE, Decimal(4), mugs(order).pk, 2))
    with pytest.raises(RefundTooLarge, match="1 unit of Mug can still"):
        asked(order, NewPart(What.LINE, Decimal(1), mugs(order).pk, 2))
    assert Refund.objects.count() == 1
    asked(order, NewPart(What.LINE, Decimal(8), mugs(order).pk))
    assert sum(Refund.objects.values_list("amount", flat=True)) == 12
