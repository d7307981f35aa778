"""The fields conditions speak of: their kinds, their words and where an event stores them.

An event stores `facts`, one flat JSON object, and `lists`, one JSON array of flat objects per
list. A field's value stands under its path (`order.country`), except money, which takes two keys
(`order.total.amount` as a string, `order.total.currency`), so that SQL and Python compare plain
scalars. A key that is absent was not stored then; null is a value known to be empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

# JSON scalars by key; tags are the one array, of codes.
Facts = Mapping[str, Any]
Lists = Mapping[str, Sequence[Facts] | None]


class Kind(StrEnum):
    """What a field holds, and with that its operators and the form of its values.

    Stored and written as: date `2026-11-18`, time `09:01:58`, datetime UTC with microseconds and
    `Z`, duration whole seconds (ISO 8601 in documents), decimal a string, tags an array.
    """

    TEXT = "text"
    CHOICE = "choice"
    BOOL = "bool"
    WHOLE = "whole"
    DECIMAL = "decimal"
    MONEY = "money"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    DURATION = "duration"
    COUNTRY = "country"
    TAGS = "tags"


# Marks the facts of the whole event where a list's item is being judged.
OUTER = "^"


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `labels` lead to it (`Order`, `total`); `choices` are stored value and words.

    `previous` is the path of the field that holds the value before the fact, None where the
    payload carries none; `key` is where facts store it. `lasting`: its record keeps the value.
    """

    path: str
    kind: Kind
    labels: tuple[str, ...]
    choices: tuple[tuple[str, str], ...] = ()
    about: str = ""
    previous: str | None = None
    optional: bool = False
    key: str = ""
    lasting: bool = False

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.path)

    @property
    def label(self) -> str:
        return " › ".join(self.labels)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `facts` this field is read from."""
        if self.kind is Kind.MONEY:
            return (f"{self.key}.amount", f"{self.key}.currency")
        return (self.key,)


@dataclass(frozen=True, slots=True)
class ListField:
    """A list of the payload. `items` maps paths relative to the item to its fields."""

    path: str
    labels: tuple[str, ...]
    items: Mapping[str, Field]
    about: str = ""
    optional: bool = False

    @property
    def label(self) -> str:
        return " › ".join(self.labels)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The fields and lists a condition may name, by path."""

    fields: Mapping[str, Field]
    lists: Mapping[str, ListField] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def inside(self, path: str) -> Catalogue:
        """What a `where` sees: the item's own fields first, then the event's."""
        outer = {
            name: replace(known, key=OUTER + known.key)
            for name, known in self.fields.items()
            if not known.key.startswith(OUTER)
        }
        return Catalogue({**outer, **self.lists[path].items})

    def with_item(self, path: str) -> Catalogue:
        """What a step inside `for_each` sees: the event's fields and the item's as `item.…`."""
        items = {
            f"item.{name}": replace(
                known,
                path=f"item.{name}",
                key=f"item.{known.key}",
                previous=f"item.{known.previous}" if known.previous else None,
            )
            for name, known in self.lists[path].items.items()
        }
        return Catalogue({**self.fields, **items}, self.lists)


def item_facts(facts: Facts, item: Facts) -> dict[str, Any]:
    """The facts a step inside a loop reads: the event's, and the item's under `item.`."""
    return {**facts, **{f"item.{key}": value for key, value in item.items()}}
