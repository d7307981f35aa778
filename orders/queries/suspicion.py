"""What the signals of fraud see in orders, read for many orders in one query per signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from orders.models.orders import Order
from orders.models.trust import BlockEntry, MarkKind, RiskSignal
from orders.queries.countries import country_name

Kind, Mode = RiskSignal.Kind, RiskSignal.Mode
Marks = Mapping[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a signal saw of one order: in words without personal data, and whether it fires."""

    words: str
    fires: bool


def look(signal: RiskSignal, orders: Sequence[Order], marks: Marks) -> dict[int, Seen]:
    """What one signal sees of these orders, by id; those it can't judge are left out."""
    if signal.kind == Kind.MISMATCH:
        return _mismatch(orders)
    if signal.kind == Kind.REGION:
        return _region(signal, orders)
    if signal.kind == Kind.VELOCITY:
        return _velocity(signal, orders, marks)
    return _blocklist(orders, marks)


def _mismatch(orders: Sequence[Order]) -> dict[int, Seen]:
    """Orders that are collected have no delivery address to compare."""
    return {
        order.pk: Seen(
            f"billed to {country_name(order.bill_country)}, "
            f"shipped to {country_name(order.ship_country)}",
            order.bill_country != order.ship_country,
        )
        for order in orders
        if order.bill_country and order.ship_country and order.method == Order.Method.HOME
    }


def _region(signal: RiskSignal, orders: Sequence[Order]) -> dict[int, Seen]:
    listed = set(signal.countries)
    found = {}
    for order in orders:
        countries = sorted({order.bill_country, order.ship_country} - {""})
        if countries:
            words = ", ".join(country_name(code) for code in countries)
            found[order.pk] = Seen(words, bool(listed & set(countries)))
    return found


_LATELY = """
SELECT d.id, count(DISTINCT m.order_id)
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS d(id, value, at)
JOIN orders_ordermark m ON m.kind = %s AND m.value = d.value
    AND m.placed_at <= d.at AND m.placed_at > d.at - make_interval(mins => %s)
GROUP BY d.id
"""


def _velocity(signal: RiskSignal, orders: Sequence[Order], marks: Marks) -> dict[int, Seen]:
    """The order itself counts, so that three of three are three."""
    mark, minutes = MarkKind(signal.mark), signal.minutes or 0
    asked = [order for order in orders if mark.value in marks[order.pk]]
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            _LATELY,
            [
                [order.pk for order in asked],
                [marks[order.pk][mark.value] for order in asked],
                [order.placed_at for order in asked],
                mark.value,
                minutes,
            ],
        )
        counts = dict(cursor.fetchall())
    span = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    limit = signal.orders or 0
    return {
        order.pk: Seen(
            f"{counts.get(order.pk, 1)} orders with this {mark.label.lower()} within {span}",
            counts.get(order.pk, 1) >= limit,
        )
        for order in asked
    }


def _blocklist(orders: Sequence[Order], marks: Marks) -> dict[int, Seen]:
    values = {value for order in orders for value in marks[order.pk].values()}
    now = timezone.now()
    listed = {
        (entry.kind, entry.value)
        for entry in BlockEntry.objects.filter(value__in=values, ended_at=None)
        if entry.until is None or entry.until > now
    }
    found = {}
    for order in orders:
        hits = [kind for kind, value in marks[order.pk].items() if (kind, value) in listed]
        words = ", ".join(MarkKind(kind).label.lower() for kind in sorted(hits))
        found[order.pk] = Seen(f"on the list: {words}" if hits else "not on the list", bool(hits))
    return found
