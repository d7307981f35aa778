"""The records that runs act on: locked in the house's order, known by version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from backoffice import subjects


def lock(label: str, ids: Iterable[int]) -> dict[int, int]:
    """Lock records by key and answer their versions; one that is gone is left out."""
    rows = subjects.get(label).model._default_manager.select_for_update(no_key=True, of=("self",))
    found = rows.filter(pk__in=set(ids)).order_by("pk")
    return dict(found.values_list("pk", "version"))


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
            rows = subjects.get(label).model._default_manager.filter(pk__in=stale)
            known.update(rows.values_list("pk", "version"))
            self._touched[label] -= stale
        return {key: known[key] for key in wanted if key in known}
