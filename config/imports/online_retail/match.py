"""Which order a credit belongs to. A credit of this format does not name the invoice it credits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from config.imports.online_retail.classify import Code, Document, Kind, code_of
from config.imports.online_retail.parse import LONDON, Row


class Cause(StrEnum):
    """Why goods came back that no order explains: few codes, so that cases group by them."""

    GUEST = "no_customer"
    NEVER_BOUGHT = "never_bought"
    TOO_MANY = "more_than_bought"


CAUSES = {
    Cause.GUEST: "no customer on the credit",
    Cause.NEVER_BOUGHT: "no earlier order of the customer has the product",
    Cause.TOO_MANY: "more came back than the customer's orders still had",
}


@dataclass(slots=True)
class Sold:
    """Units of one order line that have not come back yet. `row` is the line's place."""

    order: str
    row: int
    left: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Back:
    """Units of one order line that a row of the credit brings back."""

    order: str
    row: int
    units: int
    credit_row: Row


@dataclass(frozen=True, slots=True)
class Stray:
    """Units of a row of the credit that no order explains."""

    row: Row
    units: int
    cause: Cause


@dataclass(slots=True)
class Credit:
    """What became of one credit. `cancels` names the order it undoes before it was shipped."""

    document: Document
    back: list[Back] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    cancels: str | None = None


def stockable(row: Row) -> bool:
    """Whether a row moves goods; vouchers and charges do not."""
    return code_of(row.code) is Code.PRODUCT


# Units sold and not returned, by customer and code, oldest first.
Open = defaultdict[tuple[str, str], list[Sold]]


@dataclass(slots=True)
class _Bought:
    """An order as a whole, to tell whether a credit undoes all of it."""

    at: datetime
    units: int
    value: Decimal
    only_goods: bool
    untouched: bool = True


def match_credits(documents: Iterable[Document], sold: Open) -> dict[str, Credit]:
    """Match each credit, in order of time, to the customer's orders: the newest with units left.

    `sold` starts with what earlier imports left open and is used up. A credit that takes back
    every line of an order on the London day of the order cancels it: nothing had been shipped.
    """
    credits: dict[str, Credit] = {}
    bought: dict[str, _Bought] = {}
    for document in documents:
        if document.kind is Kind.ORDER and document.customer:
            bought[document.number] = _remember(document, sold)
        elif document.kind is Kind.CREDIT:
            credit = _match(document, sold)
            credits[document.number] = credit
            _settle_whole(credit, bought)
    return credits


def _remember(document: Document, sold: Open) -> _Bought:
    goods = [row for row in document.rows if stockable(row)]
    for row in goods:
        sold[document.customer, row.code].append(
            Sold(row.invoice, row.row, row.quantity, document.at)
        )
    only_goods = len(goods) == len(document.rows)
    return _Bought(
        document.at, sum(row.quantity for row in goods), _value(document.rows), only_goods
    )


def _value(rows: Iterable[Row]) -> Decimal:
    return sum((row.quantity * row.price for row in rows), Decimal(0))


def _match(document: Document, sold: Open) -> Credit:
    credit = Credit(document)
    for row in document.rows:
        if stockable(row):
            _match_row(row, document.at, sold, credit)
    return credit


def _match_row(row: Row, at: datetime, sold: Open, credit: Credit) -> None:
    need = -row.quantity
    if not row.customer:
        credit.strays.append(Stray(row, need, Cause.GUEST))
        return
    lots = [lot for lot in sold.get((row.customer, row.code), ()) if lot.at <= at]
    cause = Cause.TOO_MANY if lots else Cause.NEVER_BOUGHT
    for lot in reversed(lots):
        units = min(need, lot.left)
        if units:
            lot.left -= units
            need -= units
            credit.back.append(Back(lot.order, lot.row, units, row))
        if not need:
            return
    credit.strays.append(Stray(row, need, cause))


def _settle_whole(credit: Credit, bought: dict[str, _Bought]) -> None:
    """Mark the credit as a cancellation if it undoes one whole order on the order's day."""
    orders = {back.order for back in credit.back}
    wholes = [bought[number] for number in orders if number in bought]
    if _undoes(credit, wholes, orders):
        credit.cancels = next(iter(orders))
    for whole in wholes:
        whole.untouched = False


def _undoes(credit: Credit, wholes: list[_Bought], orders: set[str]) -> bool:
    if len(orders) != 1 or len(wholes) != 1 or credit.strays:
        return False
    whole = wholes[0]
    return (
        whole.only_goods
        and whole.untouched
        and all(stockable(row) for row in credit.document.rows)
        and sum(back.units for back in credit.back) == whole.units
        # At another price it is a return with a price of its own, not an order undone.
        and _value(credit.document.rows) == -whole.value
        and _london_day(whole.at) == _london_day(credit.document.at)
    )


def _london_day(at: datetime) -> object:
    return at.astimezone(LONDON).date()
