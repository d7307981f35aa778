"""What everybody has to know on every page while it lasts. Apps register what they have to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence, and the page to look at."""

    text: str
    link: str
    word: str


_tellers: list[Callable[[], list[Banner]]] = []


def register(teller: Callable[[], list[Banner]]) -> None:
    """Add a teller: one cheap query, asked for each page."""
    if teller not in _tellers:
        _tellers.append(teller)


def shown() -> list[Banner]:
    """All there is to say now."""
    return [banner for teller in _tellers for banner in teller()]
