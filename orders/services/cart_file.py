"""Carts from a file: rows of one cart stand together, and every cart is shown first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from backoffice import sheets
from backoffice.actors import Actor
from backoffice.money import Money
from backoffice.sheets import Row, SheetRefused, read_sheet, suspicious
from orders.models.carts import Cart
from orders.models.channels import Channel
from orders.services.carts import OLDEST, NewCart, NewCartLine, receive_carts
from orders.services.errors import OrderError
from orders.services.marks import mail_mark

COLUMNS: Mapping[str, Sequence[str]] = {
    "cart": ("cart", "cart id", "id"),
    "store": ("store", "channel", "shop"),
    "mail": ("mail", "email", "e-mail"),
    "sku": ("sku", "product", "code"),
    "quantity": ("quantity", "units", "qty"),
    "price": ("price", "unit price"),
    "touched": ("touched", "last activity", "updated", "updated at"),
}
_PRICE = re.compile(r"\d{1,9}(\.\d{1,4})?", re.ASCII)
_WHOLE = re.compile(r"\d{1,6}", re.ASCII)


@dataclass(slots=True)
class Line:
    """One cart. `lines` are code, units and price of one, as they stand in the file."""

    number: int
    cart: str
    store: str
    mail: str
    touched: str
    lines: list[tuple[str, str, str]] = field(default_factory=list)
    total: str = ""
    says: str = ""
    problem: str = ""


Sheet = sheets.Sheet[Line]


def check(raw: bytes) -> Sheet:
    """Read a file and look at every cart, changing nothing; raises SheetRefused."""
    found, rows = read_sheet(raw, COLUMNS)
    if missing := sorted({"cart", "store", "sku", "quantity", "price", "touched"} - found):
        raise SheetRefused(
            "The first line names the columns: cart, store, mail, SKU, quantity, price and "
            f"touched. Missing: {', '.join(missing)}."
        )
    if not rows:
        raise SheetRefused("The file has no rows under its head.")
    carts: dict[tuple[str, str], Line] = {}
    for row in rows:
        key = (row["store"], row["cart"])
        line = carts.setdefault(
            key, Line(row.number, row["cart"], row["store"], row["mail"], row["touched"])
        )
        line.lines.append((row["sku"], row["quantity"], row["price"]))
        line.problem = line.problem or _problem(row, line)
    sheet = Sheet(list(carts.values()))
    _foresee(sheet.good)
    return sheet


def _problem(row: Row, line: Line) -> str:
    if not row["cart"] or len(row["cart"]) > 80:
        return "Names no cart, or one of more than 80 characters."
    if (row["mail"], row["touched"]) != (line.mail, line.touched):
        return f"Row {row.number} says another mail or time than row {line.number}."
    if row["mail"] and not mail_mark(row["mail"]):
        return f"“{row['mail'][:40]}” is no mail address."
    if _moment(row["touched"]) is None:
        return "Write the time like 2026-11-28 14:30; it is one that has been."
    return _bad_line(row)


def _bad_line(row: Row) -> str:
    if not _WHOLE.fullmatch(row["quantity"]) or not int(row["quantity"]):
        return f"Row {row.number}: the quantity is a whole number above zero."
    if not _PRICE.fullmatch(row["price"]):
        return f"Row {row.number}: write the price like 12.50."
    return suspicious(row["sku"]) or suspicious(row["cart"])


def _moment(text: str) -> datetime | None:
    """A time as the file has it; without a zone it is UTC."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    if found is None:
        return None
    at = found if found.tzinfo else timezone.make_aware(found, timezone.get_default_timezone())
    now = timezone.now()
    return at if now - OLDEST <= at <= now else None


def _channels() -> dict[str, Channel]:
    rows = Channel.objects.filter(is_active=True)
    return {name.lower(): each for each in rows for name in (each.name, each.key)}


def _foresee(lines: Sequence[Line]) -> None:
    channels = _channels()
    known = {
        (cart.channel_id, cart.external_id): cart
        for cart in Cart.objects.filter(external_id__in={line.cart for line in lines})
    }
    for line in lines:
        channel = channels.get(line.store.lower())
        if channel is None:
            line.problem = f"There is no store {line.store}."
            continue
        worth = sum((Decimal(price) * int(units) for _, units, price in line.lines), Decimal(0))
        line.total = str(Money(worth, channel.currency).rounded())
        line.says = _says(known.get((channel.pk, line.cart)), line)


def _says(cart: Cart | None, line: Line) -> str:
    at = _moment(line.touched)
    if cart is None:
        return "Is taken in"
    if cart.state == Cart.State.CONVERTED:
        return "Stays: it was ordered"
    return "Is replaced" if at and at > cart.active_at else "Stays: we know of it as it is now"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one cart; `problem` empty when it was done."""

    number: int
    name: str
    says: str = ""
    problem: str = ""


def apply(lines: Sequence[Line], *, actor: Actor) -> list[Told]:
    """Take in carts that were looked at; what is wrong with one stops no other."""
    channels = _channels()
    return [_apply(line, channels, actor) for line in lines]


def _apply(line: Line, channels: Mapping[str, Channel], actor: Actor) -> Told:
    at, channel = _moment(line.touched), channels.get(line.store.lower())
    if at is None or channel is None:
        return Told(line.number, line.cart, problem="The store is not there any more.")
    goods = tuple(
        NewCartLine(int(units), Decimal(price), code) for code, units, price in line.lines
    )
    new = NewCart(channel, line.cart, at, goods, email=line.mail)
    try:
        done = receive_carts([new], actor=actor)
    except OrderError as error:
        return Told(line.number, line.cart, problem=str(error))
    return Told(line.number, line.cart, "taken in" if done.changed else "stays as it is")
