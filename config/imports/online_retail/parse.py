"""Reads the UCI Online Retail format: one line of one invoice per record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from config.imports.countries import country_code
from config.imports.problems import BadValue, Problem, UnreadableFile
from config.imports.source import Source

FORMAT = "online-retail"
LONDON = ZoneInfo("Europe/London")
COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
# The later edition of the same data set calls three columns otherwise.
_ALSO_CALLED = {"invoice": "InvoiceNo", "price": "UnitPrice", "sku": "StockCode"}
_INVOICE = re.compile(r"[CA]?\d{6}", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,9}", re.ASCII)
_PRICE = re.compile(r"-?\d{1,12}(\.\d{1,4}0*)?", re.ASCII)
_CUSTOMER = re.compile(r"(\d{1,10})(\.0)?", re.ASCII)
_STEP = 20_000
# Of units on a line and of pounds for one: what no sum of lines takes out of a column.
_MOST = 1_000_000
_FIRST_YEAR = 1970


class Row(NamedTuple):
    """One readable line. `row` is its place in its invoice, from 1, unreadable lines counted.

    `at` is UTC; `price` is GBP per unit with the decimals of the file; `customer` is empty for a
    guest; `country` is the file's name of it.
    """

    line: int
    row: int
    invoice: str
    code: str
    description: str
    quantity: int
    at: datetime
    price: Decimal
    customer: str
    country: str


@dataclass(slots=True)
class Parsed:
    """All readable rows in the file's order, and what could not be read."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bad_lines: int = 0
    blank_lines: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return len(self.rows) + self.bad_lines


@cache
def _invoice(text: str) -> str:
    if not _INVOICE.fullmatch(text):
        raise BadValue("An invoice number is six digits, with a C or an A before them or nothing.")
    return text


@cache
def _code(text: str) -> str:
    if not text or text != text.strip() or len(text) > 40 or "\0" in text:
        raise BadValue("A stock code is 1 to 40 characters without outer spaces.")
    return text


@cache
def _description(text: str) -> str:
    if "\0" in text or len(text) > 500:
        raise BadValue("The description holds a NUL byte or over 500 characters: shorten it.")
    return text


