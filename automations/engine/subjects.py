"""The records that runs act on: locked in the house's order, known by version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db import connection
from psycopg import sql

from automations.engine import database
from backoffice import subjects

LOCK = sql.SQL(" ORDER BY {} FOR NO KEY UPDATE SKIP LOCKED")
NO_LOCK = sql.SQL("")


def _versions(label: str, ids: Iterable[int], ending: sql.SQL) -> dict[int, int]:
    """By hand, as the ORM would bind each id on its own."""
    meta = subjects.get(label).model._meta
    key = sql.Identifier(str(meta.pk.column))
    query = sql.SQL("SELECT {}, version FROM {} WHERE {} = ANY(%s::bigint[])")
    whole = query.format(key, sql.Identifier(meta.db_table), key) + ending.format(key)
    with connection.cursor() as cursor:
        cursor.execute(whole.as_string(cursor.connection), [database.ids(ids)])
        return dict(cursor.fetchall())


class Versions:
    """The versions of a batch's subjects, read again only where a step has written.

    What someone else holds right now is `busy`: its runs come later, instead of all waiting here.
    """

    def __init__(self, wanted: Mapping[str, Iterable[int]]) -> None:
        self._known: dict[str, dict[int, int]] = {}
        self._busy: set[tuple[str, int]] = set()
        self._touched: dict[str, set[int]] = defaultdict(set)
        # By label and then by key: everyone locks in this order, so nobody waits in a circle.
        for label in sorted(wanted):
            self._known[label] = _versions(label, wanted[label], LOCK)
            missing = set(wanted[label]) - set(self._known[label])
            if missing:
                there = _versions(label, missing, NO_LOCK)
                self._busy.update((label, key) for key in there)

    def busy(self, label: str, key: int) -> bool:
        """Whether someone else holds this record."""
        return (label, key) in self._busy

    def touch(self, label: str, ids: Iterable[int]) -> None:
        """These may have changed by our own hand."""
        self._touched[label].update(ids)

    def of(self, label: str, ids: Iterable[int]) -> dict[int, int]:
        """The versions as they are now; a record that is gone is left out."""
        known, wanted = self._known[label], set(ids)
        if stale := wanted & self._touched[label]:
            known.update(_versions(label, stale, NO_LOCK))
            self._touched[label] -= stale
        return {key: known[key] for key in wanted if key in known}
