"""Names and addresses of records by label and id, for screens that must not import their app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from backoffice import subjects


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    url: str


Resolver = Callable[[set[int]], Mapping[int, Link]]

_resolvers: dict[str, Resolver] = {}


def register(label: str, resolver: Resolver) -> None:
    """Name the records of a label that is no subject, such as `automations.run`; one query."""
    _resolvers[label] = resolver


def resolve(wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Link]:
    """The links of these records, in one query for each label; what is gone is left out."""
    by_label: dict[str, set[int]] = {}
    for label, pk in wanted:
        by_label.setdefault(label, set()).add(pk)
    return {
        (label, pk): link for label, ids in by_label.items() for pk, link in _of(label, ids).items()
    }


def _of(label: str, ids: set[int]) -> Mapping[int, Link]:
    if label in _resolvers:
        return _resolvers[label](ids)
    try:
        subject = subjects.get(label)
    except KeyError:
        return {}
    return {
        pk: Link(f"{subject.noun} {number}", subject.url(number))
        for pk, number in subject.numbers(ids).items()
    }
