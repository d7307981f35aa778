"""The language that segments are written in. The engine has it; who knows the engine brings it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet

from orders.models.customers import Customer
from orders.models.segments import Segment


class Choosable(Protocol):
    """A field of a customer that a condition may name."""

    @property
    def path(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def operators(self) -> Sequence[tuple[str, str]]: ...
    @property
    def takes(self) -> Mapping[str, str]: ...
    @property
    def choices(self) -> Sequence[tuple[str, str]]: ...


class Language(Protocol):
    """Conditions over customers; what can't be judged raises BadSegment."""

    def choosable(self) -> Sequence[Choosable]: ...

    def operand(self, path: str, op: str, text: str, currency: str) -> Any: ...

    def refuse_unfit(self, condition: Any) -> None: ...

    def in_words(self, condition: Any) -> str: ...

    def matching(self, condition: Any, now: datetime) -> Iterator[int]: ...


_spoken: list[Language] = []


def speak(language: Language) -> None:
    """Bring the language; called once when the apps are ready."""
    _spoken[:] = [language]


def language() -> Language:
    """The language of conditions; raises ImproperlyConfigured before one was brought."""
    if not _spoken:
        raise ImproperlyConfigured("Nobody has brought the language of segments.")
    return _spoken[0]


def members_of(segment: Segment) -> QuerySet[Customer]:
    """Who is in a segment, those with the highest spend first."""
    rows = Customer.objects.filter(segments__segment=segment)
    return rows.order_by("-lifetime_spend", "pk")
