"""What the pane and the page of a case show."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from automations.cases import cases as kinds
from automations.engine.outages import CONNECTOR
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.failures import Failure, FailureAction
from automations.models.runs import Effect, Run, StepRun
from automations.queries import failures as queries
from automations.services.failures import NO_RETRY
from automations.services.handing import is_theirs, may_work
from automations.simulation.again import Again, look_again
from automations.views.case_kinds import PARTIALS, shown_of
from automations.views.changes import since
from automations.views.doubts import calls_of, doubt_of
from automations.views.failure_list import due_mark, source, stake
from automations.views.run_filters import noun
from automations.views.run_list import subject_url
from automations.views.run_steps import Node, trace_of
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
    "hand_over": "handed it over",
    "yes": "said yes",
    "no": "said no",
    "confirm": "let the draft be done",
    "release": "let the runs go on",
    "cancel": "left the runs undone",
    "stop": "stopped the rule",
    "timed_out": "Nobody answered in time",
    "escalated": "It is late",
    "worse": "It got worse, so it is back",
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
    Failure.Error.UNSURE: "Retry would draft the same again.",
}


# What waits for an answer has not gone wrong.
TOKENS = {
    Failure.Error.QUESTION: ("unk", "user-question"),
    Failure.Error.UNSURE: ("unk", "wand"),
    Failure.Error.DOUBT: ("unk", "help-circle"),
    Failure.Error.LIMIT: ("warn", "player-pause"),
    Failure.Error.FIRST_LOOK: ("warn", "eye"),
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
        if isinstance(value, int)
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
            team = change.get("team")
            names = [str(people.get(who or 0, "nobody")) for who in (before, after)]
            yield name, names[0], f"role {team}" if team else names[1]
        elif name == "priority":
            yield name, *(Failure.Priority(value).label for value in (before, after))
        elif entry.verb in ("edit", "confirm"):
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
    if case.run_id is None:
        return queries.recommended(case) if case.error in PARTIALS else "solve"
    if not stands:
        return ""
    if case.error == Failure.Error.REJECTED and again is not None:
        return "edit" if again.problem or not changed else "retry"
    verb = queries.recommended(case, changed=changed)
    return "by_hand" if verb == "retry" and again is not None and again.problem else verb


def _no_retry(case: Failure, again: Again | None) -> str:
    """Why a retry would be refused at once, so that its button is off; empty when it would not."""
    if case.error in NO_RETRY:
        return NO_RETRY[Failure.Error(case.error)]
    return f"Retry would fail again: {again.problem}" if again is not None and again.problem else ""


def _warning(case: Failure, *, changed: bool) -> str:
    """Why a retry may fail again; empty when nothing known speaks against it."""
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


def _trace(run: Run | None, rows: list[StepRun], user: User) -> list[Node]:
    if run is None:
        return []
    effects = list(Effect.objects.filter(run_id=run.pk))
    event = Event.objects.filter(pk=run.event_id).first()
    return trace_of(run, rows, effects, event=event, user=user).nodes


def _technical(case: Failure, rows: list[StepRun]) -> list[tuple[str, str]]:
    """The raw error, for those who mend it."""
    last = rows[-1] if rows else None
    facts = [
        ("Error", f"{case.error}: {case.says}"),
        ("Action", case.action),
        ("Stands at", case.cursor),
        ("Last attempt", f"{last.number} ({last.outcome}): {last.says}" if last else ""),
        ("Given", json.dumps(last.input, ensure_ascii=False) if last and last.input else ""),
        ("Detail", json.dumps(case.detail, ensure_ascii=False) if case.detail else ""),
        ("Cause", case.cause),
        ("Kind and key", f"{case.kind} {case.key}"),
    ]
    return [(name, value) for name, value in facts if value]


def _late(case: Failure) -> str:
    """How late an open case is, in words; empty while it is in time."""
    if case.state != Failure.State.OPEN or case.due_at > timezone.now():
        return ""
    told = {0: "", 1: ", its owner was told", 2: ", everyone of the role was told"}
    return f"Late{told.get(case.escalated, '')}"


# What a run has done, whoever did it.
_DONE = (StepRun.Outcome.DONE, StepRun.Outcome.BY_HAND)


def _what_became(
    case: Failure, run: Run | None, rows: list[StepRun], again: Again | None, *, in_doubt: bool
) -> dict[str, Any]:
    """What was done and what was not. A case keeps what it was told when it was opened: once its
    run is done that is not so any more, and what is in doubt is neither."""
    if case.state == Failure.State.RESOLVED and run is not None and run.state == Run.State.DONE:
        done = [row.says for row in rows if row.outcome in _DONE]
        skipped = [row.says for row in rows if row.outcome == StepRun.Outcome.SKIPPED]
        return {"is_done": True, "done": done, "not_done": skipped, "maybe_done": ""}
    # A question that was answered was asked, whatever the answer was.
    answered = case.resolution == Failure.Resolution.ANSWERED and not case.action
    left = list(case.not_done)[1 if answered else 0 :]
    # The failed step in the words of what it was given.
    if again is not None and left:
        left[0] = again.words
    maybe = left.pop(0) if in_doubt and left else ""
    return {"is_done": False, "done": case.done, "not_done": left, "maybe_done": maybe}


def rule_url(case: Failure) -> str:
    """The rule's page; empty for a case that no rule raised."""
    if case.rule is None:
        return ""
    try:
        return reverse("rule_detail", args=[case.rule.slug])
    except NoReverseMatch:
        return ""


