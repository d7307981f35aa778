"""What rules hear of prices, and that asking for one goes through the guard."""

from __future__ import annotations

from decimal import Decimal

import pytest

from automations.actions import Call, Rejected, actions
from automations.models.events import Event
from automations.triggers import triggers
from backoffice.actors import HOUSE, person
from backoffice.models import User
from inventory.models import Sku
from orders.models.prices import PriceChange
from orders.services.prices import decide_price
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place
from tests.orders.prices import costs, set_price, wait_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def lamp() -> Sku:
    lamp = make_sku("LAMP", stock=9)
    set_price("10.00", lamp)
    return lamp


def test_a_change_and_one_that_waits_are_facts(lamp: Sku, finance_user: User) -> None:
    set_price("9.00", lamp)
    change = wait_for("90.00", lamp)
    keys = ["orders.price_changed", "orders.price_changed", "orders.price_waiting"]
    told = Event.objects.filter(trigger__startswith="orders.price_").order_by("pk")
    assert [event.trigger for event in told] == keys
    assert {event.subject_id for event in told} == {lamp.pk}
    changed = triggers["orders.price_changed"].current([lamp.pk])[lamp.pk]
    assert (changed.price.moved_by, changed.price.agreed) == (Decimal("-10.0"), False)
    waiting = triggers["orders.price_waiting"]
    assert waiting.current([lamp.pk])[lamp.pk].change.state == PriceChange.State.WAITING
    version = Sku.objects.get(pk=lamp.pk).version
    decide_price(change.pk, PriceChange.State.REFUSED, note="Typo", actor=person(finance_user))
    # What waits on it is looked at again, and sees that it is decided.
    assert Sku.objects.get(pk=lamp.pk).version > version
    assert waiting.current([lamp.pk])[lamp.pk].change.state == PriceChange.State.REFUSED


def test_an_order_out_of_bounds_is_a_fact_with_how_far(lamp: Sku) -> None:
    order = place(line(lamp, 1, "1.00"))
    event = Event.objects.get(trigger="orders.price_doubted")
    review = triggers["orders.price_doubted"].current([order.pk])[order.pk].review
    assert (event.subject_id, review.lines_off, review.price_off) == (order.pk, 1, Decimal("90.0"))


@pytest.mark.requirement("R84")
def test_what_a_rule_asks_for_waits_where_it_moves_too_far(lamp: Sku) -> None:
    def ask(percent: str, channel: str = "") -> str:
        params = {"percent": Decimal(percent), "channel": channel}
        return actions["orders.ask_price"].execute(Call("k", lamp.pk, params, HOUSE)).says

    assert ask("-10") == "£9.00 in The shop"
    assert ask("-25", "shop") == "£6.75 in The shop waits for finance"
    assert costs(lamp) == [10, 9]
    with pytest.raises(Rejected, match="no price"):
        ask("5", "elsewhere")
