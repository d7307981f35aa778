"""What a run that stands still would meet if it went on now: its step, its input, then and now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from automations.actions import Action
from automations.catalogue import PREVIOUS, flatten_now
from automations.conditions.display import seen
from automations.conditions.fields import Facts, Field, Lists, item_facts
from automations.conditions.rechecking import Seen, paths_read
from automations.conditions.tree import field_of
from automations.engine import resume, telling
from automations.engine.compiled import Compiled, Unusable
from automations.engine.flow import loops_at
from automations.engine.in_force import business_zone
from automations.engine.inputs import as_json
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.rules.cursor import CursorLost
from automations.rules.document import Do
from automations.rules.parameters import ParametersInvalid, StepParameters, clean
from automations.simulation import stored
from backoffice.money import Money

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """One value as the event told it, and as it stands now."""

    label: str
    then: str
    now: str

    @property
    def changed(self) -> bool:
        return self.then != self.now


@dataclass(frozen=True, slots=True)
class InLoop:
    """The item of a loop that a run stands at. `changed`: the list is another one by now."""

    number: int
    total: int
    words: str
    changed: bool

    @property
    def left(self) -> int:
        return max(0, self.total - self.number)


@dataclass(frozen=True, slots=True)
class Again:
    """A failed step looked at again.

    `given` is what it was given last, `as_planned` what the rule gives it. `problem` says why the
    same input would be refused again, and is empty where nothing known speaks against it. `loop`
    None: it stands in none. `remaining` are the steps that would follow, in words.
    """

    step: Do
    action: Action
    words: str
    given: Values
    as_planned: Values
    problem: str = ""
    compared: list[Compared] = field(default_factory=list)
    loop: InLoop | None = None
    remaining: list[str] = field(default_factory=list)


def look_again(failure: Failure) -> Again | None:
    """The step a case's run stands at; None when no run stands still or its version can't act."""
    run = Run.objects.filter(pk=failure.run_id).first() if failure.run_id is not None else None
    if run is None or run.state not in (Run.State.FAILED, Run.State.HELD):
        return None
    try:
        rule = resume.rule_of(run)
        step, action = resume.step_of(run)
    except (Unusable, CursorLost, resume.NoStep):
        return None
    event = stored.of_event(Event.objects.get(pk=run.event_id))
    now, lists = _now(rule, run.subject_id, event.facts, event.lists)
    planned = _planned(rule, step, action, run, now or event.facts, event.lists)
    current = Seen(now or {}, lists, timezone.now().astimezone(business_zone()))
    given = (run.overrides or {}).get(run.cursor) or resume.given_at(run) or planned
    return Again(
        step,
        action,
        action.in_words({**step.params, **given}),
        given,
        planned,
        "What it is about is gone."
        if now is None
        else _problem(action, given) or _unknown(failure, rule, run, event, current),
        list(_compared(rule, step, event.facts, now)) if now is not None else [],
        _in_loop(rule, run, event.lists, lists),
        rule.words_from(run.cursor)[1:],
    )


def _now(rule: Compiled, subject_id: int, facts: Facts, lists: Lists) -> tuple[Facts | None, Lists]:
    payload = rule.source.current([subject_id]).get(subject_id)
    return (None, {}) if payload is None else flatten_now(rule.source, payload, facts, lists)


def _in_loop(rule: Compiled, run: Run, then: Lists, now: Lists) -> InLoop | None:
    around = loops_at(run.cursor)
    if not around:
        return None
    uid, index = around[-1]
    path = rule.steps[uid].for_each
    items = (run.items or {}).get(uid) or then.get(path) or []
    told = item_words(rule, path, items[index]) if index < len(items) else ""
    return InLoop(index + 1, len(items), told, list(items) != list(now.get(path) or []))


def item_words(rule: Compiled, path: str, item: Facts) -> str:
    """A loop's item in a few words: its first values."""
    known = rule.catalogue.lists.get(path)
    fields = list(known.items.values())[:2] if known is not None else []
    return ", ".join(f"{plain_label(each)} {seen(each, item)}" for each in fields)


def _planned(
    rule: Compiled, step: Do, action: Action, run: Run, facts: Facts, lists: Any
) -> Values:
    params = {**rule.document.param_values, **(run.params or {})}
    try:
        parameters = StepParameters(step, action, rule.catalogues[step.uid], params)
        values = parameters.values(_with_item(rule, run, facts, lists), lists)
    except ParametersInvalid:
        return dict(step.params)
    return as_json(values)


def _with_item(rule: Compiled, run: Run, facts: Facts, lists: Any) -> Facts:
    """The facts, and inside a loop those of the item the run stands at."""
    around = loops_at(run.cursor)
    if not around:
        return facts
    uid, index = around[-1]
    items = (run.items or {}).get(uid) or lists.get(rule.steps[uid].for_each) or []
    return item_facts(facts, items[index]) if index < len(items) else facts


def _problem(action: Action, given: Mapping[str, Any]) -> str:
    try:
        clean(action, given)
    except ParametersInvalid as error:
        return str(error)
    return ""


def _unknown(failure: Failure, rule: Compiled, run: Run, then: stored.Stored, current: Seen) -> str:
    """What of the conditions is still unknown, as the retry would find; empty where nothing is."""
    if failure.error != Failure.Error.MISSING or rule.document.missing_data == "skip":
        return ""
    written = rule.written_before(run.cursor) if rule.is_plain else ()
    began = Seen(then.facts, then.lists, run.created_at.astimezone(current.now.tzinfo))
    if rule.recheck(written)(began, current) is not None:
        return ""
    return telling.unknown(rule.explain_again(began, current, written))


def _compared(rule: Compiled, step: Do, then: Facts, now: Facts) -> Iterator[Compared]:
    """What the conditions and the step read, and whatever else differs."""
    read = paths_read(rule.document.when)
    read |= {path for value in step.params.values() if (path := field_of(value)) is not None}
    for path, known in rule.catalogue.fields.items():
        if PREVIOUS in known.key:
            continue
        line = Compared(plain_label(known), seen(known, then), seen(known, now))
        if path in read or (line.changed and known.keys[0] in then):
            yield line


def plain_label(known: Field) -> str:
    """A field's words; the whole way to it only where its own word says too little."""
    return known.labels[-1] if len(known.labels) < 3 else " › ".join(known.labels[1:])


def typed(values: Mapping[str, Any]) -> Values:
    """Stored values as a form's `initial` takes them."""
    return {
        name: Money.from_json(value) if isinstance(value, dict) and "amount" in value else value
        for name, value in values.items()
    }
