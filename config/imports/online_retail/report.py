"""Accounts for every line of a file: how many of which kind, with their units and sums."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from config.imports.countries import country_code
from config.imports.online_retail.classify import Code, Document, Kind, code_of, is_familiar
from config.imports.online_retail.match import CAUSES, Credit
from config.imports.online_retail.parse import Parsed, Row

PENNY = Decimal("0.01")


class LineKind(StrEnum):
    """What one line turned out to be. Each line is of exactly one kind."""

    SOLD = "product sold"
    FREE = "given without charge on an order (price 0)"
    VOUCHER = "gift voucher sold"
    POSTAGE = "postage charged"
    MANUAL = "manual charge"
    OTHER_CHARGE = "other charge on an order"
    CANCELLED = "product of an order cancelled before shipping"
    RETURNED = "product returned, order found"
    RETURNED_PART = "product returned, order found for a part"
    STRAY = "product returned, no order found"
    POSTAGE_CREDIT = "postage credited"
    MANUAL_CREDIT = "manual credit"
    DISCOUNT = "discount credited"
    WRITE_OFF = "stock written off (price 0)"
    FOUND = "stock found or corrected upwards (price 0, no customer)"
    NOTHING = "price 0, no customer, no product: nothing to book"
    MARKETPLACE = "marketplace fee"
    BANK = "bank charge"
    COMMISSION = "commission"
    SAMPLES = "samples given"
    BAD_DEBT = "bad debt adjusted"


_CHARGES = {
    Code.PRODUCT: LineKind.SOLD,
    Code.VOUCHER: LineKind.VOUCHER,
    Code.POSTAGE: LineKind.POSTAGE,
    Code.MANUAL: LineKind.MANUAL,
}
_CREDITS = {
    Code.POSTAGE: LineKind.POSTAGE_CREDIT,
    Code.MANUAL: LineKind.MANUAL_CREDIT,
    Code.VOUCHER: LineKind.MANUAL_CREDIT,
    Code.DISCOUNT: LineKind.DISCOUNT,
}
_EXPENSES = {
    Code.MARKETPLACE: LineKind.MARKETPLACE,
    Code.BANK: LineKind.BANK,
    Code.COMMISSION: LineKind.COMMISSION,
    Code.SAMPLES: LineKind.SAMPLES,
    Code.BAD_DEBT: LineKind.BAD_DEBT,
}


def line_kinds(document: Document, credit: Credit | None) -> list[LineKind]:
    """The kind of each row of a document, in the order of its rows."""
    if credit is not None:
        return [_of_credit(row, credit) for row in document.rows]
    return [_of_plain(row, document.kind) for row in document.rows]


def _of_plain(row: Row, kind: Kind) -> LineKind:
    code = code_of(row.code)
    if kind is Kind.ORDER:
        return _CHARGES.get(code, LineKind.OTHER_CHARGE) if row.price else LineKind.FREE
    if kind in (Kind.EXPENSE, Kind.BAD_DEBT):
        return _EXPENSES[code]
    if code is not Code.PRODUCT:
        return LineKind.NOTHING
    return LineKind.WRITE_OFF if kind is Kind.WRITE_OFF else LineKind.FOUND


def _of_credit(row: Row, credit: Credit) -> LineKind:
    code = code_of(row.code)
    if code is not Code.PRODUCT:
        return _CREDITS.get(code) or _EXPENSES[code]
    if credit.cancels:
        return LineKind.CANCELLED
    if not any(stray.row is row for stray in credit.strays):
        return LineKind.RETURNED
    found = any(back.credit_row is row for back in credit.back)
    return LineKind.RETURNED_PART if found else LineKind.STRAY


@dataclass(slots=True)
class Tally:
    """Lines, units (signed, as in the file) and value (GBP, with the decimals of the file)."""

    lines: int = 0
    units: int = 0
    value: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)

    def add(self, row: Row) -> None:
        self.lines += 1
        self.units += row.quantity
        value = row.quantity * row.price
        self.value += value
        # Only the few prices of three or four decimals can leave a remainder.
        if -row.price.as_tuple().exponent > 2:  # type: ignore[operator]  # finite by the parser
            self.rounding += value - value.quantize(PENNY, rounding="ROUND_HALF_UP")

    def plus(self, other: Tally) -> Tally:
        return Tally(
            self.lines + other.lines,
            self.units + other.units,
            self.value + other.value,
            self.rounding + other.rounding,
        )


@dataclass(slots=True)
class Account:
    """What a file holds, by kind of line and of invoice."""

    lines: dict[LineKind, Tally] = field(default_factory=lambda: defaultdict(Tally))
    documents: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    remarks: dict[LineKind, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    customers: int = 0
    codes: int = 0
    countries: int = 0
    unknown_countries: dict[str, int] = field(default_factory=dict)
    unfamiliar_codes: dict[str, int] = field(default_factory=dict)
    bad_lines: int = 0
    blank_lines: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Tally:
        total = Tally()
        for tally in self.lines.values():
            total = total.plus(tally)
        return total


def account_for(
    parsed: Parsed, documents: Iterable[Document], credits: Mapping[str, Credit], bad_lines: int
) -> Account:
    """Count everything; `bad_lines` are the lines that are in no document."""
    account = Account(bad_lines=bad_lines, blank_lines=parsed.blank_lines, notes=list(parsed.notes))
    customers, codes, countries = set(), Counter[str](), Counter[str]()
    for document in documents:
        credit = credits.get(document.number)
        account.documents[_document_kind(document, credit)] += 1
        if credit is not None:
            account.causes.update(CAUSES[stray.cause] for stray in credit.strays)
            if credit.cancels:
                account.cancelled.append((credit.cancels, document.number))
        for row, kind in zip(document.rows, line_kinds(document, credit), strict=True):
            account.lines[kind].add(row)
            codes[row.code] += 1
            countries[row.country] += 1
            if not row.price:
                account.remarks[kind][row.description.strip().lower()] += 1
        if document.customer:
            customers.add(document.customer)
    account.customers, account.codes, account.countries = len(customers), len(codes), len(countries)
    account.unknown_countries = {n: count for n, count in countries.items() if not country_code(n)}
    account.unfamiliar_codes = {c: count for c, count in codes.items() if not is_familiar(c)}
    return account


def _document_kind(document: Document, credit: Credit | None) -> str:
    if credit is None:
        return document.kind.value
    if credit.cancels:
        return "credit: order cancelled before shipping"
    if credit.back:
        also = ", in part without one" if credit.strays else ""
        return f"credit: return of an order{also}"
    return "credit: return without an order" if credit.strays else "credit: money only"


def as_json(account: Account) -> dict[str, Any]:
    """The account as JSON values; sums are strings."""
    return {
        "lines_by_kind": {kind.value: _json(account.lines[kind]) for kind in _kinds(account)},
        "total": _json(account.total),
        "lines_not_loaded": account.bad_lines,
        "blank_lines": account.blank_lines,
        "invoices_by_kind": dict(sorted(account.documents.items())),
        "invoices": account.documents.total(),
        "customers": account.customers,
        "stock_codes": account.codes,
        "countries": account.countries,
        "countries_unknown": account.unknown_countries,
        "unfamiliar_codes": account.unfamiliar_codes,
        "returns_without_order_by_cause": dict(account.causes),
        "cancelled_orders": [list(pair) for pair in account.cancelled],
        "remarks_on_price_zero": {
            kind.value: dict(words.most_common(25)) for kind, words in account.remarks.items()
        },
        "notes": account.notes,
    }


def _kinds(account: Account) -> list[LineKind]:
    return [kind for kind in LineKind if account.lines.get(kind)]


def _json(tally: Tally) -> dict[str, Any]:
    return {
        "lines": tally.lines,
        "units": tally.units,
        "value": format(tally.value, "f"),
        "rounded_away": format(tally.rounding, "f"),
    }


def as_text(account: Account) -> str:
    """The account as a table for a terminal."""
    width = max(len(kind.value) for kind in LineKind)
    rule = "-" * (width + 42)
    out = [f"{'line':<{width}}  {'lines':>9}  {'units':>11}  {'GBP':>16}", rule]
    out += [_row(kind.value, account.lines[kind], width) for kind in _kinds(account)]
    out += [rule, _row("all lines", account.total, width), ""]
    out += [f"{kind:<{width}}  {n:>9,}" for kind, n in sorted(account.documents.items())]
    out += [rule, f"{'all invoices':<{width}}  {account.documents.total():>9,}", ""]
    out.append(
        f"{account.customers:,} customers, {account.codes:,} stock codes,"
        f" {account.countries:,} countries; {account.bad_lines:,} lines could not be read or placed"
    )
    out += _remarks(account)
    return "\n".join(out)


def _row(title: str, tally: Tally, width: int) -> str:
    return f"{title:<{width}}  {tally.lines:>9,}  {tally.units:>11,}  {tally.value:>16,f}"


def _remarks(account: Account) -> list[str]:
    total = account.total
    out = [f"{cause}: {count:,}" for cause, count in sorted(account.causes.items())]
    if total.rounding:
        out.append(
            f"GBP {total.rounding:f} is rounded away: prices of more than two decimals are kept on"
            " their lines, and each line is rounded half up to the penny"
        )
    for what, found in (
        ("Countries kept as unknown", account.unknown_countries),
        ("Codes of an unknown form, taken for products", account.unfamiliar_codes),
    ):
        if found:
            out.append(f"{what}: " + ", ".join(f"{k} ({n:,} lines)" for k, n in found.items()))
    return out + account.notes


def write_report(document: Mapping[str, Any], account: Account, path: Path) -> None:
    """Write the report as JSON at `path`, and its table of lines as CSV beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "lines", "units", "value", "rounded_away"])
        for kind in _kinds(account):
            tally = account.lines[kind]
            writer.writerow([kind.value, tally.lines, tally.units, tally.value, tally.rounding])
        total = account.total
        writer.writerow(["all lines", total.lines, total.units, total.value, total.rounding])
