"""Many prices from a file: every row is shown first, with what would become of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from backoffice import sheets
from backoffice.actors import Acting
from backoffice.money import Money
from backoffice.sheets import Row, SheetRefused, read_sheet, suspicious
from inventory.queries.skus import skus_by_code
from orders.models.channels import Channel
from orders.models.prices import PriceOrigin
from orders.queries.prices import Judged
from orders.services.errors import OrderError
from orders.services.prices import Outcome, Wanted, ask_prices, check_amount, foresee

COLUMNS: Mapping[str, Sequence[str]] = {
    "sku": ("sku", "product", "code", "article"),
    "store": ("store", "channel", "shop"),
    "price": ("price", "unit price", "amount", "new price"),
    "currency": ("currency",),
}
_PRICE = re.compile(r"\d{1,9}(\.\d{1,4})?", re.ASCII)


@dataclass(slots=True)
class Line:
    """One row. `problem` says why it can't be done; `says` what it would do.

    `waits` says why a person has to agree; `was` and `price` are printed as they would stand.
    """

    number: int
    sku: str
    store: str
    price: str
    currency: str = ""
    sku_id: int | None = None
    channel_id: int | None = None
    was: str = ""
    says: str = ""
    waits: str = ""
    problem: str = ""


class Sheet(sheets.Sheet[Line]):
    """A file as it was understood."""

    __slots__ = ()

    @property
    def waiting(self) -> list[Line]:
        return [line for line in self.good if line.waits]


def check(raw: bytes, store: Channel | None = None) -> Sheet:
    """Read a file and judge every row, changing nothing; raises SheetRefused.

    `store` is the channel of rows that name none.
    """
    found, rows = read_sheet(raw, COLUMNS)
    if not {"sku", "price"} <= found or ("store" not in found and store is None):
        raise SheetRefused(
            "The first line names the columns: SKU, price and store, or choose the store above. "
            "A currency may stand beside them."
        )
    if not rows:
        raise SheetRefused("The file has no rows under its head.")
    sheet = Sheet([_line(row, store) for row in rows])
    channels = _find(sheet.good)
    _refuse_twins(sheet.good)
    _refuse_amounts(sheet.good, channels)
    _foresee(sheet.good, channels)
    return sheet


def _line(row: Row, store: Channel | None) -> Line:
    line = Line(
        row.number, row["sku"], row["store"] or (store.key if store else ""), row["price"],
        row["currency"].upper(),
    )  # fmt: skip
    if not line.sku:
        line.problem = "Names no SKU."
    elif not line.store:
        line.problem = "Names no store."
    elif problem := suspicious(line.price) or suspicious(line.sku):
        line.problem = problem
    elif not _PRICE.fullmatch(line.price):
        line.problem = f"“{line.price[:20]}” is no price. Write it like 12.50."
    return line


def _find(lines: Sequence[Line]) -> dict[int, Channel]:
    skus = skus_by_code(line.sku for line in lines)
    channels = list(Channel.objects.filter(is_active=True).select_related("prices_from"))
    named = {name.lower(): each for each in channels for name in (each.name, each.key)}
    for line in lines:
        sku, channel = skus.get(line.sku), named.get(line.store.lower())
        if sku is None:
            line.problem = f"There is no SKU {line.sku}."
        elif channel is None:
            line.problem = f"There is no store {line.store}."
        elif line.currency and line.currency != channel.currency:
            line.problem = f"{channel} sells in {channel.currency}, not in {line.currency}."
        elif channel.prices_from is not None:
            line.problem = f"The prices of {channel} follow those of {channel.prices_from}."
        else:
            line.sku_id, line.channel_id = sku.pk, channel.pk
            line.currency = channel.currency
    return {channel.pk: channel for channel in channels}


def _refuse_twins(lines: Sequence[Line]) -> None:
    """A product that the file prices twice in a store: nobody can tell which is meant."""
    seen: dict[tuple[int | None, int | None], Line] = {}
    for line in lines:
        first = seen.setdefault((line.channel_id, line.sku_id), line)
        if first is not line:
            line.problem = f"{line.sku} stands in row {first.number} already."


def _refuse_amounts(lines: Sequence[Line], channels: Mapping[int, Channel]) -> None:
    for line in lines:
        try:
            check_amount(Decimal(line.price), channels[line.channel_id or 0])
        except OrderError as error:
            line.problem = str(error)


def _foresee(lines: Sequence[Line], channels: Mapping[int, Channel]) -> None:
    for line, judged in zip(lines, foresee([_wanted(line) for line in lines]), strict=True):
        price = Decimal(line.price)
        line.was = "" if judged.was is None else str(Money(judged.was, line.currency))
        line.waits = why_it_waits(judged, line.currency)
        if judged.was == price:
            line.says, line.waits = "Stays as it is", ""
        elif line.waits:
            line.says = "Waits for finance"
        else:
            line.says = "Is valid at once"


def why_it_waits(judged: Judged, currency: str) -> str:
    """What a person has to agree to, in a sentence; empty where nobody has to."""
    said = []
    if judged.over_variance:
        said.append(f"Moves by {judged.variance}%, more than {judged.allowed}%.")
    if judged.under_floor and judged.floor is not None:
        origin = "what it costs us" if judged.floor_from == "cost" else "the least price"
        said.append(f"Under {Money(judged.floor, currency)}, {origin}.")
    return " ".join(said)


def _wanted(line: Line) -> Wanted:
    return Wanted(line.channel_id or 0, line.sku_id or 0, Decimal(line.price))


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one row; `problem` empty when it was done."""

    number: int
    name: str
    says: str = ""
    problem: str = ""


def apply(lines: Sequence[Line], *, actor: Acting) -> list[Told]:
    """Ask for the prices of rows that were looked at; what is wrong with one stops no other."""
    try:
        done = _ask(lines, actor)
    except OrderError:
        return [told for line in lines for told in _one(line, actor)]
    return _told(lines, done)


def _one(line: Line, actor: Acting) -> Iterable[Told]:
    try:
        return _told([line], _ask([line], actor))
    except OrderError as error:
        return [Told(line.number, line.sku, problem=str(error))]


def _ask(lines: Sequence[Line], actor: Acting) -> Outcome:
    return ask_prices([_wanted(line) for line in lines], origin=PriceOrigin.FILE, actor=actor)


def _told(lines: Sequence[Line], done: Outcome) -> list[Told]:
    live = {(price.channel_id, price.sku_id) for price in done.live}
    waiting = {(change.channel_id, change.sku_id) for change in done.waiting}
    answers = []
    for line in lines:
        key = (line.channel_id, line.sku_id)
        says = "is valid" if key in live else "waits for finance" if key in waiting else "as it was"
        answers.append(Told(line.number, line.sku, says))
    return answers
