"""What promotions take off: any set of them, in any order, within floor and cap."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.services.offers import HUNDRED, Item, Offer, alone, best, split, together

SKUS = ("A", "B", "C")
shares = st.one_of(
    st.none(), st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
)


@st.composite
def baskets(draw: st.DrawFn) -> list[Item]:
    items = []
    for position in range(1, draw(st.integers(1, 5)) + 1):
        total = draw(st.integers(0, 20_000))
        cost = draw(st.one_of(st.none(), st.integers(0, 25_000).map(Decimal)))
        quantity = draw(st.integers(1, 7))
        items.append(Item(position, draw(st.sampled_from(SKUS)), quantity, total, cost, 1))
    return items


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    found = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        percent = draw(shares)
        bundle = draw(
            st.one_of(
                st.just({}), st.dictionaries(st.sampled_from(SKUS), st.integers(1, 3), min_size=1)
            )
        )
        found.append(
            Offer(
                id=number,
                percent=percent,
                amount=0 if percent is not None else draw(st.integers(1, 9_000)),
                threshold=draw(st.integers(0, 15_000)),
                bundle=bundle,
                on_bundle=bool(bundle) and draw(st.booleans()),
                skus=frozenset() if bundle else draw(st.frozensets(st.sampled_from(SKUS))),
                is_exclusive=draw(st.booleans()),
                cap=Decimal(draw(st.integers(1, 100))),
                margin=Decimal(draw(st.integers(-20, 60))),
            )
        )
    return found


@pytest.mark.requirement("R81")
@settings(max_examples=400, deadline=None)
@given(offers(), baskets(), st.randoms())
def test_any_promotions_in_any_order_give_the_same_within_floor_and_cap(
    known: list[Offer], items: list[Item], chance: object
) -> None:
    gifts = best(known, items)
    shuffled, mixed = list(known), list(items)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert best(shuffled, mixed) == gifts
    used = [offer for offer in known if offer.id in {gift.id for gift in gifts}]
    off = {item.position: 0 for item in items}
    for gift in gifts:
        assert gift.amount <= gift.asked
        for position, part in gift.lines.items():
            assert part > 0
            off[position] += part
    goods = sum(item.total for item in items)
    for offer in used:
        assert sum(off.values()) * HUNDRED <= goods * offer.cap
        for item in items:
            if off[item.position] and item.cost is not None:
                floor = item.cost * (HUNDRED + offer.margin) / HUNDRED
                assert item.total - off[item.position] >= floor
    assert all(off[item.position] <= item.total for item in items)
    assert not any(offer.is_exclusive for offer in used) or len(used) == 1


@pytest.mark.requirement("R81")
@settings(max_examples=60, deadline=None)
@given(offers(), baskets())
def test_the_buyer_gets_the_best_of_all_that_may_be_combined(
    known: list[Offer], items: list[Item]
) -> None:
    fitting = [offer for offer in known if alone(offer, items)]
    ways = [[offer] for offer in fitting]
    shared = [offer for offer in fitting if not offer.is_exclusive]
    for size in range(2, len(shared) + 1):
        ways += [list(way) for way in permutations(shared, size) if list(way) == sorted(
            way, key=lambda offer: offer.id)]  # fmt: skip
    most = max((sum(g.amount for g in together(way, items)) for way in ways), default=0)
    assert sum(gift.amount for gift in best(known, items)) == most


def test_what_rounding_leaves_over_goes_to_the_largest_remainders() -> None:
    assert split(100, [333, 333, 334]) == [33, 33, 34]
    assert split(1, [1, 1]) == [1, 0]
    assert split(10, [0, 0]) == [0, 0]


def test_a_bundle_takes_an_amount_off_once_for_each_whole_bundle() -> None:
    items = [Item(1, "A", 5, 5000), Item(2, "B", 3, 3000), Item(3, "C", 1, 900)]
    offer = Offer(1, amount=300, bundle={"A": 2, "B": 1}, on_bundle=True)
    assert sum(alone(offer, items).values()) == 600
    assert 3 not in alone(offer, items)
    assert alone(offer, items[:1]) == {}
    half = Offer(1, percent=Decimal(50), bundle={"A": 2}, on_bundle=True)
    assert alone(half, items) == {1: 2000}
