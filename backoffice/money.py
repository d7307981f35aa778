"""The one value type for money: an exact amount in one currency."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import total_ordering

from babel.numbers import format_currency, get_currency_precision

# More than any amount a column holds, and less than NaN, which PostgreSQL puts above all numbers.
BEYOND = Decimal(10) ** 15


class CurrencyMismatch(ValueError):
    """Two currencies met where only one can stand; comparing them would be a guess."""


# Codes that are of the right form: checked once, as amounts are made by the million.
_SEEN: set[str] = set()


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units of an ISO 4217 currency; only `rounded()` rounds it."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"An amount of money is a Decimal, not {type(self.amount).__name__}.")
        if self.currency not in _SEEN:
            if len(self.currency) != 3 or not self.currency.isupper():
                raise ValueError(f"{self.currency!r} is no ISO 4217 currency code.")
            _SEEN.add(self.currency)

    def _same(self, other: Money) -> Decimal:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} can't be combined.")
        return other.amount

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, factor: int | Decimal) -> Money:
        return Money(self.amount * factor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __bool__(self) -> bool:
        return self.amount != 0

    def rounded(self) -> Money:
        """Round half up to the currency's minor unit (ISO 4217: JPY 0, GBP 2, KWD 3 digits)."""
        step = Decimal(1).scaleb(-get_currency_precision(self.currency))
        return Money(self.amount.quantize(step, rounding=ROUND_HALF_UP), self.currency)

    def plain(self) -> Decimal:
        """The amount with as many digits as the currency has, and more only where they count."""
        rounded = self.rounded()
        return rounded.amount if rounded == self else self.amount

    def as_json(self) -> dict[str, str]:
        """The amount as a string beside its currency, as every document and payload stores it."""
        return {"amount": format(self.amount, "f"), "currency": self.currency}

    @classmethod
    def from_json(cls, value: object) -> Money:
        """Read what `as_json` wrote; raises ValueError for anything else."""
        match value:
            case {"amount": str(amount), "currency": str(currency)}:
                try:
                    number = Decimal(amount)
                except InvalidOperation as error:
                    raise ValueError(f"{amount!r} is no amount.") from error
                if not number.is_finite():
                    raise ValueError(f"{amount!r} is no amount.")
                return cls(number, currency)
        raise ValueError('Money is written {"amount": "12.50", "currency": "GBP"}.')

    def __str__(self) -> str:
        shown: str = format_currency(self.amount, self.currency, locale="en_GB")
        return shown.replace("-", "−", 1)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Sum amounts of one currency; zero of that currency when there are none."""
    result = Money(Decimal(0), currency)
    for amount in amounts:
        result = result + amount
    return result
