"""What inventory refuses. Each message is a sentence an operator can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class InventoryError(Exception):
    """A write that inventory refuses; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A SKU of which a place can't give what was asked."""

    sku_id: int
    code: str
    location: str
    wanted: int
    available: int

    def __str__(self) -> str:
        return f"{self.code}: {self.wanted} wanted, {max(self.available, 0)} available"


class StockShort(InventoryError):
    """Some SKU is short; `shortages` lists every one of them, not just the first."""

    def __init__(self, shortages: Sequence[Shortage]) -> None:
        self.shortages = tuple(shortages)
        places = sorted({shortage.location for shortage in shortages})
        listed = "; ".join(str(shortage) for shortage in shortages)
        super().__init__(f"Not enough stock in {', '.join(places)}. {listed}.")


class UnknownSku(InventoryError):
    """Codes that name no SKU. Case matters."""

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(codes)
        super().__init__(f"No SKU has the code {', '.join(codes)}. Upper and lower case differ.")
