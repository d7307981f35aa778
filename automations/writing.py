"""Objects of a payload class as flat facts, written by code made for the class.

Each order that a rule touches tells fifty facts anew. Code that names each of them, as a dataclass
gets its `__init__`, writes them in half the time of a loop that looks up how each is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from automations.conditions.fields import Field, Kind
from automations.conditions.values import stored_instant

Writer = Callable[[Any], dict[str, Any]]


def digits(amount: Decimal) -> str:
    """A decimal without an exponent, which only the smallest and the largest ones have."""
    text = str(amount)
    return format(amount, "f") if "E" in text else text


def _plain(value: Any) -> Any:
    """A choice's member as the text or number it stands for."""
    return str(value) if isinstance(value, str) else int(value)


# How each kind is written where it is not stored as it is.
WRITTEN: dict[Kind, Callable[[Any], Any]] = {
    Kind.DECIMAL: digits,
    Kind.DATE: date.isoformat,
    Kind.TIME: lambda value: value.isoformat("seconds"),
    Kind.DATETIME: stored_instant,
    Kind.DURATION: lambda value: int(value.total_seconds()),
    Kind.TAGS: list,
}
_AS_IT_IS = frozenset({Kind.TEXT, Kind.CHOICE, Kind.COUNTRY, Kind.BOOL, Kind.WHOLE})
_PLAIN = frozenset({str, int, bool, type(None)})


def writer_of(fields: Iterable[Field]) -> Writer:
    """What writes the facts of one object; a part of it that is None makes all under it None."""
    known = list(fields)
    body = _lines("owner", "", known, "    ")
    source = "\n".join(["def write(owner):", "    facts = {}", *body, "    return facts"])
    names: dict[str, Any] = {"digits": digits, "plain": _plain, "PLAIN": _PLAIN}
    names |= {f"as_{kind.name}": written for kind, written in WRITTEN.items()}
    # Of the names in a payload class, which are Python's own identifiers, and of nothing else.
    exec(source, names)  # noqa: S102
    made: Writer = names["write"]
    return made


def _lines(owner: str, prefix: str, fields: list[Field], indent: str) -> list[str]:
    """Statements that write the fields whose paths begin with the prefix, from a variable."""
    lines: list[str] = []
    parts: dict[str, list[Field]] = {}
    for field in fields:
        name, _, rest = field.path.removeprefix(prefix).partition(".")
        if rest:
            parts.setdefault(name, []).append(field)
        else:
            lines += [indent + line for line in _line(f"{owner}.{name}", field)]
    for name, inner in parts.items():
        variable = f"{owner}_{name}"
        empty = [f"{indent}    facts[{key!r}] = None" for field in inner for key in field.keys]
        lines += [
            f"{indent}{variable} = {owner}.{name}",
            f"{indent}if {variable} is None:",
            *empty,
            f"{indent}else:",
            *_lines(variable, f"{prefix}{name}.", inner, indent + "    "),
        ]
    return lines


def _line(value: str, field: Field) -> list[str]:
    """Statements that write one field."""
    read = f"value = {value}"
    if field.kind in _AS_IT_IS:
        written = "value if value.__class__ in PLAIN else plain(value)"
        return [read, f"facts[{field.key!r}] = {written}"]
    empty = "None if value is None else"
    if field.kind is Kind.MONEY:
        amount, currency = field.keys
        return [
            read,
            f"facts[{amount!r}] = {empty} digits(value.amount)",
            f"facts[{currency!r}] = {empty} value.currency",
        ]
    return [read, f"facts[{field.key!r}] = {empty} as_{field.kind.name}(value)"]
