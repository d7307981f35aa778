"""What of a file is still to be loaded, and how: decided before anything is written.

The plan of a file depends only on the file and on what other files have brought, never on how far
a stopped run of this file got, so a run that goes on ends where an undisturbed one would have.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from config.imports.online_retail.classify import Document
from config.imports.online_retail.match import Credit, Open, match_credits
from config.imports.online_retail.parse import Row


@dataclass(slots=True)
class Known:
    """An invoice that earlier files brought: digests by place, and in how many parts."""

    lines: dict[int, int] = field(default_factory=dict)
    parts: int = 0


@dataclass(slots=True)
class Plan:
    """`documents` are new with this file, in order of time; `to_load` those not loaded yet.

    `same` counts invoices that earlier files brought just so; `completed` those of which this file
    brings lines that could not be read before (as `536365-2`); `changed` lists those that differ
    from what was imported: they are left as they are.
    """

    documents: list[Document] = field(default_factory=list)
    to_load: list[Document] = field(default_factory=list)
    credits: dict[str, Credit] = field(default_factory=dict)
    same: int = 0
    completed: int = 0
    changed: list[str] = field(default_factory=list)

    @property
    def loaded_before(self) -> int:
        """Invoices that an earlier, stopped run of this file loaded."""
        return len(self.documents) - len(self.to_load)


def digest(row: Row) -> int:
    """A number that tells whether a line still says the same; never 0."""
    said = (
        row.code,
        row.description,
        str(row.quantity),
        row.at.isoformat(),
        str(row.price.normalize()),
        row.customer,
        row.country,
    )
    hashed = blake2b("\x1f".join(said).encode(), digest_size=8).digest()
    return int.from_bytes(hashed, signed=True) or 1


def digests(rows: Iterable[Row]) -> list[int]:
    """Digests by place; 0 where no line could be read."""
    by_place = {row.row: digest(row) for row in rows}
    return [by_place.get(place, 0) for place in range(1, max(by_place) + 1)]


def make_plan(
    documents: Sequence[Document], known: Mapping[str, Known], mine: Container[str], sold: Open
) -> Plan:
    """Sort out what is new, and match its credits.

    `known` is what other files brought, `mine` the numbers that earlier runs of this file loaded;
    `sold` is what the orders of other files have left, and is used up.
    """
    plan = Plan()
    for document in documents:
        before = known.get(document.number)
        if before is None:
            plan.documents.append(document)
        else:
            _compare(document, before, plan)
    plan.credits = match_credits(plan.documents, sold)
    plan.to_load = [document for document in plan.documents if document.number not in mine]
    return plan


def _compare(document: Document, before: Known, plan: Plan) -> None:
    """An invoice of an earlier file: the same, completed by this one, or changed."""
    now = {row.row: row for row in document.rows}
    if any(place not in now or digest(now[place]) != old for place, old in before.lines.items()):
        plan.changed.append(document.number)
        return
    added = [row for place, row in now.items() if place not in before.lines]
    if not added:
        plan.same += 1
        return
    plan.completed += 1
    number = f"{document.number}-{before.parts + 1}"
    plan.documents.append(replace(document, number=number, rows=added))
