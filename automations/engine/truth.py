"""Still true? Acting on what was true once is the commonest harm that rules do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from automations.catalogue import PREVIOUS, flatten_now
from automations.conditions.fields import Facts, Lists
from automations.conditions.rechecking import Seen
from automations.engine import database, telling
from automations.engine.compiled import Compiled, uid_at
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice import subjects

# What a run that can't go on needs a person for: the kind of failure and the sentence.
Trouble = tuple[Failure.Error, str]
Troubles = dict[int, Trouble]
Rules = Mapping[int, Compiled]

DONE = """
SELECT run_id, cursor FROM automations_steprun
WHERE run_id = ANY(%s::bigint[]) AND outcome IN ('done', 'by_hand', 'would')
"""


def confirm(works: Sequence[Work], rules: Rules, versions: Versions, now: datetime) -> Troubles:
    """End the runs whose conditions no longer hold; answers those that need a person, by run.

    `rules` are the runs' versions, by document. An unchanged subject means still true, unless a
    clause looks at the clock or at other records: those are judged again on what stands there now.
    """
    changed: list[Work] = []
    for label in {work.subject for work in works}:
        mine = [work for work in works if work.subject == label]
        known = versions.of(label, [work.subject_id for work in mine])
        for work in mine:
            version, rule = known.get(work.subject_id), rules[work.document_id]
            if version is None:
                _gone(work)
            elif version != work.subject_version or rule.must_rebuild:
                changed.append(work)
    return _judge_again(changed, rules, versions, now) if changed else {}


def refresh(works: Sequence[Work], rules: Rules, versions: Versions) -> None:
    """Look again at the subjects that changed since they were seen, as by the runs' own steps.

    Those whose branches read other records are looked at each time.
    """
    stale: list[Work] = []
    for label in {work.subject for work in works}:
        mine = [work for work in works if work.subject == label]
        known = versions.of(label, [work.subject_id for work in mine])
        stale += [
            work
            for work in mine
            if known.get(work.subject_id) != work.seen_version
            or rules[work.document_id].looks_around
        ]
    for work, payload in _current(stale, rules):
        if payload is not None:
            source = rules[work.document_id].source
            _see(work, flatten_now(source, payload, *work.told), versions)


def _gone(work: Work) -> None:
    work.end(Run.State.OVERTAKEN, f"The {subjects.get(work.subject).noun} is gone.")


def _current(works: Sequence[Work], rules: Rules) -> list[tuple[Work, Any]]:
    """Each with what its subject looks like now, rebuilt in one go for each kind of event."""
    found: list[tuple[Work, Any]] = []
    by_source: dict[str, list[Work]] = defaultdict(list)
    for work in works:
        by_source[rules[work.document_id].source.key].append(work)
    for several in by_source.values():
        source = rules[several[0].document_id].source
        current = source.current([work.subject_id for work in several])
        found += [(work, current.get(work.subject_id)) for work in several]
    return found


def _judge_again(
    works: Sequence[Work], rules: Rules, versions: Versions, now: datetime
) -> Troubles:
    troubles: Troubles = {}
    written = _written(works, rules)
    for work, payload in _current(works, rules):
        if payload is None:
            _gone(work)
            continue
        rule = rules[work.document_id]
        facts, lists = flatten_now(rule.source, payload, *work.told)
        trouble = _settle(work, rule, Seen(facts, lists, now), written[work.id])
        if trouble is not None:
            troubles[work.id] = trouble
        elif work.acting or work.lane:
            _see(work, (facts, lists), versions)
            work.subject_version = work.seen_version
    return troubles


def _settle(work: Work, rule: Compiled, current: Seen, written: tuple[str, ...]) -> Trouble | None:
    then = Seen(*work.told, work.created_at.astimezone(current.now.tzinfo))
    verdict = rule.recheck(written)(then, current)
    if verdict is True:
        return None
    told = rule.explain_again(then, current, written)
    if verdict is None and rule.document.missing_data == "hold":
        return Failure.Error.MISSING, telling.unknown(told)
    work.overtaken = told.as_json()
    work.end(Run.State.OVERTAKEN, telling.overtaken(rule.explain(then), told))
    return None


def _written(works: Sequence[Work], rules: Rules) -> dict[int, tuple[str, ...]]:
    """The payload paths each run has written itself."""
    found: dict[int, tuple[str, ...]] = {}
    asked = [work for work in works if not rules[work.document_id].is_plain]
    done = defaultdict(set)
    if asked:
        for run_id, cursor in database.fetch(DONE, database.ids(work.id for work in asked)):
            done[run_id].add(uid_at(cursor))
    for work in works:
        rule = rules[work.document_id]
        if rule.is_plain:
            found[work.id] = rule.written_before(work.cursor)
        else:
            here = {uid_at(str(entry["cursor"])) for entry in work.trace}
            found[work.id] = rule.written_by(done[work.id] | here)
    return found


def _see(work: Work, current: tuple[Facts, Lists], versions: Versions) -> None:
    """Steps are given the present, with what was before the event as the event told it."""
    before = {key: value for key, value in work.told[0].items() if PREVIOUS in key}
    work.seen = {**current[0], **before}, current[1]
    known = versions.of(work.subject, [work.subject_id])
    work.seen_version = known.get(work.subject_id, work.seen_version)
