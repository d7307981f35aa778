"""Prices: which one is valid, what a new one is held against, and what orders were sold for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from backoffice.money import Money
from orders.models.prices import ExchangeRate, Price, PriceFloor


@dataclass(frozen=True, slots=True)
class Judged:
    """What a price was held against. `was` None: there was no price; `floor` None: there is none.

    `variance` is the widest move in percent, `allowed` how wide it may be.
    """

    was: Decimal | None
    allowed: int
    variance: Decimal | None
    floor: Decimal | None
    floor_from: str
    over_variance: bool
    under_floor: bool

    @property
    def waits(self) -> bool:
        return self.over_variance or self.under_floor


# channel, product, currency, amount and moment
Asked = tuple[int, int, str, Decimal, datetime]
_JUDGE = """
SELECT j.was, j.allowed, j.variance, j.floor, j.floor_from, j.over_variance, j.under_floor
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::numeric[], %s::timestamptz[])
     WITH ORDINALITY AS a (channel, sku, currency, amount, starts, place)
CROSS JOIN LATERAL orders_judge_price(a.channel, a.sku, a.currency, a.amount, a.starts) j
ORDER BY a.place
"""


def judge(asked: Sequence[Asked]) -> list[Judged]:
    """Hold prices against what is valid then, in their order; the channels must exist."""
    if not asked:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_JUDGE, [list(column) for column in zip(*asked, strict=True)])
        return [Judged(*row) for row in cursor.fetchall()]


def database_now() -> datetime:
    """The clock by which prices begin."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]


def valid_prices() -> QuerySet[Price]:
    """The price that is valid now, of each product in each channel and currency."""
    later = Price.objects.filter(
        sku=OuterRef("sku"),
        channel=OuterRef("channel"),
        currency=OuterRef("currency"),
        starts_at__lte=Now(),
    )
    newer = later.filter(starts_at__gt=OuterRef("starts_at"))
    twin = later.filter(starts_at=OuterRef("starts_at"), pk__gt=OuterRef("pk"))
    return Price.objects.filter(~Exists(newer), ~Exists(twin), starts_at__lte=Now())


def newest_rate(base: str, quote: str) -> ExchangeRate | None:
    """The rate that derived prices use today; None where nobody noted one."""
    rows = ExchangeRate.objects.filter(base=base, quote=quote)
    return rows.order_by("-on_date", "-pk").first()


@dataclass(frozen=True, slots=True)
class Floor:
    """The least a product may cost. `origin` is `minimum` or `cost`, empty without one."""

    amount: Money | None
    origin: str


def floors(pairs: Iterable[tuple[int, int, str]]) -> dict[tuple[int, int, str], Floor]:
    """The floors of products by (channel, product, currency)."""
    keys = list(pairs)
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.channel, a.sku, a.currency, f.amount, f.origin "
            "FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS a (channel, sku, currency) "
            "CROSS JOIN LATERAL orders_price_floor(a.channel, a.sku, a.currency) f",
            [list(column) for column in zip(*keys, strict=True)],
        )
        return {
            (channel, sku, currency): Floor(
                None if amount is None else Money(amount, currency), origin
            )
            for channel, sku, currency, amount, origin in cursor.fetchall()
        }


def set_minimums(keys: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], PriceFloor]:
    """The newest minimum of products by (channel, product)."""
    pairs = set(keys)
    rows = PriceFloor.objects.filter(
        channel__in={channel for channel, _ in pairs}, sku__in={sku for _, sku in pairs}
    )
    newest = rows.order_by("channel", "sku", "-pk").distinct("channel", "sku")
    return {(row.channel_id, row.sku_id): row for row in newest}


@dataclass(frozen=True, slots=True)
class Outlier:
    """A line whose unit price is out of bounds. `valid` None: only a minimum is set."""

    position: int
    code: str
    unit: Decimal
    valid: Decimal | None
    floor: Decimal | None
    variance: Decimal | None
    under_floor: bool


# Products that nobody priced in the channel are not judged, unless a minimum was set for them.
_OUTLIERS = """
SELECT l.order_id, l.position, s.code, l.unit_price, p.amount, f.amount,
       round(abs(l.unit_price - p.amount) * 100 / p.amount, 1),
       coalesce(l.unit_price < f.amount, false)
FROM orders_orderline l
JOIN orders_order o ON o.id = l.order_id
JOIN orders_channel c ON c.id = o.channel_id
JOIN inventory_sku s ON s.id = l.sku_id
LEFT JOIN LATERAL (SELECT q.amount FROM orders_price q
    WHERE q.sku_id = l.sku_id AND q.channel_id = o.channel_id AND q.currency = o.currency
      AND q.starts_at <= o.placed_at ORDER BY q.starts_at DESC, q.id DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT g.amount FROM orders_price_floor(o.channel_id, l.sku_id, o.currency) g
    WHERE p.amount IS NOT NULL OR g.origin = 'minimum') f ON true
WHERE l.order_id = ANY(%s) AND l.kind = 'stock'
  AND (abs(l.unit_price - p.amount) * 100 > c.price_variance * p.amount OR l.unit_price < f.amount)
ORDER BY l.order_id, l.position
"""


def outliers(order_ids: Sequence[int]) -> dict[int, list[Outlier]]:
    """Lines of orders whose unit price is out of bounds at the time they were placed."""
    found: dict[int, list[Outlier]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_OUTLIERS, [list(order_ids)])
        for order_id, *line in cursor.fetchall():
            found.setdefault(order_id, []).append(Outlier(*line))
    return found
