"""Steps at which a run stands still: a wait until a time, a question until a person answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from automations.conditions.display import span
from automations.conditions.values import parse_duration
from automations.engine import database, flow
from automations.engine.compiled import Compiled
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run, StepRun
from automations.rules.document import Ask, Question, Wait
from automations.rules.fillings import is_filled, question_filling
from automations.rules.words import ask_words
from automations.triggers import triggers

# Facts about these subjects since their runs' events: one of them may end a wait.
SINCE = """
SELECT r.id, (SELECT e.trigger FROM automations_event e WHERE e.subject_id = r.subject_id
    AND e.subject = r.subject AND e.id > r.event_id AND e.trigger = ANY(r.ends_on)
    AND e.rule_id IS NULL ORDER BY e.id LIMIT 1)
FROM json_to_recordset(%s::json) AS r(id bigint, event_id bigint, subject text, subject_id bigint,
    ends_on text[])
"""


def seconds(raw: str) -> int:
    """A duration of the document in seconds."""
    return int(parse_duration(raw).total_seconds())


def begin_wait(work: Work, step: Wait) -> None:
    """Stand still until the time has passed, or one of the named events ends the run."""
    length = seconds(step.wait)
    work.leaving, work.delay = True, float(length)
    work.ends_on = list(step.end_run_on) or None
    work.end(Run.State.WAITING, f"Waits {span(length)}.")


def end_by_events(works: Sequence[Work]) -> None:
    """End the runs whose wait an event has ended already: it came before the wait, or unseen."""
    waiting = [work for work in works if work.ends_on]
    if not waiting:
        return
    rows = database.rows(
        {
            "id": work.id,
            "event_id": work.event_id,
            "subject": work.subject,
            "subject_id": work.subject_id,
            "ends_on": work.ends_on,
        }
        for work in waiting
    )
    ended = {row[0]: row[1] for row in database.fetch(SINCE, rows) if row[1] is not None}
    for work in waiting:
        if work.id in ended:
            work.delay, work.ends_on = None, None
            work.end(Run.State.CANCELLED, f"Ended while it waited: {trigger_words(ended[work.id])}")


def trigger_words(key: str) -> str:
    known = triggers.get(key)
    return known.label if known is not None else key


def end_wait(work: Work, step: Wait) -> None:
    """The time has passed: note it, and let the run go on."""
    length = seconds(step.wait)
    began = datetime.fromisoformat(work.raw_run_after) - timedelta(seconds=length)
    says = f"Waited {span(length)}"
    work.attempted(StepRun.Outcome.WAITED, says, action="", given=None, started=began.isoformat())
    work.ends_on = None


class NotAsked(Exception):
    """A question that can't be filled in; the message says why."""


def ask(work: Work, rule: Compiled, step: Ask, now: datetime) -> Asked | None:
    """Hold the run until someone of the role answers; a shadow only notes what it would ask.

    Raises NotAsked.
    """
    started = timezone.now().isoformat()
    try:
        question = _filled(work, rule, step)
    except ValueError as error:
        says = f"The question: {error}"
        work.attempted(StepRun.Outcome.REJECTED, says, action="", given=None, started=started)
        raise NotAsked(says) from error
    words = in_words(step, question)
    if work.shadow:
        work.attempted(StepRun.Outcome.WOULD, words, action="", given=None, started=started)
        work.leaving = True
        return None
    work.attempted(StepRun.Outcome.ASKED, words, action="", given=None, started=started)
    general = _PLACE.sub("…", step.ask.question)
    return Asked(question, now + parse_duration(step.ask.due), words, general)


# What differs from record to record: the same question about two of them has one cause.
_PLACE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def reads_facts(step: object) -> bool:
    """Whether a step is a question that is filled in from its run's facts."""
    return isinstance(step, Ask) and is_filled(step.ask.question)


def _filled(work: Work, rule: Compiled, step: Ask) -> Question:
    """The question about this run's subject; raises ValueError with why it can't be asked."""
    if not reads_facts(step):
        return step.ask
    fill = question_filling(step.ask.question, rule.catalogues[step.uid])
    text = fill(flow.facts_at(work, rule, work.cursor), work.seen[1]).strip()
    if not text:
        raise ValueError("It is empty once its fields are filled in.")
    return step.ask.model_copy(update={"question": text})


def in_words(step: Ask, question: Question) -> str:
    """The step as it was asked."""
    said = ask_words(step.model_copy(update={"ask": question}))
    return said[:1].upper() + said[1:]


def consent(work: Work, rule: Compiled, uid: str, now: datetime) -> Asked | None:
    """An action that never runs by a rule alone: someone agrees first; None: they have."""
    action = rule.actions[uid]
    if not action.decided_by or work.shadow or decided_key(work.cursor) in work.overrides:
        return None
    words = rule.step_words(uid)
    started = timezone.now().isoformat()
    work.attempted(StepRun.Outcome.ASKED, words, action=action.key, given=None, started=started)
    question = Question(
        role=action.decided_by, question=f"{words}?", due="PT24H", on_timeout="fail"
    )
    return Asked(question, now + timedelta(hours=24), words)


def decided_key(cursor: str) -> str:
    """Where a run keeps that a person agreed to the step at a cursor; no uid has a `?`."""
    return f"{cursor}?"


class Asked:
    """A question that holds a run. `general` is what it asks of every record alike."""

    def __init__(self, question: Question, due_at: datetime, words: str, general: str = "") -> None:
        self.question, self.due_at = question, due_at
        self.words, self.general = words, general
        self.trouble = (Failure.Error.QUESTION, question.question)