@cache
def _quantity(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise BadValue("A quantity is a whole number without separators, such as 12 or -3.")
    number = int(text)
    if number == 0:
        raise BadValue("A quantity of 0 moves and sells nothing: correct it or leave the line out.")
    if abs(number) > _MOST:
        raise BadValue(f"This is more than {_MOST:,} units on one line: check the number.")
    return number


@cache
def _price(text: str) -> Decimal:
    if not _PRICE.fullmatch(text):
        raise BadValue(
            "A price is digits with a point and at most four decimals, without sign of currency"
            " or separators, such as 2.55."
        )
    price = Decimal(text)
    if abs(price) > _MOST:
        raise BadValue(f"This is more than {_MOST:,} for one unit: check the number.")
    return price


@cache
def _customer(text: str) -> str:
    if not text:
        return ""
    match = _CUSTOMER.fullmatch(text)
    if not match:
        raise BadValue("A customer id is digits only; leave it empty for a sale without one.")
    return match[1]


@cache
def _country(text: str) -> str:
    country_code(text)
    return text.strip()


def _wall(text: str, date_format: str | None) -> datetime:
    if date_format is None:
        return datetime.fromisoformat(text)
    return datetime.strptime(text, date_format)  # noqa: DTZ007  # the file's times have no zone


def _times(date_format: str | None) -> Callable[[str], datetime]:
    """A reader of local London times, as UTC. `date_format` None means ISO, seconds optional."""
    latest = datetime.now(LONDON).replace(tzinfo=None) + timedelta(days=1)

    @lru_cache(maxsize=4096)
    def time(text: str) -> datetime:
        try:
            wall = _wall(text, date_format)
        except ValueError as error:
            wanted = date_format or "YYYY-MM-DD HH:MM:SS"
            raise BadValue(
                f"This is no date and time in the form {wanted}. If the whole file has another"
                " form, name it with --date-format, for example '%m/%d/%Y %H:%M'."
            ) from error
        if wall.tzinfo is not None:
            raise BadValue("Times are London wall-clock times: leave the zone out.")
        if not _FIRST_YEAR <= wall.year <= latest.year or wall > latest:
            raise BadValue("This was never a day of trade: check the year.")
        utc = wall.replace(tzinfo=LONDON).astimezone(UTC)
        if utc.astimezone(LONDON).replace(tzinfo=None) != wall:
            raise BadValue("This time never was: London's clocks went forward over it.")
        return utc

    return time


def parse(
    source: Source,
    *,
    date_format: str | None = None,
    progress: Callable[[int, int], None] = lambda lines, bytes_read: None,
) -> Parsed:
    """Read every line. Raises UnreadableFile where no line can be read for what it is."""
    parsed = Parsed()
    read = 0

    def on_bytes(seen: int) -> None:
        nonlocal read
        read = seen

    records = source.records(on_bytes)
    _, header = next(records)
    places = _places(header, parsed.notes)
    reader = _Reader(places, len(header), _times(date_format), source.encoding)
    for line, record in records:
        reader.read(line, record, parsed)
        if parsed.lines % _STEP == 0:
            progress(parsed.lines, read)
    progress(parsed.lines, read)
    return parsed


def _places(header: Sequence[str], notes: list[str]) -> tuple[int, ...]:
    """Where each of COLUMNS stands in the header."""
    _refuse_other_separators(header)
    wanted = {column.casefold(): column for column in COLUMNS}
    found: dict[str, int] = {}
    for place, title in enumerate(header):
        plain = re.sub(r"[\s_]", "", title).casefold()
        column = wanted.get(plain) or _ALSO_CALLED.get(plain)
        if column is None:
            notes.append(f"Column “{title}” is not known and was left aside.")
            continue
        if column in found:
            raise UnreadableFile(f"Two columns are called {column}. Rename or remove one.")
        found[column] = place
        if title != column:
            notes.append(f"Column “{title}” was read as {column}.")
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise UnreadableFile(
            f"The header lacks {', '.join(missing)}. Its columns are {', '.join(header)}; the"
            f" format wants {', '.join(COLUMNS)}."
        )
    return tuple(found[column] for column in COLUMNS)


def _refuse_other_separators(header: Sequence[str]) -> None:
    if len(header) > 1:
        return
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if sign in header[0]:
            raise UnreadableFile(f"The columns are separated by {name}. Save the file with commas.")


class _Reader:
    """Turns records into rows; one that fails is read again slowly, to name all that is wrong."""

    def __init__(
        self, places: tuple[int, ...], width: int, time: Callable[[str], datetime], encoding: str
    ) -> None:
        self._places = places
        self._width = width
        self._encoding = encoding
        self._seen: Counter[str] = Counter()
        self._parsers: tuple[Callable[[str], object], ...] = (
            _invoice, _code, _description, _quantity, time, _price, _customer, _country,
        )  # fmt: skip
        self._time = time

    def read(self, line: int, record: list[str], parsed: Parsed) -> None:
        if len(record) != self._width:
            if not record:
                parsed.blank_lines += 1
                return
            parsed.problems.append(
                Problem(
                    line,
                    "",
                    ",".join(record)[:200],
                    f"The line has {len(record)} fields, the header {self._width}: put a text with"
                    " a comma in double quotes, and every field in its place.",
                )
            )
            parsed.bad_lines += 1
            return
        invoice, code, description, quantity, at, price, customer, country = (
            record[place] for place in self._places
        )
        self._seen[invoice] += 1
        try:
            row = Row(
                line,
                self._seen[invoice],
                _invoice(invoice),
                _code(code),
                _description(description),
                _quantity(quantity),
                self._time(at),
                _price(price),
                _customer(customer),
                _country(country),
            )
            (code + description).encode()
        except (BadValue, UnicodeEncodeError):
            parsed.problems.extend(self._wrong(line, record))
            parsed.bad_lines += 1
            return
        parsed.rows.append(row)

    def _wrong(self, line: int, record: list[str]) -> list[Problem]:
        problems = []
        for column, place, parser in zip(COLUMNS, self._places, self._parsers, strict=True):
            value = record[place]
            try:
                value.encode()
                parser(value)
            except UnicodeEncodeError:
                shown = value.encode(errors="surrogateescape").decode("latin-1")
                says = (
                    f"This is not {self._encoding.removesuffix('-sig').upper()}. The bytes read"
                    f" as “{shown}” in Western European: save the file as UTF-8, or run again with"
                    " --encoding cp1252."
                )
                problems.append(Problem(line, column, shown, says))
            except BadValue as error:
                problems.append(Problem(line, column, value, str(error)))
        return problems
