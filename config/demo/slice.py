"""The part of the Online Retail data that ships with the project, and what is invented about it."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TextIO

from config.demo.people import person
from config.imports.online_retail.classify import Document, Kind
from config.imports.online_retail.load import Dress
from config.imports.online_retail.match import stockable
from config.imports.online_retail.run import Understood, understand
from config.imports.source import open_source
from inventory.services.skus import NewSku
from orders.models.customers import Customer
from orders.services.customers import NewCustomer
from orders.services.drafts import Address

FILE = Path(__file__).parent / "data" / "online-retail-slice.csv.gz"
# Three weeks of history come before this moment of the file; what follows arrives live.
HISTORY_ENDS = datetime(2011, 12, 4, tzinfo=UTC)
# The orders of this last day are open when the demonstration begins.
NOW = datetime(2011, 12, 5, tzinfo=UTC)
_FRAGILE = re.compile(r"\b(GLASS|CERAMIC|PORCELAIN|CHINA|MIRROR|BOTTLE|VASE|JUG|TEACUP|MUG)S?\b")
# One product in so many is delivered too thinly, so that stock runs short now and then.
_THIN = 12


@dataclass(frozen=True)
class Slice:
    """The file, read and understood."""

    understood: Understood

    @cached_property
    def open_orders(self) -> list[Document]:
        """Orders of the last day, oldest first."""
        return [each for each in self._orders if HISTORY_ENDS <= each.at < NOW]

    @cached_property
    def coming_orders(self) -> list[Document]:
        """Orders that arrive while the demonstration runs, oldest first."""
        return [each for each in self._orders if each.at >= NOW]

    @property
    def _orders(self) -> list[Document]:
        return [each for each in self.understood.documents if each.kind is Kind.ORDER]

    def last_before(self, moment: datetime) -> datetime:
        """When the last invoice before a moment of the file was written."""
        return max(each.at for each in self.understood.documents if each.at < moment)

    @cached_property
    def weekly_sales(self) -> dict[str, int]:
        """Units sold per week, by code, over the whole slice."""
        units = units_by_code(self._orders)
        weeks = (self.last_before(datetime.max.replace(tzinfo=UTC)) - self._orders[0].at).days / 7
        return {code: round(count / weeks) for code, count in units.items()}

    def shift(self, now: datetime) -> timedelta:
        """What to add to the file's times so that its last open order came just now."""
        return timedelta(seconds=round((now - self.last_before(NOW)).total_seconds()))

    @cached_property
    def reorder_points(self) -> dict[str, int]:
        """Two days' sales of each product, by code."""
        return {code: max(sold * 2 // 7, 2) for code, sold in self.weekly_sales.items()}

    def opening_delivery(self) -> dict[str, int]:
        """What fills the shelves on the first day: most stand well above their reorder point."""
        coming = units_by_code(self.open_orders)
        return {
            code: coming.get(code, 0) + (0 if is_thin(code) else 3 * point)
            for code, point in self.reorder_points.items()
            if code in coming or not is_thin(code)
        }

    @property
    def dress(self) -> Dress:
        return Dress(address=address, customer=customer, sku=self.sku)

    def sku(self, code: str, name: str) -> NewSku:
        """A product: fragile by its words, with a reorder point of two days' sales."""
        return NewSku(
            code=code,
            name=name,
            is_fragile=bool(_FRAGILE.search(name.upper())),
            reorder_point=self.reorder_points.get(code, 2),
        )


def read_slice(path: Path, out: TextIO) -> Slice:
    return Slice(understand(open_source(path), out))


def units_by_code(orders: Iterable[Document]) -> dict[str, int]:
    """Units of goods in these orders."""
    units: dict[str, int] = defaultdict(int)
    for document in orders:
        for row in document.rows:
            if stockable(row):
                units[row.code] += row.quantity
    return units


def next_delivery(coming: Iterable[Document]) -> dict[str, int]:
    """What the coming orders need; of some products too little, so that stock runs short."""
    return {
        code: max(units * (6 if is_thin(code) else 11) // 10, 1)
        for code, units in units_by_code(coming).items()
    }


def is_thin(code: str) -> bool:
    return chance(code, _THIN) == 0


def chance(text: str, sides: int) -> int:
    """A number below `sides` that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % sides


def customer(number: str, country: str) -> NewCustomer:
    """An invented customer for a number of the file."""
    found = person(number, country)
    kind = Customer.Kind.COMPANY if found.is_company else Customer.Kind.PERSON
    return NewCustomer(
        number,
        found.name,
        found.email,
        country,
        kind,
        postcode=found.postcode,
        has_login=chance(f"{number}/account", 3) != 0,
    )


def address(number: str, country: str) -> Address:
    """An invented address for a number of the file; for a guest only the country."""
    if not number:
        return Address(country=country)
    found = person(number, country)
    return Address(found.name, found.lines, found.city, found.postcode, country)
