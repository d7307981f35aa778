"""Still true? Acting on what was true once is the commonest harm that rules do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from automations.catalogue import flatten
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
        facts, lists = flatten(payload)
        again = rule.recheck(work.facts, work.lists, facts, lists, now, wrote=work.cursor)
        if again.verdict is True:
            work.subject_version = known[work.subject_id]
            work.facts, work.lists = again.facts, lists
        elif again.verdict is None and rule.document.missing_data == "hold":
            unsure[work.id] = (Failure.Error.MISSING, again.says)
        else:
            work.overtaken = again.explanation
            work.end(Run.State.OVERTAKEN, again.says)
    return unsure
