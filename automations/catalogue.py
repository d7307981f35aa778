"""What a trigger's payload class offers to conditions, and how a payload becomes stored facts.

`facts` is one flat JSON object of scalars and `lists` one JSON array of flat objects per list;
`conditions/fields.py` says how each kind is written. A payload's None is stored as null ("known
to be empty"), so that an absent key can mean "not stored then".
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from automations.conditions.fields import Catalogue, Facts, Field, Kind, ListField, Lists
from automations.conditions.values import read, stored_instant
from automations.triggers import Country, Source, Tags
from backoffice.money import Money

# The sibling `previous_state` holds what `state` was before the fact.
PREVIOUS = "previous_"
Stored = tuple[dict[str, Any], dict[str, list[dict[str, Any]] | None]]
_Write = Callable[[Any, dict[str, Any]], None]

_KINDS: dict[Any, Kind] = {
    str: Kind.TEXT,
    bool: Kind.BOOL,
    int: Kind.WHOLE,
    Decimal: Kind.DECIMAL,
    Money: Kind.MONEY,
    date: Kind.DATE,
    time: Kind.TIME,
    datetime: Kind.DATETIME,
    timedelta: Kind.DURATION,
    Country: Kind.COUNTRY,
    Tags: Kind.TAGS,
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Member:
    """One attribute of a payload class, its type unwrapped."""

    name: str
    type: Any
    optional: bool
    label: str
    choices: tuple[tuple[str, str], ...]
    about: str

    @property
    def kind(self) -> Kind | None:
        kind = _KINDS.get(self.type)
        return Kind.CHOICE if kind is Kind.TEXT and self.choices else kind

    @property
    def item_class(self) -> type | None:
        """The dataclass of a list's items, None when the member is no list."""
        if typing.get_origin(self.type) is not tuple:
            return None
        inner = typing.get_args(self.type)
        return inner[0] if len(inner) == 2 and dataclasses.is_dataclass(inner[0]) else None


def _unwrapped(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        if len(inner) == 1:
            return inner[0], True
    return hint, False


def _members(payload_class: Any) -> Iterator[_Member]:
    hints = typing.get_type_hints(payload_class)
    for known in dataclasses.fields(payload_class):
        kind, optional = _unwrapped(hints[known.name])
        label = known.metadata.get("label") or known.name.replace("_", " ").capitalize()
        yield _Member(
            known.name,
            kind,
            optional,
            str(label),
            tuple((str(stored), str(words)) for stored, words in known.metadata.get("choices", ())),
            str(known.metadata.get("about", "")),
        )


def _under(labels: tuple[str, ...], label: str) -> tuple[str, ...]:
    """Labels and one more, without repeating: `Order number` under `Order` adds `Number`."""
    words = label.split()
    own = [word.lower().removesuffix("'s").removesuffix("’s") for word in words]
    before = labels[-1].lower().split() if labels else []
    for size in range(min(len(before), len(words)), 0, -1):
        if before[-size:] == own[:size]:
            rest = " ".join(words[size:])
            return (*labels, rest[:1].upper() + rest[1:]) if rest else labels
    return (*labels, label)


class _Reader:
    """Collects the fields of a payload class, depth first."""

    def __init__(self) -> None:
        self.fields: dict[str, Field] = {}
        self.lists: dict[str, ListField] = {}

    def read(
        self, owner: Any, prefix: str, labels: tuple[str, ...], optional: bool, top: bool
    ) -> None:
        members = list(_members(owner))
        names = {member.name for member in members}
        for member in members:
            path, words = prefix + member.name, _under(labels, member.label)
            maybe = optional or member.optional
            if (kind := member.kind) is not None:
                before = PREVIOUS + member.name
                self.fields[path] = Field(
                    path,
                    kind,
                    words,
                    member.choices,
                    member.about,
                    prefix + before if before in names else None,
                    maybe,
                )
            elif member.item_class is not None and top:
                inner = _Reader()
                inner.read(member.item_class, "", (), False, False)
                self.lists[path] = ListField(path, words, inner.fields, member.about, maybe)
            elif dataclasses.is_dataclass(member.type):
                self.read(member.type, f"{path}.", words, maybe, top)
            else:
                raise ImproperlyConfigured(
                    f"{owner.__name__}.{member.name}: {member.type!r} can't be part of a payload."
                )


@cache
def catalogue_of(payload_class: Any) -> Catalogue:
    """The fields a payload class offers; raises ImproperlyConfigured for a type it can't hold."""
    reader = _Reader()
    reader.read(payload_class, "", (), False, True)
    return Catalogue(reader.fields, reader.lists)


def catalogue_for(source: Source) -> Catalogue:
    """The fields that conditions on this trigger or scan may name."""
    return catalogue_of(source.payload_class)


# How each kind is written; text, bool and whole numbers go as they are.
_WRITTEN: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: str,
    Kind.CHOICE: str,
    Kind.BOOL: bool,
    Kind.WHOLE: int,
    Kind.COUNTRY: str,
    Kind.DECIMAL: lambda value: format(value, "f"),
    Kind.DATE: date.isoformat,
    Kind.TIME: lambda value: value.isoformat("seconds"),
    Kind.DATETIME: stored_instant,
    Kind.DURATION: lambda value: int(value.total_seconds()),
    Kind.TAGS: list,
}


