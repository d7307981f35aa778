"""The kinds of record that rules, timelines and cases speak of, by label (`orders.order`).

Each app registers its own in its `apps.py`, so that a screen can name, link and lock a record
without importing the app that owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of subject. Its model carries an integer `version` that each service raises.

    `label` is `app.model` in lower case; `number` is the field people know a record by;
    `url_name` takes that field's value as its only argument. `told` says how records stand, in
    words; None where nobody is told beside a link.
    """

    label: str
    noun: str
    number: str
    url_name: str
    view_permission: str
    told: Callable[[Iterable[int]], Mapping[int, str]] | None = None

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    def numbers(self, ids: Iterable[int]) -> dict[int, str]:
        """The numbers people know these records by; an id that is gone is left out."""
        rows = self.model._default_manager.filter(pk__in=set(ids)).values_list("pk", self.number)
        return {pk: str(number) for pk, number in rows}

    def url(self, number: str) -> str:
        return reverse(self.url_name, args=[number])

    def lock(self, ids: Iterable[int]) -> Sequence[Any]:
        """Lock records in the house's order (by key), inside the caller's transaction."""
        rows = self.model._default_manager.select_for_update(no_key=True, of=("self",))
        return list(rows.filter(pk__in=set(ids)).order_by("pk"))


_subjects: dict[str, Subject] = {}


def register(subject: Subject) -> None:
    """Add a kind of subject; raises ImproperlyConfigured when the label is taken or unknown."""
    if subject.label in _subjects:
        raise ImproperlyConfigured(f"Subject {subject.label} is registered twice.")
    apps.get_model(subject.label)
    _subjects[subject.label] = subject


def get(label: str) -> Subject:
    """The subject of this label; raises KeyError when no app registered it."""
    return _subjects[label]


def every() -> list[Subject]:
    return sorted(_subjects.values(), key=lambda subject: subject.label)
