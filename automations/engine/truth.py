"""Still true? Acting on what was true once is the commonest harm that rules do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from automations.catalogue import PREVIOUS, flatten
from automations.conditions.fields import Facts, Lists
from automations.conditions.rechecking import Seen
from automations.engine import telling
from automations.engine.compiled import Compiled
from automations.engine.steps import Trouble, Troubles
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice import subjects


def confirm(
    works: Sequence[Work], rules: Mapping[int, Compiled], versions: Versions, now: datetime
) -> Troubles:
    """End the runs whose conditions no longer hold; answers those that need a person, by run.

    `rules` are the runs' versions, by document. An unchanged subject means still true, unless a
    clause looks at the clock or at other records: those are judged again on what stands there now.
    """
    changed: dict[str, list[Work]] = {}
    for label in {work.subject for work in works}:
        mine = [work for work in works if work.subject == label]
        known = versions.of(label, [work.subject_id for work in mine])
        for work in mine:
            version, rule = known.get(work.subject_id), rules[work.document_id]
            if version is None:
                _gone(work)
            elif version != work.subject_version or rule.must_rebuild:
                changed.setdefault(rule.trigger.key, []).append(work)
    troubles: Troubles = {}
    for part in changed.values():
        troubles |= _judge_again(part, rules, versions, now)
    return troubles


def _gone(work: Work) -> None:
    work.end(Run.State.OVERTAKEN, f"The {subjects.get(work.subject).noun} is gone.")


def _judge_again(
    works: Sequence[Work], rules: Mapping[int, Compiled], versions: Versions, now: datetime
) -> Troubles:
    """Rebuild what the subjects of one trigger look like now, in one go, and judge each run."""
    ids = [work.subject_id for work in works]
    current = rules[works[0].document_id].trigger.current(ids)
    known = versions.of(works[0].subject, ids)
    troubles: Troubles = {}
    for work in works:
        payload = current.get(work.subject_id)
        if payload is None:
            _gone(work)
            continue
        facts, lists = flatten(payload)
        trouble = _settle(work, rules[work.document_id], Seen(facts, lists, now))
        if trouble is not None:
            troubles[work.id] = trouble
        elif work.acting:
            work.subject_version = known[work.subject_id]
    return troubles


def _settle(work: Work, rule: Compiled, current: Seen) -> Trouble | None:
    then = Seen(*work.seen, work.created_at.astimezone(current.now.tzinfo))
    written = rule.written_before(work.cursor)
    verdict = rule.recheck(written)(then, current)
    if verdict is True:
        work.seen = _seen_now(work, current)
        return None
    told = rule.explain_again(then, current, written)
    if verdict is None and rule.document.missing_data == "hold":
        return Failure.Error.MISSING, telling.unknown(told)
    work.overtaken = told.as_json()
    work.end(Run.State.OVERTAKEN, telling.overtaken(rule.explain(then), told))
    return None


def _seen_now(work: Work, current: Seen) -> tuple[Facts, Lists]:
    """What steps are given: the present, with what was before the event as the event told it."""
    before = {key: value for key, value in work.seen[0].items() if PREVIOUS in key}
    return {**current.facts, **before}, current.lists
