"""What those who ship for us answer, from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backoffice.actors import Acting
from backoffice.sheets import Row, SheetRefused, read_sheet, suspicious
from orders.models.forwarding import ForwardedOrder
from orders.services.errors import OrderError
from orders.services.forwarding import acknowledge, by_reference, refuse_forwarded

COLUMNS: Mapping[str, Sequence[str]] = {
    "reference": ("reference", "our reference", "ref"),
    "answer": ("answer", "status", "state"),
    "theirs": ("their reference", "their ref", "order id"),
    "why": ("why", "reason", "note"),
}
YES = {"acknowledged", "accepted", "ok", "yes"}
NO = {"refused", "rejected", "no"}
SHOWN = 5


@dataclass(slots=True)
class Told:
    """What became of the rows of a file."""

    done: int = 0
    known: int = 0
    problems: list[str] = field(default_factory=list)

    def in_words(self) -> str:
        said = f"Answers noted: {self.done}"
        if self.known:
            said += f"; known already: {self.known}"
        if self.problems:
            shown = " ".join(self.problems[:SHOWN])
            said += f"; not done: {len(self.problems)}. {shown}"
        return said


def read_answers(raw: bytes, *, actor: Acting) -> Told:
    """Note each row's answer, each by itself; raises SheetRefused where the file can't be read."""
    found, rows = read_sheet(raw, COLUMNS)
    if not {"reference", "answer"} <= found:
        raise SheetRefused("The first line names the columns: reference, answer.")
    if not rows:
        raise SheetRefused("The file has no rows under its head.")
    known = by_reference(row["reference"].strip() for row in rows)
    told = Told()
    for row in rows:
        try:
            changed = _note(row, known, actor)
        except OrderError as error:
            told.problems.append(f"Row {row.number}: {error}")
        else:
            told.done += changed
            told.known += not changed
    return told


def _note(row: Row, known: Mapping[str, ForwardedOrder], actor: Acting) -> bool:
    forwarded = known.get(row["reference"].strip())
    if forwarded is None:
        raise OrderError(f"There is no {row['reference'][:60] or 'reference'}.")
    said = row["answer"].strip().lower()
    if problem := suspicious(row["theirs"]):
        raise OrderError(problem)
    if said in YES:
        return acknowledge(forwarded.pk, theirs=row["theirs"].strip(), actor=actor)
    if said in NO:
        return refuse_forwarded(forwarded.pk, why=row["why"] or "No reason given", actor=actor)
    raise OrderError(f"“{said[:40]}” is no answer. Write acknowledged or refused.")
