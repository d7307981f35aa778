"""What the pane and the page of a case show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

from automations.engine.outages import CONNECTOR
from automations.models.documents import Document
from automations.models.failures import Failure, FailureAction
from automations.models.runs import Effect, Run, StepRun
from automations.queries import failures as queries
from automations.simulation.again import Again, look_again
from automations.views.doubts import calls_of, doubt_of
from automations.views.failure_list import due_mark, source, stake
from automations.views.run_filters import noun
from automations.views.run_list import subject_url
from automations.views.trace import Step, steps_of
from backoffice import subjects
from backoffice.models import User

STANDING = (Run.State.FAILED, Run.State.HELD)
VERBS = {
    "retry": "retried it",
    "edit": "edited the input and retried it",
    "skip": "skipped the step",
    "by_hand": "did the step by hand",
    "end": "ended the run",
    "solve": "solved it",
    "assign": "changed the owner",
    "snooze": "put it aside",
    "wake": "took it up again",
    "prioritise": "changed the priority",
    "comment": "wrote",
    "failed_again": "It failed again",
    "check": "had it looked up",
    "looked_up": "Looked up",
    "happened": "found that it happened",
    "did_not": "found that it did not happen, and had it tried again",
    "resolved": "It is closed",
}
# What would fail again says so; the rest is told by looking at the step as it stands now.
FAILS_AGAIN = {
    Failure.Error.BUG: "Retry would break again, unless the fault was mended since.",
    Failure.Error.CRASH: "Retry may kill another worker. It would be tried alone.",
    Failure.Error.LOOP: "Retry would go round in the same circle.",
    Failure.Error.DOUBT: "It may have happened. Look it up first: a retry could do it twice.",
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One act on the case. `changes` are the values before and after, by name."""

    entry: FailureAction
    words: str
    changes: list[tuple[str, str, str]]


def _shown(value: object) -> str:
    if isinstance(value, dict) and "amount" in value:
        return f"{value['amount']} {value.get('currency', '')}"
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value.values())))
    return "nothing" if value is None or value == "" else str(value)


def _people(entries: list[FailureAction]) -> dict[int, User]:
    ids = {
        value
        for entry in entries
        for value in (entry.changes.get("owner") or {}).values()
        if value is not None
    }
    return User.objects.in_bulk(ids)


def log_of(case: Failure) -> list[LogLine]:
    """What was done about a case, latest first; people by name."""
    entries = list(queries.case_log(case).order_by("-id"))
    people = _people(entries)
    return [
        LogLine(entry, VERBS.get(entry.verb, entry.verb), list(_changes(entry, people)))
        for entry in entries
    ]


def _changes(entry: FailureAction, people: dict[int, User]) -> Iterator[tuple[str, str, str]]:
    for name, change in entry.changes.items():
        before, after = change.get("from"), change.get("to")
        if name == "owner":
            yield name, *(str(people.get(who or 0, "nobody")) for who in (before, after))
        elif entry.verb == "edit":
            yield name, _shown(before), _shown(after)


@dataclass(frozen=True, slots=True)
class Solved:
    """How cases of the same cause ended."""

    words: str
    number: int


def solutions(case: Failure) -> tuple[list[Solved], int, int]:
    """The ways cases of this cause were solved, commonest first; how many, how many are open."""
    same = Failure.objects.filter(cause=case.cause)
    ended = Counter(
        same.filter(state=Failure.State.RESOLVED)
        .exclude(pk=case.pk)
        .order_by("-resolved_at")
        .values_list("resolution", flat=True)[:200]
    )
    words = dict(Failure.Resolution.choices)
    found = [Solved(words.get(how, how).lower(), number) for how, number in ended.most_common()]
    return found, sum(ended.values()), same.filter(state=Failure.State.OPEN).count()


def _first_verb(case: Failure, again: Again | None, *, changed: bool, stands: bool) -> str:
    """The recommended button; a retry that is known to be refused is none."""
    if not stands:
        return "solve" if case.run_id is None else ""
    if case.error == Failure.Error.REJECTED and again is not None:
        return "edit" if again.problem or not changed else "retry"
    return queries.recommended(case, changed=changed)