def page_of(case: Failure, user: User) -> dict[str, Any]:
    """The context of a case's pane."""
    run = Run.objects.filter(pk=case.run_id).first() if case.run_id is not None else None
    is_open = case.state != Failure.State.RESOLVED
    stands = is_open and (run is None or run.state in STANDING)
    again = look_again(case) if stands else None
    changed = is_open and queries.changed_since([case]).get(case.pk, False)
    works = is_open and may_work(user, case)
    # What is in doubt is looked up or told, and nothing else: it may have happened.
    doubt = doubt_of(run) if stands else None
    rows = list(StepRun.objects.filter(run_id=run.pk).order_by("number")) if run else []
    return {
        "case": case,
        "run": run,
        "again": again,
        "changed": changed,
        "since": since(case.subject, case.subject_id, case.opened_at, case.run_id)
        if changed
        else None,
        **_what_became(case, run, rows, again, in_doubt=doubt is not None),
        "nodes": _trace(run, rows, user),
        "technical": _technical(case, rows),
        "log": log_of(case),
        "works": works,
        "acts": works and stands and run is not None and doubt is None,
        "doubt": doubt,
        "calls": calls_of(run),
        "solves": works and case.run_id is None and case.error not in PARTIALS,
        "first": _first_verb(case, again, changed=changed, stands=stands) if is_open else "",
        "no_retry": _no_retry(case, again) if stands and run else "",
        "warning": _warning(case, changed=changed) if stands and run else "",
        "watches": case.watches.filter(user=user).exists(),
        **_about(case, user),
        **_alike(case),
        **_state(case),
        **shown_of(case, user, again),
    }


def _about(case: Failure, user: User) -> dict[str, Any]:
    version = Document.objects.filter(pk=case.document_id or 0).values_list("version", flat=True)
    return {
        "source": source(case),
        "rule_url": rule_url(case),
        "rule_version": version.first(),
        "about": _subject(case),
        "stake": stake(case),
        "due": due_mark(case),
        "theirs": is_theirs(user, case),
        "decided_at": _decided_at(case),
        "domain_facts": sorted(case.detail.items()) if case.error == Failure.Error.DOMAIN else [],
    }


def _decided_at(case: Failure) -> str:
    """Where the decision is taken that alone closes the case; empty where the case itself is."""
    kind = kinds.get(case.kind)
    return kind.decided_at if kind is not None else ""


def _alike(case: Failure) -> dict[str, Any]:
    """How cases of the same cause ended, and how many are open."""
    ways, solved, alike = solutions(case)
    most = max((way.number for way in ways), default=1)
    return {"ways": ways, "solved": solved, "alike": alike, "most": most}


def _state(case: Failure) -> dict[str, Any]:
    return {
        "is_open": case.state != Failure.State.RESOLVED,
        "is_retrying": case.state == Failure.State.RETRYING,
        "is_snoozed": case.state == Failure.State.SNOOZED,
        "late": _late(case),
        "token": TOKENS.get(Failure.Error(case.error), ("bad", "alert-circle")),
    }
