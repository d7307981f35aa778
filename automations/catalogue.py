"""What a trigger's payload class offers to conditions, and how a payload becomes stored facts.

`facts` is one flat JSON object of scalars and `lists` one JSON array of flat objects per list;
`conditions/fields.py` says how each kind is written. A payload's None is stored as null ("known
to be empty"), so that an absent key can mean "not stored then".
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from automations.conditions.fields import Catalogue, Facts, Field, Kind, ListField, Lists
from automations.conditions.values import read
from automations.triggers import Country, Source, Tags
from automations.writing import WRITTEN, Writer, writer_of
from backoffice.money import Money

# The sibling `previous_state` holds what `state` was before the fact.
PREVIOUS = "previous_"
Stored = tuple[dict[str, Any], dict[str, list[dict[str, Any]] | None]]

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
    lasting: bool

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
            bool(known.metadata.get("lasting")),
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
                    lasting=member.lasting,
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


def item_classes_of(payload_class: Any) -> dict[str, type]:
    """The dataclasses of the items of its own lists, by path."""
    return {
        member.name: member.item_class
        for member in _members(payload_class)
        if member.item_class is not None
    }


def catalogue_for(source: Source) -> Catalogue:
    """The fields that conditions on this trigger or scan may name."""
    return catalogue_of(source.payload_class)


def flat_value(field: Field, value: Any) -> dict[str, Any]:
    """One typed value, as `read` gives it, as an event stores it; None: known to be empty."""
    if field.kind is Kind.MONEY:
        written = (None, None) if value is None else (format(value.amount, "f"), value.currency)
        return dict(zip(field.keys, written, strict=True))
    if value is None or field.kind is Kind.DURATION:
        return {field.key: value}
    written_as = WRITTEN.get(field.kind)
    return {field.key: value if written_as is None else written_as(value)}


def _walk(owner: Any, path: str) -> Any:
    """An attribute along a path; None where a part on the way is None."""
    for name in path.split("."):
        if owner is None:
            return None
        owner = getattr(owner, name)
    return owner


@cache
def _plan(payload_class: Any) -> tuple[Writer, list[tuple[str, Writer]]]:
    """The writer of a payload class, and that of each list's items by path."""
    catalogue = catalogue_of(payload_class)
    lists = [(path, writer_of(known.items.values())) for path, known in catalogue.lists.items()]
    return writer_of(catalogue.fields.values()), lists


def flatten(payload: Any) -> Stored:
    """A payload as the `facts` and `lists` an event stores."""
    payload_class: Any = type(payload)
    write, lists = _plan(payload_class)
    kept: dict[str, list[dict[str, Any]] | None] = {}
    for path, items in lists:
        value = _walk(payload, path)
        kept[path] = None if value is None else [items(item) for item in value]
    return write(payload), kept


def flatten_now(source: Source, payload: Any, facts: Facts, lists: Lists) -> Stored:
    """A payload of now, with the source's `fixed` parts as an event told them."""
    now_facts, now_lists = flatten(payload)
    for part in source.fixed:
        under = f"{part}."
        now_facts |= {key: value for key, value in facts.items() if key.startswith(under)}
        now_lists |= {key: _copied(value) for key, value in lists.items() if key.startswith(under)}
    return now_facts, now_lists


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
