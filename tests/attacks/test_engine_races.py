"""Many hands on one rule, one case, one run: each thing is decided and done once."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from automations.engine.execute import execute_batch
from automations.engine.match import match_batch
from automations.models.documents import Activation, Approval, Document, Stop
from automations.models.failures import Failure
from automations.models.rules import Draft, Rule
from automations.models.runs import Effect, Run, StepRun
from automations.services import approvals, drafts, failures, rules, stops
from automations.services.errors import AutomationError, Refused
from backoffice.actors import Actor, person
from backoffice.workbench import bulk, jobs
from orders.models.orders import Order
from tests.attacks.books import what_is_wrong
from tests.automations import factories as make
from tests.automations.views import story
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.depot.models import Parcel
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place

WORKERS = 50


def strange(answers: list[Any]) -> list[Exception]:
    """The answers that no service should give."""
    return [
        answer
        for answer in answers
        if isinstance(answer, Exception) and not isinstance(answer, AutomationError)
    ]


def unapproved() -> list[Activation]:
    """Periods in force of a version that nobody but its editors has agreed to."""
    return [
        period
        for period in Activation.objects.select_related("document")
        if not Approval.objects.filter(
            document=period.document, sha256=period.document.sha256, verdict="approve"
        )
        .exclude(approver__in=period.document.editors.values("user"))
        .exists()
    ]


def save(rule: Rule, actor: Actor, number: int) -> object:
    revision = Draft.objects.get(rule=rule).revision
    body = make.body(steps=make.steps("depot.add_tag", tag=f"t{number}"))
    return drafts.save_draft(rule.pk, body=body, revision=revision, actor=actor)


def submit(rule: Rule, actor: Actor, number: int) -> object:
    revision = Draft.objects.get(rule=rule).revision
    return rules.submit_rule(rule.pk, revision=revision, why="Needed.", actor=actor)


def approve(rule: Rule, actor: Actor, number: int) -> object:
    document = Document.objects.filter(rule=rule).order_by("-version")[0]
    return approvals.approve(document.pk, sha256=document.sha256, actor=actor)


def undo(rule: Rule, actor: Actor, number: int) -> object:
    revision = Draft.objects.get(rule=rule).revision
    return drafts.undo_draft(rule.pk, revision=revision, actor=actor)


def stop(rule: Rule, actor: Actor, number: int) -> object:
    return stops.stop_rule(rule.pk, reason="Wrong.", actor=actor)


def ask(rule: Rule, actor: Actor, number: int) -> object:
    for one in Stop.objects.filter(rule=rule, lifted_at=None):
        stops.ask_start(one.pk, actor=actor)
    return None


def agree(rule: Rule, actor: Actor, number: int) -> object:
    for one in Stop.objects.filter(rule=rule, lifted_at=None):
        stops.start_again(one.pk, queued="release", actor=actor)
    return None


ACTS: list[Callable[[Rule, Actor, int], object]] = [
    save, save, submit, submit, approve, approve, undo, stop, ask, agree,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_whatever_fifty_do_to_a_rule_nothing_unapproved_is_in_force(
    committed_db: Database, seed: int
) -> None:
    dice = random.Random(seed)
    rule = make.live_rule()
    people = [person(make.author()), person(make.staff("operations", "second"))]
    people += [person(make.staff("finance", f"f{number}")) for number in range(2)]
    for _ in range(3):
        works = [
            partial(dice.choice(ACTS), rule, dice.choice(people), number)
            for number in range(WORKERS)
        ]
        assert strange(at_once(works)) == []
        assert unapproved() == []
        assert Activation.objects.filter(rule=rule, until_at=None).count() == 1
        for lifted in Stop.objects.exclude(lifted_at=None):
            assert lifted.asked_by_id != lifted.lifted_by_id


def test_fifty_editors_who_approve_at_once_put_nothing_in_force(committed_db: Database) -> None:
    rule = make.make_rule()
    editors = [make.staff("finance", f"editor{number}") for number in range(5)]
    for number, editor in enumerate(editors, 1):
        save(rule, person(editor), number)
    document = make.submit(rule)
    works = [
        partial(approvals.approve, document.pk, sha256=document.sha256, actor=person(editor))
        for editor in editors * 10
    ]
    assert all(isinstance(answer, Refused) for answer in at_once(works))
    assert not Activation.objects.exists()
    assert not Approval.objects.exists()


def test_a_case_that_fifty_work_on_is_worked_on_once(
    committed_db: Database, make_user: MakeUser
) -> None:
    (case,) = story.failed_run()
    by = person(make_user("support"))
    given: dict[str, Any] = {"version": case.version, "actor": by}
    verbs: list[Callable[[], Any]] = [
        partial(failures.retry_case, case.pk, **given),
        partial(failures.skip_step, case.pk, reason="No need.", **given),
        partial(failures.done_by_hand, case.pk, reference="T-1", **given),
        partial(failures.end_run, case.pk, reason="No need.", **given),
        partial(failures.assign_case, case.pk, owner=None, **given),
    ]
    answers = at_once(verbs * (WORKERS // len(verbs)))
    assert strange(answers) == []
    assert sum(isinstance(answer, Failure) for answer in answers) == 1
    assert Effect.objects.filter(action="support.open_ticket").count() <= 1
    assert what_is_wrong() == {}


def test_events_that_many_workers_take_at_once_are_acted_on_once(
    committed_db: Database,
) -> None:
    make.live_rule(steps=make.steps("depot.add_tag", "depot.add_tag"))
    make.parcels_arrived(300)

    def work() -> int:
        return sum(match_batch(40) + execute_batch(40) for _ in range(12))

    assert strange(at_once([work] * 16)) == []
    make.work_all()
    assert Run.objects.filter(state="done").count() == 300
    assert Effect.objects.count() == StepRun.objects.filter(outcome="done").count() == 600
    assert {tuple(sorted(parcel.tags)) for parcel in Parcel.objects.all()} == {("t1", "t2")}


def test_a_stop_among_many_workers_lets_nothing_through_after_it(
    committed_db: Database,
) -> None:
    rule = make.live_rule()
    make.parcels_arrived(200)
    by = person(make.author())

    def work() -> int:
        return match_batch(20) + execute_batch(20)

    at_once([work] * 5 + [partial(stops.stop_rule, rule.pk, reason="Wrong.", actor=by)])
    before = Effect.objects.count()
    make.work_all()
    assert Effect.objects.count() == before
    assert Run.objects.filter(state="due").count() == 0
    assert Run.objects.filter(state="parked").count() == 200 - before


def test_a_bulk_job_that_many_workers_run_does_each_row_once(
    committed_db: Database, make_user: MakeUser
) -> None:
    sku = make_sku(stock=500)
    orders = [place(line(sku)) for _ in range(120)]
    job = jobs.draft_job(
        bulk.get("orders.hold"),
        [order.pk for order in orders],
        screen="orders.orders",
        params={"reason": "fraud", "note": ""},
        back="/orders/",
        user=make_user("operations"),
    )
    answers = at_once([partial(jobs.start_job, job, wake=lambda pk: None)] * 10)
    assert sum(answer is None for answer in answers) == 1
    at_once([partial(jobs.run_chunk, job.pk)] * 10)
    while jobs.run_chunk(job.pk):
        pass
    assert (job.outcomes.filter(ok=True).count(), job.outcomes.count()) == (120, 120)
    assert Order.objects.filter(is_held=True).count() == 120
    assert what_is_wrong() == {}
