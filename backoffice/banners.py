"""What everybody has to know on every page while it lasts. Apps register what they have to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

# A page asks at most every few seconds; what has begun is told at once by the process it began in.
SECONDS = 5


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence, and the page to look at, in a word. It is told until its time."""

    text: str
    link: str
    word: str
    until: datetime


_tellers: list[Callable[[], list[Banner]]] = []


def register(teller: Callable[[], list[Banner]]) -> None:
    """Add a teller, which makes one cheap query."""
    if teller not in _tellers:
        _tellers.append(teller)


def shown() -> list[Banner]:
    """All there is to say now."""
    known: list[Banner] | None = cache.get(_key())
    if known is None:
        known = [banner for teller in _tellers for banner in teller()]
        cache.set(_key(), known, SECONDS)
    now = timezone.now()
    return [banner for banner in known if banner.until > now]


def forget() -> None:
    """Ask anew for the next page: something began or ended."""
    cache.delete(_key())


def _key() -> str:
    return f"banners:{connection.settings_dict['NAME']}"
