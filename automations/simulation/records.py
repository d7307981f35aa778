"""One record as a scan tells of it now: what schedules and buttons start from."""

from __future__ import annotations

from dataclasses import dataclass

from automations.catalogue import flatten
from automations.conditions.fields import Facts, Lists
from automations.triggers import Scan


@dataclass(frozen=True, slots=True)
class Standing:
    """A record's version, and its facts and lists as they stand now."""

    subject_id: int
    version: int
    facts: Facts
    lists: Lists


def as_it_stands(scan: Scan, subject_id: int) -> Standing | None:
    """The record; None when it is gone, or when no rule goes over it, as over imported history."""
    rows = scan.rows().filter(pk=subject_id)
    # Before the payload: what changes in between is then seen as changed, and judged again.
    version = rows.values_list("version", flat=True).first()
    payload = scan.current([subject_id]).get(subject_id) if version is not None else None
    if version is None or payload is None:
        return None
    return Standing(subject_id, version, *flatten(payload))
