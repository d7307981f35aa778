"""Promotions in words: the terms as a sentence, and how a discount was worked out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from backoffice.counting import counted
from backoffice.money import Money
from orders.models.promotions import Promotion, Redemption

Target = Promotion.Target


def amounts(by_currency: Mapping[str, str]) -> str:
    """Amounts by currency: £5.00 or €6.00."""
    return " or ".join(
        str(Money(Decimal(amount), currency)) for currency, amount in sorted(by_currency.items())
    )


def percent(share: Decimal) -> str:
    """A share without needless digits: 12.5%."""
    return f"{share.normalize():f}%"


def takes_off(promotion: Promotion) -> str:
    """What it takes off what: 10% off all goods."""
    what = {
        Target.ORDER: "all goods of the order",
        Target.SKUS: ", ".join(promotion.skus),
        Target.BUNDLE: "each bundle",
    }[Target(promotion.target)]
    share = promotion.percent
    return f"{amounts(promotion.amounts) if share is None else percent(share)} off {what}"


def conditions(promotion: Promotion) -> str:
    """What an order has to be: spends £50.00, buys 2 × A and 1 × B together."""
    told = []
    if promotion.code:
        told.append(f"with the code {promotion.code}")
    if promotion.thresholds:
        told.append(f"when the goods come to {amounts(promotion.thresholds)}")
    if promotion.bundle:
        goods = " and ".join(f"{units} × {sku}" for sku, units in sorted(promotion.bundle.items()))
        told.append(f"when {goods} are bought together")
    return ", ".join(told) or "on every order"


def limits(promotion: Promotion) -> list[str]:
    """How often and how far it goes, a sentence each."""
    told = []
    if promotion.usage_limit is not None:
        after = promotion.get_when_used_up_display().lower()
        told.append(f"{counted(promotion.usage_limit, 'use')} in all; then with its code: {after}.")
    if promotion.customer_limit is not None:
        told.append(f"{promotion.customer_limit:,} per customer.")
    if promotion.stock_units is not None:
        told.append(
            f"{counted(promotion.stock_units, 'unit')} of {promotion.stock_sku}, then it is over."
        )
    told.append(
        "Alone: an order gets this or others, whichever gives more."
        if promotion.is_exclusive
        else "Together with others that are not exclusive."
    )
    if promotion.cap_percent < 100:
        cap = percent(promotion.cap_percent)
        told.append(f"All discounts of an order take at most {cap} off its goods.")
    margin = promotion.margin_percent
    above = f" plus {percent(margin)}" if margin else ""
    told.append(f"No line goes below its cost{above}, where that is known, or its least price.")
    return told


def when(promotion: Promotion) -> str:
    """From when to when, in the time zone it was meant in."""
    zone = ZoneInfo(promotion.time_zone)
    begins = f"{promotion.starts_at.astimezone(zone):%-d %b %Y %H:%M}"
    if promotion.ends_at is None:
        return f"from {begins} ({promotion.time_zone})"
    return f"from {begins} to {promotion.ends_at.astimezone(zone):%-d %b %Y %H:%M} ({zone.key})"


def in_words(promotion: Promotion) -> str:
    """The rule as one sentence."""
    said = f"{takes_off(promotion)} {conditions(promotion)}"
    return f"{said[0].upper()}{said[1:]}"


def how_given(row: Redemption) -> str:
    """How a discount was worked out: £4.10, 10% off all goods; cut from £5.00 by floor or cap."""
    said = f"{row.money} ({takes_off(row.promotion)})"
    if row.amount < row.asked:
        full = Money(row.asked, row.currency)
        said += f", cut from {full}: no line goes under its floor, no order over its cap"
    return said


def difference(before: Mapping[str, Any], terms: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What of its terms a change touches: the term, what it was, what it would be."""
    return [
        (_LABELS.get(name, name), _told(before.get(name)), _told(value))
        for name, value in terms.items()
        if before.get(name) != value
    ]


_LABELS = {
    "name": "Name",
    "kind": "Kind",
    "code": "Code",
    "percent": "Per cent",
    "amounts": "Amount",
    "target": "Off what",
    "skus": "Products",
    "thresholds": "Goods come to",
    "bundle": "Bought together",
    "channels": "Stores",
    "starts_at": "Starts",
    "ends_at": "Ends",
    "time_zone": "Time zone",
    "usage_limit": "Uses in all",
    "customer_limit": "Uses per customer",
    "when_used_up": "Once used up",
    "is_exclusive": "Given alone",
    "cap_percent": "Cap in per cent",
    "margin_percent": "Margin in per cent",
    "stock_sku": "Ends with the stock of",
    "stock_units": "Units set aside",
}


def _told(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            said = "none"
        case bool():
            said = "yes" if value else "no"
        case float():
            said = f"{Decimal(str(value)).normalize():f}"
        case dict():
            said = ", ".join(f"{part} {name}" for name, part in sorted(value.items()))
        case list():
            said = ", ".join(map(str, value))
        case str() if _TIME.match(value):
            said = f"{datetime.fromisoformat(value):%-d %b %Y %H:%M} UTC"
        case _:
            said = str(value)
    return said


_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T")
