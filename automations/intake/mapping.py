"""A source's mapping: where each field of a report stands in a body, and what its codes mean.

Nothing is guessed: a value that no line of the mapping names, money without its currency or a time
without its zone is a problem, and the delivery waits for a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from automations.catalogue import catalogue_of, item_classes_of
from automations.conditions.fields import Field, Kind, ListField
from automations.connectors.redaction import pick_parts
from automations.intake.values import READ, Unmapped, money, translated
from automations.triggers import Feed

# What the engine fills itself.
OWN = ("source", "topic")
MOST_VALUES = 200
# More items of one list are no record of a shop's.
MOST_ITEMS = 500
# Leads from an item of a list to the whole message.
OUT = "^"
PATH = re.compile(r"[A-Za-z0-9_\-]{1,60}(\.[A-Za-z0-9_\-]{1,60}){0,9}", re.ASCII)


class Unusable(Exception):
    """A mapping that does not fit its feed; `errors` are sentences by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a mapping: a path in the body (`at`), or a constant (`is_`).

    `values` translate what the sender writes; when there are any, all others are unmapped. `minor`:
    an amount is in the currency's smallest unit.
    """

    at: str = ""
    is_: str = ""
    values: Mapping[str, str] | None = None
    minor: bool = False

    def getter(self, inside: bool) -> Callable[[Any], Any]:
        """What finds the value in a body; None where there is none.

        `inside`: it is handed an item of a list with the body around it, and ^ leads to the latter.
        """
        if self.is_:
            always = self.is_
            return lambda content: always
        parts = self.at.removeprefix(OUT).split(".")
        if not inside:
            return lambda content: pick_parts(content, parts)
        which = 1 if self.at.startswith(OUT) else 0
        return lambda content: pick_parts(content[which], parts)


def fields_of(feed: Feed) -> list[Field]:
    """The fields of a feed's report that a mapping fills, but for its lists."""
    return [known for known in catalogue_of(feed.report_class) if known.path not in OWN]


def lists_of(feed: Feed) -> list[ListField]:
    """The lists of a feed's report that a mapping fills."""
    return list(catalogue_of(feed.report_class).lists.values())


def items_of(known: ListField) -> list[Field]:
    """The fields of a list's items as a mapping names them: `lines.sku`."""
    return [
        replace(
            item,
            path=f"{known.path}.{item.path}",
            key=f"{known.path}.{item.key}",
            labels=(*known.labels, *item.labels),
        )
        for item in known.items.values()
    ]


def slots_of(field: Field) -> tuple[str, ...]:
    """What a field needs a line each for: money its amount and its currency."""
    return field.keys


def read_line(given: Any) -> Line:
    """A stored line."""
    kept = given if isinstance(given, dict) else {}
    values = kept.get("values") or None
    return Line(
        str(kept.get("at", "")), str(kept.get("is", "")), values, bool(kept.get("minor", False))
    )


class Reader:
    """A mapping, ready to read bodies; raises Unusable where it does not fit the feed."""

    def __init__(self, feed: Feed, mapping: Mapping[str, Any]) -> None:
        self.feed = feed
        fields, lists = fields_of(feed), lists_of(feed)
        wanted = [slot for field in fields for slot in slots_of(field)]
        wanted += [
            slot
            for known in lists
            for slot in (known.path, *(s for field in items_of(known) for s in slots_of(field)))
        ]
        self.lines = {slot: read_line(mapping[slot]) for slot in wanted if slot in mapping}
        if errors := {**dict(_problems(fields, self.lines)), **_list_problems(lists, self.lines)}:
            raise Unusable(errors)

        # Bodies come in thousands: what can be known of the lines is found out once.
        self._plan = [(field.path, _way(field, self.lines)) for field in fields]
        classes = item_classes_of(feed.report_class)
        self._plan += [
            (known.path, _list_way(known, classes[known.path], self.lines)) for known in lists
        ]

    def read(self, content: Any, source: str, topic: str) -> Any:
        """A report of the feed's class; raises Unmapped."""
        told: dict[str, Any] = {"source": source, "topic": topic}
        for path, way in self._plan:
            told[path] = way(content)
        return self.feed.report_class(**told)


def _way(field: Field, known: Mapping[str, Line], inside: bool = False) -> Callable[[Any], Any]:
    """How one field is read from a body."""
    lines = [known.get(slot) for slot in slots_of(field)]
    first = lines[0]
    if first is None:
        return lambda content: _absent(field, None)
    if field.kind is Kind.MONEY:
        return _money_way(field, first, lines[1], inside)
    raw_of, reading, line = first.getter(inside), READ[field.kind], first

    def way(content: Any) -> Any:
        raw = raw_of(content)
        if raw is None or raw == "":
            return _absent(field, line)
        return reading(field, translated(field, line.values, raw) if line.values else raw)

    return way


