"""Promotions at work: what a new order gets, the record of it, and uses that come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Count, F

from backoffice import timeline
from backoffice.actors import Acting, Actor
from backoffice.counting import counted
from orders import signals
from orders.models.customers import Customer
from orders.models.orders import Order, OrderLine
from orders.models.promotions import (
    Promotion,
    PromotionCount,
    Redemption,
    RedemptionLine,
    RedemptionRelease,
)
from orders.services.drafts import NewOrder
from orders.services.errors import PromotionUsedUp
from orders.services.offers import Gift, Item, best
from orders.services.pricing import step_of
from orders.services.promotion_offers import items_of, least_of, offer_of
from orders.services.promotion_words import how_given

LABEL = "orders.promotion"


@dataclass(slots=True)
class Presents:
    """What the promotions give to one new order, and why a code that was typed gives nothing."""

    gifts: list[Gift] = field(default_factory=list)
    units: dict[int, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Running:
    """Promotions that may give something now, locked, and what is left of each."""

    promotions: dict[int, Promotion]
    used: dict[int, int]
    stock: dict[int, int]
    ended: set[int]
    # How often each customer has used those that count it.
    by_customer: dict[tuple[int, int], int]

    def gone(self, promotion: Promotion) -> bool:
        """Whether all uses or all of its stock are gone."""
        pk, limit, units = promotion.pk, promotion.usage_limit, promotion.stock_units
        if limit is not None and self.used[pk] >= limit:
            return True
        return units is not None and self.stock[pk] >= units


def clean_code(text: str) -> str:
    """A code as promotions keep it, however it was typed."""
    return text.strip().upper()


def promote(
    drafts: Sequence[NewOrder],
    rows: Sequence[Sequence[OrderLine]],
    customers: Mapping[int, Customer],
    now: datetime,
) -> tuple[list[Presents], Running]:
    """Take what promotions give off the lines of new orders, before they are written.

    Those placed first get the last uses. Orders that make up for another, that the shop has given
    a discount itself, or that say so take part in none. The customers are locked. Raises
    PromotionUsedUp.
    """
    presents = [Presents() for _ in drafts]
    takers = [
        number
        for number, draft in enumerate(drafts)
        if draft.takes_promotions and draft.follows_id is None and not draft.discount
    ]
    running = _running([drafts[number] for number in takers], customers, now)
    pairs = {(drafts[n].channel.pk, line.sku_id) for n in takers for line in rows[n] if line.sku_id}
    least = least_of(pairs) if running.promotions else {}
    for number in sorted(takers, key=lambda n: (drafts[n].placed_at or now, n)):
        draft = drafts[number]
        if not running.promotions and not draft.codes:
            continue
        buyer = customers.get(draft.customer_id or 0)
        fitting = _fitting(draft, running, buyer, presents[number], now)
        step = step_of(draft.channel.currency)
        currency = draft.channel.currency
        floors = least.get(draft.channel.pk, {})
        items = items_of(
            rows[number], currency, floors, prices_include_tax=draft.prices_include_tax
        )
        _give(presents[number], fitting, items, running, buyer, currency)
        _write_on(rows[number], presents[number].gifts, step)
        _say_why_not(presents[number], fitting, draft)
    return presents, running


def _running(
    drafts: Sequence[NewOrder], customers: Mapping[int, Customer], now: datetime
) -> Running:
    """The promotions that these orders may get, locked, as they stand once they are."""
    codes = {clean_code(code) for draft in drafts for code in draft.codes}
    channels = {draft.channel.key for draft in drafts}
    rows = Promotion.objects.filter(is_on=True) if drafts else ()
    ids = [row.pk for row in rows if row.code in codes or _may_fit(row, drafts, channels, now)]
    if not ids:
        return Running({}, {}, {}, set(), {})
    counts = {count.pk: count for count in _lock(ids)}
    found = {row.pk: row for row in Promotion.objects.filter(pk__in=ids, is_on=True)}
    return Running(
        found,
        {pk: count.used for pk, count in counts.items()},
        {pk: count.stock_used for pk, count in counts.items()},
        {pk for pk, count in counts.items() if count.ended_at is not None},
        _uses_by_customer(found.values(), customers.values()),
    )


def _may_fit(
    promotion: Promotion, drafts: Sequence[NewOrder], channels: set[str], now: datetime
) -> bool:
    """Whether some of these orders may get a promotion that needs no code."""
    return (
        not promotion.code
        and (not promotion.channels or bool(channels & set(promotion.channels)))
        and any(_in_time(promotion, draft.placed_at or now) for draft in drafts)
    )


def _lock(ids: Sequence[int]) -> list[PromotionCount]:
    return list(
        PromotionCount.objects.raw("SELECT * FROM orders_lock_promotions(%s::bigint[])", [ids])
    )


def _uses_by_customer(
    promotions: Iterable[Promotion], customers: Iterable[Customer]
) -> dict[tuple[int, int], int]:
    counted = [row.pk for row in promotions if row.customer_limit is not None]
    if not counted:
        return {}
    rows = (
        Redemption.objects.filter(
            promotion__in=counted,
            order__customer__in={customer.pk for customer in customers},
            release__isnull=True,
        )
        .values_list("promotion", "order__customer")
        .annotate(Count("id"))
    )
    return {(promotion, customer): uses for promotion, customer, uses in rows}


def _in_time(promotion: Promotion, at: datetime) -> bool:
    return promotion.starts_at <= at and (promotion.ends_at is None or at < promotion.ends_at)


def _fitting(
    draft: NewOrder, running: Running, buyer: Customer | None, told: Presents, now: datetime
) -> list[Promotion]:
    """The promotions that an order may get, whatever is in it; each code that fails is noted."""
    codes = {clean_code(code) for code in draft.codes if code.strip()}
    fitting = []
    for promotion in running.promotions.values():
        if promotion.code and promotion.code not in codes:
            continue
        why = _why_not(promotion, draft, running, buyer, now)
        if not why:
            fitting.append(promotion)
        elif promotion.code:
            if running.gone(promotion) and promotion.when_used_up == Promotion.UsedUp.REFUSE:
                raise PromotionUsedUp(
                    f"The code {promotion.code} has been used up. Leave it out to order at full "
                    "price."
                )
            told.notes.append(f"Code {promotion.code} gave nothing: {why}")
    known = {promotion.code for promotion in running.promotions.values()}
    told.notes += [
        f"Code {code} gave nothing: no promotion of that code runs"
        for code in sorted(codes - known)
    ]
    return fitting


def _why_not(
    promotion: Promotion,
    draft: NewOrder,
    running: Running,
    buyer: Customer | None,
    now: datetime,
) -> str:
    """Why an order can't get a promotion, in words; empty where it can."""
    if not _in_time(promotion, draft.placed_at or now):
        return "the order was not placed in its time"
    if promotion.channels and draft.channel.key not in promotion.channels:
        return f"it is not for {draft.channel}"
    if running.gone(promotion):
        return "it is used up"
    return _customer_spent(promotion, running, buyer) or _stock_short(promotion, draft, running)


