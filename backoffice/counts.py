"""Figures beside entries of the rail: how much work waits there for this person.

Each app registers its own in `apps.py`; the shell reads all of them at most every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.core.cache import cache

from backoffice.models import User

SECONDS = 15


@dataclass(frozen=True, slots=True)
class Count:
    """A figure in the rail. `alarm` prints it red; `word` follows it (`1 down`).

    `instead`: words that stand where the figure would say too little.
    """

    number: int
    alarm: bool = False
    word: str = ""
    instead: str = ""

    @property
    def said(self) -> str:
        """What the rail shows."""
        return self.instead or f"{self.number} {self.word}".strip()


_counters: dict[str, Callable[[User], Count | None]] = {}


def register(url_name: str, counter: Callable[[User], Count | None]) -> None:
    """Set the counter of a rail entry by its URL name; it must be one cheap query."""
    _counters[url_name] = counter


def counts(user: User, url_names: list[str], *, fresh: bool = False) -> dict[str, Count]:
    """The figures of these entries for this person, at most 15 s old; none is shown for zero."""
    key = _key(user)
    known: dict[str, Count] | None = None if fresh else cache.get(key)
    if known is None:
        found = {name: _counters[name](user) for name in url_names if name in _counters}
        known = {name: count for name, count in found.items() if count and count.number}
        cache.set(key, known, SECONDS)
    return known


def forget(user: User) -> None:
    """Count anew on this person's next page: they have just changed something."""
    cache.delete(_key(user))


def _key(user: User) -> str:
    return f"rail-counts:{user.pk}"
