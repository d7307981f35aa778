"""What became of a job's rows, in words: on its page and in its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backoffice import links
from backoffice.models import BulkJob, BulkOutcome
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Fate

# Rows that are looked at in one go.
AT_ONCE = 5_000
REMARK = "done, with a remark"


@dataclass(frozen=True, slots=True)
class Told:
    """One row by name and address, and what became of it; `token` is a sign of the house."""

    name: str
    url: str
    words: str
    why: str
    token: str


@dataclass(frozen=True, slots=True)
class Figure:
    number: int
    words: str
    bad: bool = False


def action_of(job: BulkJob) -> BulkAction | None:
    """The job's action; None where no app offers it any more."""
    try:
        return bulk.get(job.action)
    except KeyError:
        return None


def told(action: BulkAction, outcomes: Sequence[BulkOutcome]) -> list[Told]:
    """These rows in their order, as things stand now."""
    label, fates = action.subject, _fates(action, outcomes)
    found = links.resolve((label, each.target_id) for each in outcomes) if label else {}
    rows = []
    for each in outcomes:
        link = found.get((label, each.target_id))
        name, url = (link.text, link.url) if link else (str(each.target_id), "")
        rows.append(Told(name, url, *_said(action, each, fates.get(each.target_id))))
    return rows


def _fates(action: BulkAction, outcomes: Sequence[BulkOutcome]) -> dict[int, Fate]:
    ids = [each.target_id for each in outcomes if each.ok]
    return dict(action.fates(ids)) if action.fates is not None and ids else {}


def _said(action: BulkAction, row: BulkOutcome, fate: Fate | None) -> tuple[str, str, str]:
    if not row.ok:
        return "refused", row.message, "bad"
    if action.sent:
        words = f"{action.sent}: {fate.words}" if fate else action.sent
        return words, fate.why if fate else row.message, fate.level if fate else "wait"
    if row.message:
        return action.remark or REMARK, row.message, "warn"
    return "done", "", "ok"


def figures(job: BulkJob, action: BulkAction) -> list[Figure]:
    """How many rows came to what. What was only sent on is no “done”; its fates follow."""
    refused = Figure(job.failed, "refused", bad=bool(job.failed))
    if action.sent:
        return [Figure(job.succeeded, action.sent), refused]
    part = job.outcomes.filter(ok=True).exclude(message="").count() if action.remark else 0
    partly = [Figure(part, action.remark, bad=True)] if part else []
    return [Figure(job.succeeded - part, "done"), *partly, refused]


def fates_of(job: BulkJob, action: BulkAction) -> tuple[list[Figure], list[int]]:
    """What has become of what was sent on, and the rows that a person has to look at."""
    counts: Counter[str] = Counter()
    bad: dict[str, bool] = {}
    look: list[int] = []
    for part in _parts(job, AT_ONCE, ok=True) if action.fates is not None else ():
        for pk, fate in _fates(action, part).items():
            counts[fate.words] += 1
            bad[fate.words] = fate.look
            if fate.look:
                look.append(pk)
    return [Figure(number, words, bad[words]) for words, number in counts.most_common()], look


def every_row(job: BulkJob, action: BulkAction) -> Iterator[Told]:
    for part in _parts(job, 500):
        yield from told(action, part)


def _parts(job: BulkJob, size: int, **only: bool) -> Iterator[list[BulkOutcome]]:
    at, rows = 0, job.outcomes.filter(**only).order_by("pk")
    while part := list(rows.filter(pk__gt=at)[:size]):
        at = part[-1].pk
        yield part