def _money_writer(name: str, key: str) -> _Write:
    amount_key, currency_key = f"{key}.amount", f"{key}.currency"

    def write(owner: Any, facts: dict[str, Any]) -> None:
        value = getattr(owner, name) if owner is not None else None
        facts[amount_key] = None if value is None else format(value.amount, "f")
        facts[currency_key] = None if value is None else value.currency

    return write


def _scalar_writer(name: str, key: str, kind: Kind) -> _Write:
    written = _WRITTEN[kind]

    def write(owner: Any, facts: dict[str, Any]) -> None:
        value = getattr(owner, name) if owner is not None else None
        facts[key] = None if value is None else written(value)

    return write


def _nested_writer(name: str, writers: list[_Write]) -> _Write:
    def write(owner: Any, facts: dict[str, Any]) -> None:
        inner = getattr(owner, name) if owner is not None else None
        for part in writers:
            part(inner, facts)

    return write


def _writers(payload_class: Any, prefix: str) -> list[_Write]:
    found: list[_Write] = []
    for member in _members(payload_class):
        path = prefix + member.name
        if member.kind is Kind.MONEY:
            found.append(_money_writer(member.name, path))
        elif member.kind is not None:
            found.append(_scalar_writer(member.name, path, member.kind))
        elif member.item_class is None:
            found.append(_nested_writer(member.name, _writers(member.type, f"{path}.")))
    return found


@cache
def _plan(payload_class: Any) -> tuple[list[_Write], list[tuple[str, list[str], list[_Write]]]]:
    """The writers of a payload class, and for each list its path, attributes and item writers."""
    lists = []
    for path in catalogue_of(payload_class).lists:
        item_class = _item_class(payload_class, path.split("."))
        lists.append((path, path.split("."), _writers(item_class, "")))
    return _writers(payload_class, ""), lists


def _item_class(owner: Any, names: list[str]) -> Any:
    member = next(member for member in _members(owner) if member.name == names[0])
    return member.item_class if len(names) == 1 else _item_class(member.type, names[1:])


def _written(owner: Any, writers: Iterable[_Write]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for write in writers:
        write(owner, facts)
    return facts


def flatten(payload: Any) -> Stored:
    """A payload as the `facts` and `lists` an event stores."""
    payload_class: Any = type(payload)
    writers, lists = _plan(payload_class)
    kept: dict[str, list[dict[str, Any]] | None] = {}
    for path, names, item_writers in lists:
        value = payload
        for name in names:
            value = getattr(value, name) if value is not None else None
        kept[path] = None if value is None else [_written(item, item_writers) for item in value]
    return _written(payload, writers), kept


def typed(catalogue: Catalogue, facts: Facts) -> dict[str, Any]:
    """Stored facts as typed values by path; what is missing or of a wrong type is None."""
    return {path: read(field, facts) for path, field in catalogue.fields.items()}


# From version n to n+1; pure, and kept as long as events of version n are.
Upcaster = Callable[[dict[str, Any], dict[str, Any]], Stored]


def upcast(source: Source, version: int, facts: Facts, lists: Lists) -> Stored:
    """Facts of an older payload version in today's form; raises KeyError without an upcaster."""
    stored: Stored = dict(facts), {path: _copied(items) for path, items in lists.items()}
    upcasters: Mapping[int, Upcaster] = source.upcasters
    for step in range(version, source.version):
        stored = upcasters[step](*stored)
    return stored


def _copied(items: Any) -> list[dict[str, Any]] | None:
    return None if items is None else [dict(item) for item in items]
