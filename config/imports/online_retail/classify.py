"""What each invoice and each line of the Online Retail format means.

The file says little in words: a prefix, a sign, a price of zero, a code. The reading of them is
written down in docs/decisions/0004-import.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache

from config.imports.countries import country_code
from config.imports.online_retail.parse import Row
from config.imports.problems import Problem


class Code(StrEnum):
    """What a stock code stands for."""

    PRODUCT = "product"
    VOUCHER = "gift voucher"
    POSTAGE = "postage"
    MANUAL = "manual"
    DISCOUNT = "discount"
    BANK = "bank charges"
    MARKETPLACE = "marketplace fee"
    COMMISSION = "commission"
    SAMPLES = "samples"
    BAD_DEBT = "bad debt"


class Kind(StrEnum):
    """What an invoice is."""

    ORDER = "order"
    WRITE_OFF = "stock write-off"
    FOUND = "stock found"
    EMPTY = "nothing to book"
    EXPENSE = "expense"
    CREDIT = "credit"
    BAD_DEBT = "bad debt"


_CODES = {
    "POST": Code.POSTAGE,
    "DOT": Code.POSTAGE,
    "C2": Code.POSTAGE,
    "M": Code.MANUAL,
    "m": Code.MANUAL,
    "D": Code.DISCOUNT,
    "BANK CHARGES": Code.BANK,
    "AMAZONFEE": Code.MARKETPLACE,
    "CRUK": Code.COMMISSION,
    "S": Code.SAMPLES,
    "B": Code.BAD_DEBT,
}
# What the company pays for, never what a customer without a number buys.
_EXPENSES = {Code.BANK, Code.MARKETPLACE, Code.COMMISSION, Code.SAMPLES}
_PRODUCT = re.compile(r"\d{5}[A-Za-z]{0,2}|DCGS\w+|PADS", re.ASCII)


@cache
def code_of(stock_code: str) -> Code:
    """The meaning of a stock code. One that is not known is taken for a product's."""
    if stock_code.startswith("gift_0001_"):
        return Code.VOUCHER
    return _CODES.get(stock_code, Code.PRODUCT)


def is_familiar(stock_code: str) -> bool:
    """Whether a code looks like one this format is known to use."""
    return bool(_PRODUCT.fullmatch(stock_code)) or code_of(stock_code) is not Code.PRODUCT


@dataclass(slots=True)
class Document:
    """One invoice with its rows. `at` is its earliest line's time; `country` empty is unknown."""

    number: str
    kind: Kind
    at: datetime
    customer: str
    country: str
    rows: list[Row]


def documents(rows: Iterable[Row]) -> tuple[list[Document], list[Problem]]:
    """Invoices in order of time, and the rows that can't stand in theirs.

    A row that contradicts the first row of its invoice, or its invoice's prefix, is a problem and
    is left out of its document.
    """
    grouped: dict[str, list[Row]] = {}
    problems: list[Problem] = []
    for row in rows:
        problem = _contradiction(row)
        if problem is None:
            others = grouped.setdefault(row.invoice, [])
            problem = _stranger(row, others[0]) if others else None
        if problem is None:
            others.append(row)
        else:
            problems.append(problem)
    found = [_document(number, of) for number, of in grouped.items() if of]
    # A sale comes before its own cancellation within the same minute.
    found.sort(key=lambda document: (document.at, document.kind is Kind.CREDIT))
    return found, problems


def _contradiction(row: Row) -> Problem | None:
    """What the invoice's prefix does not allow."""
    prefix = row.invoice[0]
    if prefix == "A":
        if code_of(row.code) is not Code.BAD_DEBT:
            says = "An invoice with prefix A holds bad-debt adjustments only (code B)."
            return Problem(row.line, "StockCode", row.code, says)
        return None
    if row.price < 0:
        says = "A negative price stands on bad-debt adjustments (prefix A) only: use the quantity."
        return Problem(row.line, "UnitPrice", str(row.price), says)
    if prefix == "C" and row.quantity > 0:
        says = "A credit (prefix C) has negative quantities: correct the sign or the prefix."
        return Problem(row.line, "Quantity", str(row.quantity), says)
    if prefix != "C" and row.quantity < 0 and (row.price or row.customer):
        says = (
            "A negative quantity without prefix C is a stock write-off: price 0 and no customer."
            " Give a credit its C."
        )
        return Problem(row.line, "Quantity", str(row.quantity), says)
    return None


def _stranger(row: Row, first: Row) -> Problem | None:
    """What can't be on the same invoice as its first row."""
    also = f"line {first.line} of the same invoice"
    if row.customer != first.customer:
        says = f"The invoice has another customer on {also}."
        return Problem(row.line, "CustomerID", row.customer, says)
    if row.country != first.country:
        says = f"The invoice has another country on {also}."
        return Problem(row.line, "Country", row.country, says)
    if row.quantity < 0 < first.quantity or first.quantity < 0 < row.quantity:
        says = f"The invoice has a quantity of the other sign on {also}."
        return Problem(row.line, "Quantity", str(row.quantity), says)
    return None


def _document(number: str, rows: list[Row]) -> Document:
    first = rows[0]
    at = min(row.at for row in rows)
    country = country_code(first.country)
    return Document(number, _kind(number, rows), at, first.customer, country, rows)


def _kind(number: str, rows: list[Row]) -> Kind:
    codes = {code_of(row.code) for row in rows}
    if number[0] == "A":
        return Kind.BAD_DEBT
    if codes <= _EXPENSES and (number[0] == "C" or not rows[0].customer):
        return Kind.EXPENSE
    if number[0] == "C":
        return Kind.CREDIT
    if rows[0].quantity < 0:
        return Kind.WRITE_OFF if Code.PRODUCT in codes else Kind.EMPTY
    if rows[0].customer or any(row.price for row in rows):
        return Kind.ORDER
    return Kind.FOUND if Code.PRODUCT in codes else Kind.EMPTY
