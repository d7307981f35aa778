"""What promotions take off an order: pure arithmetic, the same whatever they come in.

Amounts are whole minor units of the order's currency. Each promotion is worked out on the full
prices, so that none depends on another; together they are then cut to the floor of each line and to
the cap of the order, in proportion. Of all that may be combined, what gives the buyer most wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Item:
    """A line of goods. `cost`: what all of its units cost us as a price charged; None: unknown.

    `pad`: how much above its cost it must stay, as rounding its tax may take that much. `least`:
    the least price that people set for it.
    """

    position: int
    sku: str
    quantity: int
    total: int
    cost: Decimal | None = None
    pad: int = 0
    least: int = 0

    def room(self, margin: Decimal) -> int:
        """How much may be taken off: the least price, and the cost plus so many per cent, stay."""
        room = max(self.total - self.least, 0)
        if self.cost is None:
            return room
        floor = (self.cost * (HUNDRED + margin) / HUNDRED).to_integral_value(ROUND_CEILING)
        return max(min(room, self.total - max(int(floor), 0) - self.pad), 0)


@dataclass(frozen=True, slots=True)
class Offer:
    """A promotion's terms in one currency; `percent` None: it takes `amount` off.

    `skus`: the products it is for, empty for all. With a `bundle`, `on_bundle` takes the discount
    off the units that make bundles alone, an amount once for each bundle.
    """

    id: int
    percent: Decimal | None = None
    amount: int = 0
    threshold: int = 0
    bundle: Mapping[str, int] = field(default_factory=dict)
    on_bundle: bool = False
    skus: frozenset[str] = frozenset()
    is_exclusive: bool = False
    cap: Decimal = HUNDRED
    margin: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Gift:
    """What one promotion gives: by line position, and what its terms alone would have given."""

    id: int
    lines: Mapping[int, int]
    asked: int

    @property
    def amount(self) -> int:
        return sum(self.lines.values())


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Share an amount, at most the sum of the weights, in proportion to them.

    What rounding leaves over goes to the largest remainders, of equal ones to the first. No share
    is larger than its weight.
    """
    whole = sum(weights)
    if amount <= 0 or whole <= 0:
        return [0] * len(weights)
    shares = [amount * weight // whole for weight in weights]
    rest = amount - sum(shares)
    order = sorted(range(len(weights)), key=lambda n: (-(amount * weights[n] % whole), n))
    for n in order[:rest]:
        shares[n] += 1
    return shares


def sets_in(bundle: Mapping[str, int], items: Iterable[Item]) -> int:
    """How many whole bundles there are in these lines."""
    units: dict[str, int] = {}
    for item in items:
        units[item.sku] = units.get(item.sku, 0) + item.quantity
    return min((units.get(sku, 0) // need for sku, need in bundle.items()), default=0)


def _weights(offer: Offer, items: Sequence[Item]) -> dict[int, int]:
    """What each line puts in for the discount to be taken off."""
    if not offer.on_bundle:
        return {
            item.position: item.total
            for item in items
            if item.total > 0 and (not offer.skus or item.sku in offer.skus)
        }
    sets = sets_in(offer.bundle, items)
    left = {sku: need * sets for sku, need in offer.bundle.items()}
    found = {}
    for item in items:
        units = min(item.quantity, left.get(item.sku, 0))
        if units:
            left[item.sku] -= units
            part = Decimal(item.total) * units / item.quantity
            found[item.position] = int(part.to_integral_value(ROUND_HALF_UP))
    return {position: part for position, part in found.items() if part > 0}


def alone(offer: Offer, items: Sequence[Item]) -> dict[int, int]:
    """What an offer takes off each line if there were neither floor nor cap; nothing: empty."""
    if offer.threshold > sum(item.total for item in items):
        return {}
    sets = sets_in(offer.bundle, items) if offer.bundle else 1
    weights = _weights(offer, items)
    if not sets or not weights:
        return {}
    whole = sum(weights.values())
    if offer.percent is None:
        wanted = min(offer.amount * (sets if offer.on_bundle else 1), whole)
    else:
        wanted = int((whole * offer.percent / HUNDRED).to_integral_value(ROUND_HALF_UP))
    shares = split(wanted, list(weights.values()))
    return {at: share for at, share in zip(weights, shares, strict=True) if share}


def together(offers: Sequence[Offer], items: Sequence[Item]) -> list[Gift]:
    """What these offers give one order together, each line and the order within their limits."""
    asked = {offer.id: alone(offer, items) for offer in offers}
    cap = min(offer.cap for offer in offers)
    margin = max(offer.margin for offer in offers)
    cells: dict[tuple[int, int], int] = {}
    for item in items:
        ids = [offer.id for offer in offers if asked[offer.id].get(item.position)]
        wanted = [asked[pk][item.position] for pk in ids]
        shares = split(min(sum(wanted), item.room(margin)), wanted)
        cells |= {(pk, item.position): share for pk, share in zip(ids, shares, strict=True)}
    goods = sum(item.total for item in items)
    most = int((goods * cap / HUNDRED).to_integral_value(ROUND_FLOOR))
    kept = split(min(sum(cells.values()), most), list(cells.values()))
    cells = dict(zip(cells, kept, strict=True))
    gifts = []
    for offer in offers:
        lines = {at: part for (pk, at), part in cells.items() if pk == offer.id and part}
        if lines:
            gifts.append(Gift(offer.id, lines, sum(asked[offer.id].values())))
    return gifts


def best(offers: Iterable[Offer], items: Iterable[Item]) -> list[Gift]:
    """What gives the buyer most: one exclusive offer, or those that may be combined.

    One with a low cap or a high margin is left out where the others give more without it. Of two
    ways that give the same, the one with fewer and older promotions wins.
    """
    known = sorted(offers, key=lambda offer: offer.id)
    lines = sorted(items, key=lambda item: item.position)
    fitting = [offer for offer in known if alone(offer, lines)]
    ways = [[offer] for offer in fitting if offer.is_exclusive]
    shared = [offer for offer in fitting if not offer.is_exclusive]
    for cap in sorted({offer.cap for offer in shared}):
        for margin in sorted({offer.margin for offer in shared}):
            way = [o for o in shared if o.cap >= cap and o.margin <= margin]
            if way:
                ways.append(way)
    results = [together(way, lines) for way in ways]

    def rank(gifts: list[Gift]) -> tuple[int, int, list[int]]:
        return -sum(gift.amount for gift in gifts), len(gifts), [gift.id for gift in gifts]

    return min(results, key=rank, default=[])
