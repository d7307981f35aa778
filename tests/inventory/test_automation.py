"""What rules see of stock and do to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from automations.actions import Call, Done, Rejected, actions
from automations.catalogue import flatten
from automations.models.events import Event
from automations.triggers import triggers
from backoffice.actors import HOUSE
from backoffice.money import Money
from inventory.models import Sku
from inventory.services.moves import ship_stock, write_off_stock
from tests.inventory.factories import make_sku, moving

pytestmark = pytest.mark.django_db


def test_a_fall_is_an_event_with_what_is_left() -> None:
    sku = make_sku("A", stock=10, reorder_point=5, cost=Money(Decimal("2.50"), "GBP"))
    ship_stock([moving(sku, 6)], actor=HOUSE)
    event = Event.objects.get(trigger="inventory.stock_low")
    facts: Any = event.facts
    assert (facts["sku.code"], facts["sku.available"], facts["sku.reorder_point"]) == ("A", 4, 5)
    assert event.subject_version == Sku.objects.get().version
    assert flatten(triggers["inventory.stock_low"].current([sku.pk])[sku.pk])[0] == facts


def test_a_write_off_is_an_event_with_its_worth() -> None:
    sku = make_sku("A", stock=10, cost=Money(Decimal("2.505"), "GBP"))
    write_off_stock([moving(sku, 3)], actor=HOUSE)
    event = Event.objects.get(trigger="inventory.stock_written_off")
    facts: Any = event.facts
    assert (facts["write_off.quantity"], facts["write_off.location"]) == (3, "MAIN")
    assert event.subject_version == Sku.objects.get().version
    assert flatten(triggers["inventory.stock_written_off"].current([sku.pk])[sku.pk])[0] == facts


def test_rules_set_reorder_points() -> None:
    first, second = make_sku("A"), make_sku("B", reorder_point=5)
    action: Any = actions["inventory.set_reorder_point"]
    calls = [
        Call(str(number), pk, {"point": point}, HOUSE)
        for number, (pk, point) in enumerate(
            [(first.pk, 5), (second.pk, 5), (0, 5), (first.pk, 7), (first.pk, 7)]
        )
    ]
    answers = action.execute_many(calls)
    assert answers[0] == Done("Reorder point set to 5", undo={"was": None, "is": 5})
    assert answers[1] == Done("The reorder point was 5 already", already=True)
    assert isinstance(answers[2], Rejected)
    assert answers[3] == Done("Reorder point set to 7", undo={"was": 5, "is": 7})
    assert answers[4] == Done("The reorder point was 7 already", already=True)
    assert Sku.objects.get(code="A").reorder_point == 7
    back = Call("1:~a1::0", first.pk, {}, HOUSE)
    assert "someone changed it" in action.why_not_undone(first.pk, answers[0].undo)
    assert action.undo(back, answers[3].undo) == Done("Reorder point set back to 5")
    assert action.undo(back, answers[0].undo) == Done("Reorder point set back to none")
    assert Sku.objects.get(code="A").reorder_point is None
    assert action.in_words({"point": 5}) == "Set the reorder point to 5"
