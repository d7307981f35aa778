"""Still true? Acting on what was true once is the commonest harm that rules do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from automations.catalogue import PREVIOUS, flatten
from automations.conditions.rechecking import Seen
from automations.engine import telling
from automations.engine.compiled import Compiled
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice import subjects


def confirm(
    works: Sequence[Work], rule: Compiled, versions: Versions, now: datetime
) -> dict[int, tuple[Failure.Error, str]]:
    """End the runs whose conditions no longer hold; answers those that need a person, by run.

    An unchanged version means still true, unless a clause looks at the clock or at other records:
    those are judged again, on what stands there now.
    """
    known = versions.of(rule.trigger.subject, [work.subject_id for work in works])
    changed = []
    for work in works:
        version = known.get(work.subject_id)
        if version is None:
            noun = subjects.get(work.subject).noun
            work.end(Run.State.OVERTAKEN, f"The {noun} is gone.")
        elif version != work.subject_version or rule.must_rebuild:
            changed.append(work)
    return _judge_again(changed, rule, known, now) if changed else {}


def _judge_again(
    works: Sequence[Work], rule: Compiled, known: Mapping[int, int], now: datetime
) -> dict[int, tuple[Failure.Error, str]]:
    current = rule.trigger.current([work.subject_id for work in works])
    unsure: dict[int, tuple[Failure.Error, str]] = {}
    for work in works:
        payload = current.get(work.subject_id)
        if payload is None:
            work.end(Run.State.OVERTAKEN, f"The {subjects.get(work.subject).noun} is gone.")
            continue
        current_facts, current_lists = flatten(payload)
        seen = Seen(current_facts, current_lists, now)
        trouble = _settle(work, rule, known[work.subject_id], seen)
        if trouble is not None:
            unsure[work.id] = trouble
    return unsure


def _settle(
    work: Work, rule: Compiled, version: int, current: Seen
) -> tuple[Failure.Error, str] | None:
    then = Seen(work.facts, work.lists, work.created_at.astimezone(current.now.tzinfo))
    written = rule.written_before(work.cursor)
    verdict = rule.recheck(written)(then, current)
    if verdict is True:
        work.subject_version = version
        work.facts, work.lists = _seen_now(work, current)
        return None
    told = rule.explain_again(then, current, written)
    if verdict is None and rule.document.missing_data == "hold":
        return Failure.Error.MISSING, telling.unknown(told)
    work.overtaken = told.as_json()
    work.end(Run.State.OVERTAKEN, telling.overtaken(rule.explain(then), told))
    return None


def _seen_now(work: Work, current: Seen) -> tuple[dict[str, Any], dict[str, Any]]:
    """What steps are given: the present, with what was before the event as the event told it."""
    before = {key: value for key, value in work.facts.items() if PREVIOUS in key}
    return {**current.facts, **before}, dict(current.lists)
