"""Promotions: one with a code, one above an amount, one that waits for a second person."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from backoffice.actors import outside, person
from backoffice.models import User
from backoffice.roles import FINANCE, OPERATIONS
from inventory.models import StockLevel
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.promotions import Promotion
from orders.services.drafts import Address, NewLine, NewOrder, OnShort
from orders.services.placing import place_orders
from orders.services.promotions import Terms, agree_promotion, ask_start, draft_promotion

SHOP = outside("Web shop")
Kind, Target = Promotion.Kind, Promotion.Target


def add_promotions(channel: Channel) -> list[Order]:
    """Three promotions and some orders that got two of them; made once."""
    operator, clerk = _somebody(OPERATIONS), _somebody(FINANCE)
    if Promotion.objects.exists() or operator is None or clerk is None:
        return []
    code, _ = codes = _codes(channel)
    for terms in _terms(channel, code):
        row = draft_promotion(terms, actor=person(operator))
        change = ask_start(row.pk, why="Agreed for the season", actor=person(operator))
        if terms.kind != Kind.TIME:
            agree_promotion(change.pk, actor=person(clerk))
    return _place(channel, codes)


def _somebody(role: str) -> User | None:
    return User.objects.filter(groups__name=role, is_active=True).order_by("pk").first()


def _codes(channel: Channel) -> list[str]:
    """The two products of which most is on the shelf."""
    levels = StockLevel.objects.filter(location=channel.location_id).select_related("sku")
    return [level.sku.code for level in levels.order_by("-on_hand", "pk")[:2]]


def _terms(channel: Channel, code: str) -> list[Terms]:
    now = timezone.now().replace(second=0, microsecond=0)
    soon = now + timedelta(days=6)
    return [
        Terms(
            "Welcome back", Kind.CODE, now, code="WELCOME10", percent=Decimal(10),
            usage_limit=500, customer_limit=1, cap_percent=Decimal(25),
            channels=(channel.key,),
        ),
        Terms(
            "£15 off from £150", Kind.THRESHOLD, now, now + timedelta(days=21),
            amounts={channel.currency: "15"}, thresholds={channel.currency: "150"},
            cap_percent=Decimal(25),
        ),
        Terms(
            "Weekend offer", Kind.TIME, soon, soon + timedelta(days=2), percent=Decimal(20),
            target=Target.SKUS, skus=(code,), is_exclusive=True, stock_sku=code, stock_units=200,
        ),
    ]  # fmt: skip


def _place(channel: Channel, codes: list[str]) -> list[Order]:
    """Customers who use the code, one who buys enough, and one whose code nobody knows."""
    first, second = codes
    buyers = list(
        Order.objects.filter(channel=channel, customer__isnull=False)
        .order_by("customer", "-placed_at")
        .distinct("customer")
        .values_list("customer", flat=True)[:4]
    )
    wanted = [(8, "WELCOME10"), (20, "WELCOME10"), (40, ""), (3, "WELCOME20")]
    placed = []
    for number, (buyer, (units, code)) in enumerate(zip(buyers, wanted, strict=False), 1):
        new = NewOrder(
            channel=channel,
            lines=(
                NewLine(units, Decimal("3.75"), first),
                NewLine(2, Decimal("8.50"), second),
            ),
            external_id=f"promotion-{number}",
            customer_id=buyer,
            ship_to=Address("Zoe Marsh", "12 Mill Lane", "York", "YO31 7QB", "GB"),
            codes=(code,) if code else (),
        )
        placed += place_orders([new], on_short=OnShort.HOLD, actor=SHOP).orders
    return placed