def _customer_spent(promotion: Promotion, running: Running, buyer: Customer | None) -> str:
    if promotion.customer_limit is None:
        return ""
    if buyer is None:
        return "it counts uses by customer, and nobody knows who this is"
    if running.by_customer.get((promotion.pk, buyer.pk), 0) >= promotion.customer_limit:
        return "this customer has used it already"
    return ""


def _stock_short(promotion: Promotion, draft: NewOrder, running: Running) -> str:
    if promotion.stock_units is None:
        return ""
    wanted = _units_of(promotion, draft)
    if running.stock[promotion.pk] + wanted <= promotion.stock_units:
        return ""
    return f"fewer than {counted(wanted, 'unit')} of {promotion.stock_sku} are left for it"


def _units_of(promotion: Promotion, draft: NewOrder) -> int:
    """Units of a promotion's own stock in an order."""
    return sum(
        line.quantity
        for line in draft.lines
        if line.sku == promotion.stock_sku and line.kind == OrderLine.Kind.STOCK
    )


def _give(
    told: Presents,
    fitting: Sequence[Promotion],
    items: Sequence[Item],
    running: Running,
    buyer: Customer | None,
    currency: str,
) -> None:
    """Choose what is best for the buyer, and count it as used."""
    offers = [offer for row in fitting if (offer := offer_of(row, currency)) is not None]
    told.gifts = best(offers, items)
    for gift in told.gifts:
        promotion = running.promotions[gift.id]
        running.used[gift.id] += 1
        if promotion.stock_units is not None:
            units = sum(item.quantity for item in items if item.sku == promotion.stock_sku)
            running.stock[gift.id] += units
            told.units[gift.id] = units
        if buyer is not None and promotion.customer_limit is not None:
            key = (gift.id, buyer.pk)
            running.by_customer[key] = running.by_customer.get(key, 0) + 1


