"""What a list shows of a row, on the screen and in an export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from django.db.models import Model
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.money import Money

M = TypeVar("M", bound=Model)

Kind = Literal["text", "number", "money", "time", "code"]


@dataclass(frozen=True, slots=True)
class Column(Generic[M]):
    """One column.

    `value` is a function of the row or the name of its attribute (default: `key`); it may return
    HTML made by `backoffice.ui`. `sort` names the ordering fields, without them the column can't
    be sorted. `main` carries the link to the record; `wide` takes the room that is left.
    `export` gives the value of the CSV where `value` gives HTML. `money` fills two CSV columns.
    """

    key: str
    label: str
    value: Callable[[M], object] | str = ""
    sort: str | tuple[str, ...] = ()
    kind: Kind = "text"
    default: bool = True
    main: bool = False
    wide: bool = False
    export: Callable[[M], object] | None = None
    hint: str = ""

    @property
    def css(self) -> str:
        numeric = "num" if self.kind in ("number", "money") else ""
        mono = "mono" if self.kind == "code" else ""
        return " ".join(filter(None, (numeric, "wide" if self.wide else "", mono)))

    @property
    def ordering(self) -> tuple[str, ...]:
        return (self.sort,) if isinstance(self.sort, str) else self.sort

    def raw(self, row: M) -> object:
        if callable(self.value):
            return self.value(row)
        found: Any = row
        for name in (self.value or self.key).split("."):
            found = getattr(found, name, None)
        return found

    def cell(self, row: M) -> object:
        """The value as the screen shows it."""
        return show(self.raw(row))

    def exported(self, row: M) -> list[str]:
        """The value as text for a CSV: ISO times, plain numbers, money as amount and currency."""
        value = self.export(row) if self.export else self.raw(row)
        if self.kind == "money":
            if isinstance(value, Money):
                return [format(value.plain(), "f"), value.currency]
            return ["", ""]
        return [plain(value)]

    @property
    def export_labels(self) -> list[str]:
        return [self.label, f"{self.label} currency"] if self.kind == "money" else [self.label]


def show(value: object) -> object:
    """Any value in the house's form: a dash for nothing, times relative, numbers grouped."""
    shown: object = value
    match value:
        case None | "":
            shown = ui.NONE
        case SafeString():
            pass
        case bool():
            shown = "yes" if value else "no"
        case datetime():
            shown = ui.ago(value)
        case date():
            shown = ui.short_day(value)
        case timedelta():
            shown = ui.duration(value)
        case int() | Decimal():
            shown = f"{value:,}".replace("-", "−", 1)
    return shown


def plain(value: object) -> str:
    """Any value as plain text; an empty string for None."""
    match value:
        case None:
            return ""
        case SafeString():
            return strip_tags(value)
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
    return str(value)