def _money_way(
    field: Field, amount: Line, currency: Line | None, inside: bool
) -> Callable[[Any], Any]:
    amount_of = amount.getter(inside)
    currency_of = currency.getter(inside) if currency is not None else _nothing
    codes = currency.values if currency is not None else None

    def way(content: Any) -> Any:
        raw = amount_of(content)
        if raw is None or raw == "":
            return _absent(field, amount)
        value = translated(field, amount.values, raw)
        code = translated(field, codes, currency_of(content))
        return money(field, value, code, minor=amount.minor)

    return way


def _list_way(
    known: ListField, item_class: type, lines: Mapping[str, Line]
) -> Callable[[Any], Any]:
    """How a list is read: each of its items by the same lines."""
    line = lines.get(known.path)
    if line is None:
        return lambda content: None
    raw_of = line.getter(inside=False)
    plan = [
        (path, _way(field, lines, inside=True))
        for path, field in zip(known.items, items_of(known), strict=True)
    ]

    def item(raw: Any, content: Any) -> Any:
        if not isinstance(raw, dict):
            raise Unmapped("It has no names.", f"{known.label}: one has no names")
        return item_class(**{path: way((raw, content)) for path, way in plan})

    def way(content: Any) -> Any:
        found = raw_of(content)
        if found is None and known.optional:
            return None
        if not isinstance(found, list):
            cause = f"{known.label}: no list"
            raise Unmapped(f"There is no list of {known.label.lower()} at “{line.at}”.", cause)
        if len(found) > MOST_ITEMS:
            cause = f"{known.label}: more than {MOST_ITEMS}"
            raise Unmapped(f"It has {len(found)} {known.label.lower()}, which is too many.", cause)
        return tuple(_numbered(item, number, raw, content) for number, raw in enumerate(found, 1))

    return way


def _numbered(item: Callable[[Any, Any], Any], number: int, raw: Any, content: Any) -> Any:
    """An item; what is wrong with it names its place in the list."""
    try:
        return item(raw, content)
    except Unmapped as error:
        says = f"Number {number} of the list: {error}"
        raise Unmapped(says, error.cause, value=error.lacks_value) from error


def _nothing(content: Any) -> None:
    return None


def _absent(field: Field, line: Line | None) -> Any:
    if field.optional:
        return None
    where = f" at “{line.at}”" if line and line.at else ""
    raise Unmapped(f"{field.label} is missing{where}.", f"{field.label} is missing")


def _problems(fields: list[Field], lines: Mapping[str, Line], inside: bool = False) -> Any:
    for field in fields:
        slots = slots_of(field)
        named = [slot for slot in slots if slot in lines]
        if not named and not field.optional:
            yield slots[0], f"Say where {field.label.lower()} stands."
        elif named and len(named) < len(slots):
            missing = next(slot for slot in slots if slot not in lines)
            yield missing, "An amount needs its currency, and a currency its amount."
        for slot in named:
            if said := _problem(field, lines[slot], inside):
                yield slot, said


def _problem(field: Field, line: Line, inside: bool) -> str:
    if bool(line.at) == bool(line.is_):
        return "Say where it stands, or what it always is."
    path = line.at.removeprefix(OUT) if inside else line.at
    if line.at and not PATH.fullmatch(path):
        return "A path is names and numbers with dots between: data.0.status."
    values = line.values or {}
    if len(values) > MOST_VALUES:
        return f"At most {MOST_VALUES} values can be told apart."
    known = {stored for stored, _ in field.choices}
    told = [*values.values(), *([line.is_] if line.is_ and not values else [])]
    wrong = [value for value in told if known and value not in known]
    if wrong:
        return f"“{wrong[0]}” is none of {', '.join(sorted(known))}."
    return ""


def _list_problems(lists: list[ListField], lines: Mapping[str, Line]) -> dict[str, str]:
    found: dict[str, str] = {}
    for known in lists:
        head, fields = lines.get(known.path), items_of(known)
        named = any(slot in lines for field in fields for slot in slots_of(field))
        if head is None:
            if named or not known.optional:
                found[known.path] = f"Say where the list of {known.label.lower()} stands."
            continue
        if not PATH.fullmatch(head.at):
            found[known.path] = "A list stands at a path of the message: data.items."
        found |= dict(_problems(fields, lines, inside=True))
    return found
