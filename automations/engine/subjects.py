"""The records that runs act on: locked in the house's order, known by version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.db import connection
from psycopg import sql

from automations.engine import database
from backoffice import subjects


def lock(label: str, ids: Iterable[int]) -> dict[int, int]:
    """Lock records by key and answer their versions; one that is gone is left out."""
    return _versions(label, ids, sql.SQL(" ORDER BY {} FOR NO KEY UPDATE"))


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
    """The versions of a batch's locked subjects, read again only where a step has written."""

    def __init__(self, wanted: Mapping[str, Iterable[int]]) -> None:
        # By label and then by key: everyone locks in this order, so nobody waits in a circle.
        self._known = {label: lock(label, wanted[label]) for label in sorted(wanted)}
        self._touched: dict[str, set[int]] = defaultdict(set)

    def touch(self, label: str, ids: Iterable[int]) -> None:
        """These may have changed by our own hand."""
        self._touched[label].update(ids)

    def of(self, label: str, ids: Iterable[int]) -> dict[int, int]:
        """The versions as they are now; a record that is gone is left out."""
        known, wanted = self._known[label], set(ids)
        if stale := wanted & self._touched[label]:
            known.update(_versions(label, stale, sql.SQL("")))
            self._touched[label] -= stale
        return {key: known[key] for key in wanted if key in known}
