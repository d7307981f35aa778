"""Whatever happens to stock, in whatever order: the levels are the sum of moves and claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.actors import HOUSE
from inventory.models import Reservation, Sku
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import StockShort
from inventory.services.moves import (
    adjust_stock,
    inspect_stock,
    receive_stock,
    return_stock,
    write_off_stock,
)
from inventory.services.reservations import (
    Demand,
    Shipping,
    allocate_stock,
    release_stock,
    ship_reserved,
)
from tests.inventory.factories import make_sku, make_warehouse, moving

Step = tuple[str, int, int, int]
HOLDER = "test.buyer"


def act(step: Step, number: int, skus: Sequence[Sku]) -> None:
    """One thing that happens: what, to which SKU, how many, for which buyer."""
    name, which, quantity, buyer = step
    sku = skus[which]
    one = moving(sku, quantity, key=f"step:{number}")
    demand = Demand(f"step:{number}", sku.pk, make_warehouse().pk, quantity, HOLDER, buyer)
    acts: dict[str, Callable[[], object]] = {
        "receive": lambda: receive_stock([one], actor=HOUSE),
        "write off": lambda: write_off_stock([one], actor=HOUSE),
        "find": lambda: adjust_stock([one], actor=HOUSE),
        "miss": lambda: adjust_stock([moving(sku, -quantity)], actor=HOUSE),
        "return": lambda: return_stock([one], actor=HOUSE),
        "restock": lambda: inspect_stock([one], sellable=True, actor=HOUSE),
        "scrap": lambda: inspect_stock([one], sellable=False, actor=HOUSE),
        "promise": lambda: allocate_stock([demand], actor=HOUSE),
        "promise part": lambda: allocate_stock([demand], partial=True, actor=HOUSE),
        "release": lambda: release_stock(HOLDER, [buyer], actor=HOUSE),
        "ship": lambda: ship_reserved(HOLDER, [Shipping(buyer, one)], actor=HOUSE),
    }
    acts[name]()


NAMES = (
    "receive",
    "receive",
    "write off",
    "find",
    "miss",
    "return",
    "restock",
    "scrap",
    "promise",
    "promise part",
    "release",
    "ship",
    "ship",
)
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 1), st.integers(1, 9), st.integers(1, 3)),
    min_size=5,
    max_size=25,
)


@pytest.mark.requirement("R94")
@pytest.mark.django_db
@given(steps=STEPS)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_levels_rebuilt_from_moves_and_claims_are_the_stored_ones(steps: list[Step]) -> None:
    with transaction.atomic():
        skus = [make_sku("A"), make_sku("B", allow_backorder=True)]
        for number, step in enumerate(steps):
            before = Reservation.objects.count()
            try:
                with transaction.atomic():
                    act(step, number, skus)
            except StockShort:
                assert Reservation.objects.count() == before
        assert levels_that_differ() == []
        transaction.set_rollback(True)