def _warning(case: Failure, again: Again | None, *, changed: bool) -> str:
    """Why a retry would fail again; empty when nothing known speaks against it."""
    if again is not None and again.problem:
        return f"Retry would fail again: {again.problem}"
    if case.error in FAILS_AGAIN:
        return FAILS_AGAIN[Failure.Error(case.error)]
    if case.error == Failure.Error.REJECTED:
        if changed:
            return "It changed since: whether that is what stood in the way is for you to judge."
        return "Retry may fail again: nothing is known to have changed since."
    return ""


def _subject(case: Failure) -> dict[str, str]:
    if case.kind == CONNECTOR:
        return {
            "words": "the connector’s page",
            "url": reverse("connector_detail", args=[case.key]),
        }
    if not case.subject or case.subject_id is None:
        return {}
    try:
        number = subjects.get(case.subject).numbers([case.subject_id]).get(case.subject_id, "")
    except KeyError:
        number = ""
    words = f"{noun(case.subject)} {number}" if number else f"{noun(case.subject)}, gone"
    return {"words": words, "url": subject_url(case.subject, number) if number else ""}


def _steps(run: Run | None) -> list[Step]:
    if run is None:
        return []
    rows = list(StepRun.objects.filter(run_id=run.pk).order_by("number"))
    return steps_of(run, rows, list(Effect.objects.filter(run_id=run.pk)))


def _not_done(case: Failure, again: Again | None) -> list[str]:
    """What is left, the failed step in the words of what it was given."""
    left = list(case.not_done)
    return [again.words, *left[1:]] if again is not None and left else left


def rule_url(case: Failure) -> str:
    """The rule's page; empty for a case that no rule raised."""
    if case.rule is None:
        return ""
    try:
        return reverse("rule_detail", args=[case.rule.slug])
    except NoReverseMatch:
        return ""


def _advice(
    case: Failure, run: Run | None, again: Again | None, *, changed: bool, stands: bool
) -> dict[str, Any]:
    """What to do first and what speaks against a retry; of what is in doubt, only that it is."""
    doubt = doubt_of(run) if stands else None
    found = {"doubt": doubt, "calls": calls_of(run), "first": "", "warning": ""}
    if doubt is not None:
        return found
    warning = _warning(case, again, changed=changed) if stands and run else ""
    first = _first_verb(case, again, changed=changed, stands=stands)
    return {**found, "first": first, "warning": warning}


def page_of(case: Failure, user: User) -> dict[str, Any]:
    """The context of a case's pane."""
    run = Run.objects.filter(pk=case.run_id).first() if case.run_id is not None else None
    is_open = case.state != Failure.State.RESOLVED
    stands = is_open and (run is None or run.state in STANDING)
    again = look_again(case) if stands else None
    changed = is_open and queries.changed_since([case]).get(case.pk, False)
    ways, solved, alike = solutions(case)
    version = Document.objects.filter(pk=case.document_id or 0).values_list("version", flat=True)
    works = user.has_perm("automations.work_failure") and is_open
    return {
        "case": case,
        "run": run,
        "source": source(case),
        "rule_url": rule_url(case),
        "rule_version": version.first(),
        "about": _subject(case),
        "stake": stake(case),
        "due": due_mark(case),
        "again": again,
        "changed": changed,
        "not_done": _not_done(case, again),
        "steps": _steps(run),
        "log": log_of(case),
        "ways": ways,
        "most": max((way.number for way in ways), default=1),
        "solved": solved,
        "alike": alike,
        "works": works,
        "acts": works and stands and run is not None,
        "solves": works and case.run_id is None,
        **_advice(case, run, again, changed=changed, stands=stands),
        "is_open": is_open,
        "is_retrying": case.state == Failure.State.RETRYING,
        "is_snoozed": case.state == Failure.State.SNOOZED,
        "domain_facts": sorted(case.detail.items()) if case.run_id is None else [],
    }
