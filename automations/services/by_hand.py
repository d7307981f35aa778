"""Many cases done by hand, from a file: every row is checked before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import IntegerField

from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services.failures import NO_RETRY
from backoffice import sheets, subjects
from backoffice.sheets import FORMULA, SheetRefused, read_sheet, suspicious

REFERENCE = 200
# A longer one is no key of ours.
MOST_DIGITS = 19
NOTE = 1_000
COLUMNS: Mapping[str, Sequence[str]] = {
    "case": ("case", "case number", "case no"),
    "order": ("order", "order number", "order no", "number"),
    "reference": ("reference", "tracking", "tracking number", "proof"),
    "note": ("note", "notes", "comment", "what was done"),
}
_STANDING = [Run.State.FAILED, Run.State.HELD]


@dataclass(slots=True)
class Line:
    """One row of the file. `problem` says why it can't be done, `hint` what may be wrong."""

    number: int
    case: str
    order: str
    reference: str
    note: str
    case_id: int | None = None
    version: int = 0
    says: str = ""
    problem: str = ""
    hint: str = ""


Sheet = sheets.Sheet[Line]


def check(raw: bytes) -> Sheet:
    """Read a file and look up every row; raises SheetRefused for one that makes no sense."""
    sheet = Sheet(_read(raw))
    for line in sheet.lines:
        line.problem = _own_problem(line)
    _find_cases([line for line in sheet.lines if not line.problem])
    _refuse_twins(sheet.good)
    return sheet


def _read(raw: bytes) -> list[Line]:
    found, rows = read_sheet(raw, COLUMNS)
    if "reference" not in found or not {"case", "order"} & found:
        raise SheetRefused(
            "The first line names the columns: case or order, reference and, if you like, note."
        )
    if not rows:
        raise SheetRefused("The file has no rows under its head.")
    return [
        Line(row.number, row["case"].lstrip("#"), row["order"], row["reference"], row["note"])
        for row in rows
    ]


def _own_problem(line: Line) -> str:
    """What is wrong with a row by itself; empty when nothing is."""
    long = len(line.reference) > REFERENCE or len(line.note) > NOTE
    odd = suspicious(line.reference)
    found = (
        (not line.case and not line.order, "Names neither a case nor an order."),
        (line.case and not line.case.isdecimal(), f"“{line.case}” is no case number."),
        (not line.reference, "Has no reference that proves it."),
        (odd, odd),
        (line.note[:1] in FORMULA, "Begins like a formula. Write the number itself."),
        (long, f"Is too long: at most {REFERENCE} characters of reference, {NOTE:,} of note."),
    )
    return next((words for wrong, words in found if wrong), "")


def _find_cases(lines: Sequence[Line]) -> None:
    by_case = [line for line in lines if line.case]
    cases = Failure.objects.in_bulk([int(line.case[:18]) for line in by_case])
    for line in by_case:
        _take(line, [case] if (case := cases.get(int(line.case[:18]))) else [], "case")
        if not line.problem and line.order:
            line.problem = _other_subject(line, cases[line.case_id or 0])
    by_order = [line for line in lines if not line.case]
    found = _cases_of({line.order for line in by_order})
    for line in by_order:
        _take(line, found.get(line.order, []), "order")
    _refuse_without_run([line for line in lines if not line.problem])


def _take(line: Line, cases: Sequence[Failure], what: str) -> None:
    waiting = [case for case in cases if case.state != Failure.State.RESOLVED]
    if not cases:
        name = line.case if what == "case" else line.order
        line.problem = f"There is no case {'' if what == 'case' else 'of '}{name}."
    elif not waiting:
        line.problem = "Is closed already."
    elif len(waiting) > 1:
        listed = ", ".join(str(case.pk) for case in waiting[:5])
        line.problem = f"Has {len(waiting)} open cases ({listed}): name the case."
    elif waiting[0].state == Failure.State.RETRYING:
        line.problem = "Is being retried right now."
    else:
        line.case_id, line.version, line.says = waiting[0].pk, waiting[0].version, waiting[0].says


def _can_be(subject: subjects.Subject, number: str) -> bool:
    """Whether records of this kind have numbers of this form: some count, some are texts."""
    if subject.number != "pk" and not isinstance(
        subject.model._meta.get_field(subject.number), IntegerField
    ):
        return True
    return number.isascii() and number.isdecimal() and len(number) < MOST_DIGITS


def _cases_of(numbers: Iterable[str]) -> dict[str, list[Failure]]:
    """The cases about records that people know by these numbers."""
    wanted = set(numbers)
    found: dict[str, list[Failure]] = {}
    for subject in subjects.every() if wanted else ():
        fitting = [number for number in wanted if _can_be(subject, number)]
        rows = subject.model._default_manager.filter(**{f"{subject.number}__in": fitting})
        known = {pk: str(number) for pk, number in rows.values_list("pk", subject.number)}
        for case in Failure.objects.filter(subject=subject.label, subject_id__in=known):
            found.setdefault(known[case.subject_id or 0], []).append(case)
    return found


def _other_subject(line: Line, case: Failure) -> str:
    """A row that names both has to mean the same."""
    try:
        numbers = subjects.get(case.subject).numbers([case.subject_id or 0])
    except KeyError:
        return ""
    number = numbers.get(case.subject_id or 0, "")
    return "" if number == line.order else f"Case {case.pk} is about {number or 'something else'}."


def _refuse_without_run(lines: Sequence[Line]) -> None:
    """Done by hand is a step of a run that stands still, or the whole of a reported case."""
    cases = Failure.objects.in_bulk([line.case_id for line in lines])
    runs = Run.objects.filter(pk__in=[case.run_id for case in cases.values() if case.run_id])
    standing = set(runs.filter(state__in=_STANDING).values_list("pk", flat=True))
    for line in lines:
        case = cases[line.case_id or 0]
        if case.run_id is not None and case.run_id not in standing:
            line.problem = "No run of this case is standing still."
        elif case.error in (Failure.Error.QUESTION, Failure.Error.LIMIT, Failure.Error.FIRST_LOOK):
            line.problem = "Waits for an answer: there is no step to do by hand."
        elif case.error == Failure.Error.DOUBT:
            line.problem = NO_RETRY[Failure.Error.DOUBT]


def _refuse_twins(lines: Sequence[Line]) -> None:
    seen: dict[int | None, int] = {}
    said: dict[str, int] = {}
    for line in lines:
        if line.case_id in seen:
            line.problem = f"Is the same case as row {seen[line.case_id]}."
            continue
        seen[line.case_id] = line.number
        if line.reference in said:
            line.hint = f"The same reference as row {said[line.reference]}."
        said.setdefault(line.reference, line.number)


def as_rows(lines: Iterable[Line]) -> dict[str, list[str]]:
    """What a job needs of each row, by case: reference and note."""
    return {str(line.case_id): [line.reference, line.note] for line in lines}
