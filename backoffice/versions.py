"""Stale forms: a change based on what someone saw a while ago."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

LONGEST = 18  # digits of a bigint that always fits


class Versioned(Protocol):
    pk: int
    version: int


class StaleVersion(Exception):
    """The record changed since the form was opened; nothing was done. A screen answers 409."""


def whole(text: str) -> int | None:
    """A key or a version as an address writes it; None for what can be neither."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST else None


def refuse_stale(rows: Iterable[Versioned], seen: Mapping[int, int] | None) -> None:
    """Compare locked records with the versions a form showed; raises StaleVersion for the first.

    `seen` maps ids to versions; None, or an id left out, asks for no comparison.
    """
    for row in rows:
        expected = (seen or {}).get(row.pk)
        if expected is not None and expected != row.version:
            raise StaleVersion(
                f"{row} has changed since you opened it. Reload the page, look at what changed "
                "and try again."
            )
