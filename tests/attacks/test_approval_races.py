"""Editing, submitting, approving and putting in force at one moment: nothing unapproved acts.

`CHAOS_FULL=1` runs ten thousand races; without it a tenth.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import OperationalError, connection, transaction

from automations.models.documents import Activation, Approval, Document
from automations.models.rules import Draft, Rule
from automations.services import approvals, drafts, rules
from automations.services.errors import AutomationError
from backoffice.actors import person
from backoffice.models import User
from tests.attacks.around import money, unapproved_in_force
from tests.automations import factories as make
from tests.bed.databases import Database

RACES = 10_000 if os.environ.get("CHAOS_FULL") == "1" else 1_000
AT_ONCE = 3
RULES = 20
SEED = 20_261_128


@dataclass
class Desk:
    """One rule and the people around it; `dice` belongs to one thread alone."""

    rule: Rule
    writers: list[User]  # one of finance among them
    judges: list[User]
    dice: random.Random

    def writer(self) -> User:
        return self.dice.choice(self.writers)

    def someone(self) -> User:
        """Mostly somebody who may decide, and now and then somebody who worked on it."""
        return self.dice.choice(self.judges * 2 + self.writers)

    def draft(self) -> Draft:
        return Draft.objects.get(rule=self.rule)

    def document(self) -> Document:
        newest = list(Document.objects.filter(rule=self.rule).order_by("-version")[:2])
        return self.dice.choice(newest)


def edit(desk: Desk) -> object:
    body = money(**desk.dice.choice(BODIES))
    revision = desk.draft().revision
    return drafts.save_draft(
        desk.rule.pk, body=body, revision=revision, actor=person(desk.writer())
    )


def undo(desk: Desk) -> object:
    return drafts.undo_draft(
        desk.rule.pk, revision=desk.draft().revision, actor=person(desk.writer())
    )


def restore(desk: Desk) -> object:
    return drafts.restore_version(
        desk.document().pk, revision=desk.draft().revision, actor=person(desk.writer())
    )


def submit(desk: Desk) -> object:
    return rules.submit_rule(
        desk.rule.pk, revision=desk.draft().revision, why="Now.", actor=person(desk.writer())
    )


def approve(desk: Desk) -> object:
    document, now = desk.document(), desk.dice.random() < 0.5
    return approvals.approve(
        document.pk, sha256=document.sha256, actor=person(desk.someone()), activate_now=now
    )


def activate(desk: Desk) -> object:
    return approvals.activate(desk.document().pk, actor=person(desk.someone()))


def withdraw(desk: Desk) -> object:
    return rules.withdraw_document(desk.document().pk, why="No.", actor=person(desk.someone()))


BODIES = [{"latency": "batch"}, {"latency": "real_time"}, {"missing_data": "skip"}]
ACTS: list[Callable[[Desk], object]] = [
    edit, undo, restore, submit, submit, submit, approve, approve, approve, activate, activate,
    withdraw,
]  # fmt: skip
# What a service says to whoever came second; PostgreSQL ends one of two that wait for each other.
REFUSALS = (AutomationError, OperationalError, IndexError)


@contextmanager
def racers(desks: list[Desk]) -> Iterator[Callable[[], list[str]]]:
    """Threads that keep their connections: each call lets every one act at one moment."""
    barrier = threading.Barrier(len(desks))

    def one(desk: Desk) -> str:
        act = desk.dice.choice(ACTS)
        barrier.wait(60)
        try:
            act(desk)
        except REFUSALS:
            return f"{act.__name__} refused"
        return act.__name__

    def leave(desk: Desk) -> None:
        barrier.wait(60)  # so that each thread takes one
        connection.close()

    with ThreadPoolExecutor(len(desks)) as pool:
        yield lambda: list(pool.map(one, desks))
        list(pool.map(leave, desks))


@pytest.mark.requirement("R14")
def test_no_race_puts_a_version_in_force_without_a_valid_approval_of_its_hash(
    committed_db: Database,
) -> None:
    writers = [make.author(), make.staff("operations", "clerk"), make.staff("finance", "editor")]
    judges = [make.staff("finance", "judge"), make.staff("finance", "other")]
    happened: Counter[str] = Counter()
    for number in range(RULES):
        rule = make.make_rule(steps=make.steps("depot.pay_duty"))
        make.submit(rule)
        seeds = [SEED + number * AT_ONCE + each for each in range(AT_ONCE)]
        desks = [Desk(rule, writers, judges, random.Random(seed)) for seed in seeds]
        with racers(desks) as race:
            for _ in range(RACES // RULES):
                happened.update(race())
                assert unapproved_in_force(rule.pk) == []
    assert unapproved_in_force() == []
    assert sum(happened.values()) == RACES * AT_ONCE
    # Races that only refuse would prove nothing.
    assert Activation.objects.count() > RACES / 50
    assert min(happened[act.__name__] for act in (edit, submit, approve)) > RACES / 50, happened


@pytest.mark.requirement("R14")
def test_a_period_never_begins_before_the_approval_that_its_statement_waited_for(
    committed_db: Database,
) -> None:
    rule = make.make_rule(steps=make.steps("depot.pay_duty"))
    document = make.submit(rule)
    judge = person(make.staff("finance", "judge"))

    def put_in_force() -> None:
        approvals.activate(document.pk, actor=judge)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
            waits = pool.submit(put_in_force)
            until_blocked()
            approvals.approve(document.pk, sha256=document.sha256, actor=judge, activate_now=False)
        waits.result(30)
    assert unapproved_in_force() == []
    assert Activation.objects.get().from_at >= Approval.objects.get().at


def until_blocked() -> None:
    """Wait until some session waits for a lock of this one."""
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted"
                " AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
            )
            if cursor.fetchone() == (True,):
                return
        time.sleep(0.05)
    raise AssertionError("Nobody came to wait.")