def _say_why_not(told: Presents, fitting: Sequence[Promotion], draft: NewOrder) -> None:
    given = {gift.id for gift in told.gifts}
    for promotion in fitting:
        if promotion.code and promotion.pk not in given:
            told.notes.append(
                f"Code {promotion.code} gave nothing: the order does not meet it, or another "
                "promotion gave more"
            )


def _write_on(lines: Sequence[OrderLine], gifts: Sequence[Gift], step: Decimal) -> None:
    """Put the discounts on the lines; each is taxed on what is left of it."""
    off: dict[int, int] = defaultdict(int)
    for gift in gifts:
        for position, part in gift.lines.items():
            off[position] += part
    for line in lines:
        if off[line.position]:
            line.discount = off[line.position] * step
            saved = line.tax * line.discount / line.line_total
            line.discount_tax = saved.quantize(step, rounding=ROUND_HALF_UP)
            line.tax -= line.discount_tax


def write_redemptions(
    orders: Sequence[Order],
    rows: Mapping[int, Sequence[OrderLine]],
    presents: Sequence[Presents],
    running: Running,
    actor: Actor,
) -> None:
    """Record what new orders got, and announce promotions_redeemed and promotions_ended."""
    made, parts, told = [], [], []
    for order, present in zip(orders, presents, strict=True):
        step = step_of(order.currency)
        by_position = {line.position: line for line in rows[order.pk]}
        for gift in present.gifts:
            row = Redemption(
                promotion=running.promotions[gift.id], order=order, amount=gift.amount * step,
                asked=gift.asked * step, currency=order.currency,
                stock_units=present.units.get(gift.id, 0),
            )  # fmt: skip
            row.how = how_given(row)[:300]
            made.append(row)
            parts += [
                RedemptionLine(redemption=row, order_line=by_position[position], amount=part * step)
                for position, part in sorted(gift.lines.items())
            ]
            link = (LABEL, gift.id)
            said = f"Promotion {row.promotion}: {row.how}"
            told.append(timeline.Happened("orders.order", order.pk, said, actor, link=link))
        told += [timeline.Happened("orders.order", order.pk, note, actor) for note in present.notes]
    timeline.record(told)
    if not made:
        return
    # Rows of one promotion lock its count: those come in one order.
    made.sort(key=lambda row: (row.promotion_id, row.order_id))
    Redemption.objects.bulk_create(made)
    RedemptionLine.objects.bulk_create(parts)
    signals.promotions_redeemed.send(
        sender=Redemption, orders=list(orders), redemptions=made, actor=actor, history=False
    )
    _announce_ended(running, actor)


def _announce_ended(running: Running, actor: Actor) -> None:
    """Promotions whose last use, or last unit, these orders took."""
    limited = [pk for pk, row in running.promotions.items() if row.is_limited]
    rows = Promotion.objects.filter(pk__in=limited, count__ended_at__isnull=False)
    ended = list(rows.exclude(pk__in=running.ended).select_related("count").order_by("pk"))
    if ended:
        tell_ended(ended, actor=actor)


def tell_ended(promotions: Sequence[Promotion], *, actor: Acting) -> None:
    """Write on promotions, read with their count, why they ended, and announce it."""
    timeline.record(
        timeline.Happened(
            LABEL, row.pk, f"Ended: {row.count.get_ended_why_display().lower()}", actor.of(row.pk)
        )
        for row in promotions
    )
    signals.promotions_ended.send(
        sender=Promotion,
        promotions=list(promotions),
        why={row.pk: row.count.ended_why for row in promotions},
        actor=actor,
        history=False,
    )


def give_uses_back(orders: Sequence[Order], *, actor: Acting) -> None:
    """Free the uses of orders just cancelled; each comes back once. The orders are locked."""
    ids = [order.pk for order in orders if order.discount_on_lines]
    if not ids:
        return
    rows = Redemption.objects.filter(order__in=ids, release__isnull=True)
    RedemptionRelease.objects.bulk_create(
        RedemptionRelease(
            redemption=row,
            actor_kind=actor.of(row.order_id).kind,
            actor_label=actor.of(row.order_id).label[:200],
        )
        for row in rows.order_by(F("promotion"), F("pk"))
    )
