"""Names and addresses of records by label and id, for screens that must not import their app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backoffice import subjects

if TYPE_CHECKING:
    from backoffice.models import User


@dataclass(frozen=True, slots=True)
class Link:
    """A record's name and page. `url` is empty where this person may not open it."""

    text: str
    url: str


Resolver = Callable[[set[int]], Mapping[int, Link]]

_resolvers: dict[str, Resolver] = {}


def register(label: str, resolver: Resolver) -> None:
    """Name the records of a label that is no subject, such as `automations.run`; one query."""
    _resolvers[label] = resolver


def resolve(
    wanted: Iterable[tuple[str, int]], user: User | None = None
) -> dict[tuple[str, int], Link]:
    """The links of these records, in one query for each label; what is gone is left out.

    `user` None: whoever reads them may open them all.
    """
    return {
        (label, pk): link if user is None or _opens(label, user) else Link(link.text, "")
        for label, ids in _by_label(wanted).items()
        for pk, link in _of(label, ids).items()
    }


def standing(wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """How these records stand, in words, where their app tells; in one query for each label."""
    found = {}
    for label, ids in _by_label(wanted).items():
        subject = _subject(label)
        if subject is not None and subject.told is not None:
            found.update({(label, pk): words for pk, words in subject.told(ids).items()})
    return found


def _by_label(wanted: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    by_label: dict[str, set[int]] = {}
    for label, pk in wanted:
        by_label.setdefault(label, set()).add(pk)
    return by_label


def _subject(label: str) -> subjects.Subject | None:
    try:
        return subjects.get(label)
    except KeyError:
        return None


def _opens(label: str, user: User) -> bool:
    subject = _subject(label)
    return subject is None or user.has_perm(subject.view_permission)


def _of(label: str, ids: set[int]) -> Mapping[int, Link]:
    if label in _resolvers:
        return _resolvers[label](ids)
    subject = _subject(label)
    if subject is None:
        return {}
    return {
        pk: Link(f"{subject.noun} {number}", subject.url(number))
        for pk, number in subject.numbers(ids).items()
    }
