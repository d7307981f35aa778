"""Ways round the second person that were found, and are closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document
from automations.models.policies import ApprovalPolicy, Emergency
from automations.models.runs import Effect
from automations.services import approvals, emergencies, policies
from automations.services.errors import Refused
from backoffice import standing_in
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as make
from tests.bed.people import give_roles

pytestmark = pytest.mark.usefixtures("any_db")


def deputy(who: User, stands_in: User, *, second: bool = True) -> None:
    today = timezone.localdate()
    row = standing_in.name_deputy(
        who.pk,
        deputy=stands_in,
        first=today - timedelta(days=1),
        last=today + timedelta(days=1),
        why="On leave.",
        actor=person(who),
    )
    if second:
        standing_in.agree(row.pk, actor=person(make.staff("administrator", "keeper")))


def holds(user: User, role: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT automations_has_role(%s, %s)", [user.pk, role])
        return bool(cursor.fetchone()[0])


def money() -> Document:
    return make.submit(make.make_rule(steps=make.steps("depot.pay_duty")))


def approve(document: Document, who: User) -> Approval:
    return approvals.approve(document.pk, sha256=document.sha256, actor=person(who))


@pytest.mark.requirement("R150")
def test_what_either_gets_or_loses_later_is_not_lent_by_an_older_row() -> None:
    daniel, priya = make.staff("finance", "daniel"), make.staff("operations", "priya")
    helen, tom = make.staff("finance", "helen"), make.staff("operations", "tom")
    deputy(daniel, helen, second=False)
    give_roles(helen, "support")
    assert not holds(helen, "finance")
    assert standing_in.roles_of(helen) == {"support"}
    deputy(priya, tom, second=False)
    give_roles(priya, "operations", "finance")
    assert not holds(tom, "finance")
    document = money()
    for nobody in (helen, tom):
        with pytest.raises(Refused):
            approve(document, nobody)
    assert not Approval.objects.exists()


def test_a_deputy_of_two_is_one_with_each_of_them() -> None:
    assert policies.change("money", 2, actor=person(make.staff("finance", "chief")))
    daniel, helen = make.staff("finance", "daniel"), make.staff("finance", "helen")
    amara = make.staff("support", "amara")
    deputy(daniel, amara)
    deputy(helen, amara)
    for first, second in ((helen, amara), (daniel, amara), (amara, helen), (amara, daniel)):
        document = money()
        approve(document, first)
        with pytest.raises(Refused, match="agreed already"):
            approve(document, second)
        document.refresh_from_db()
        assert document.state == "submitted"
    assert not Activation.objects.exists()


def test_a_deputy_does_not_ask_for_fewer_approvers() -> None:
    daniel, helen = make.staff("finance", "daniel"), make.staff("support", "helen")
    assert policies.change("money", 2, actor=person(daniel))
    deputy(daniel, helen)
    assert holds(helen, "finance")
    with pytest.raises(Refused, match="Finance says"):
        policies.change("money", 1, actor=person(helen))
    assert ApprovalPolicy.objects.get(pk="money").approvers == 2


def acts(document: Document, asks: User, agrees: User) -> Emergency:
    found = emergencies.ask(
        document.pk, sha256=document.sha256, why="It can't wait.", actor=person(asks)
    )
    emergencies.agree(found.pk, sha256=document.sha256, actor=person(agrees))
    return found


def test_a_copy_of_an_emergency_is_no_way_round_its_review() -> None:
    first, second = make.staff("operations", "first"), make.staff("administrator", "second")
    fresh, other = make.staff("operations", "fresh"), make.staff("finance", "other")
    found = acts(make.submit(make.make_rule(name="One")), first, second)
    emergencies.end(found.pk, actor=person(first))
    same = make.submit(make.make_rule(name="A copy"))
    different = make.submit(make.make_rule(name="Another", steps=make.steps("depot.pay_duty")))
    for document, asks, agrees in (
        (same, fresh, other),
        (different, first, other),
        (different, fresh, second),
    ):
        with pytest.raises(Refused, match="not reviewed yet"):
            acts(document, asks, agrees)
    assert Activation.objects.filter(mode="emergency", until_at=None).count() == 0
    acts(different, fresh, other)
    assert Activation.objects.filter(mode="emergency", until_at=None).count() == 1


@pytest.mark.parametrize("verdict", ["reject", "request_changes"])
def test_what_is_turned_down_acts_no_more(verdict: str) -> None:
    document = make.submit(make.make_rule())
    acts(document, make.staff("operations", "first"), make.staff("administrator", "second"))
    make.parcels_arrived(1)
    decides: Any = getattr(approvals, verdict)
    judge = person(make.staff("support", "decides"))
    decides(document.pk, sha256=document.sha256, actor=judge, comment="It is wrong.")
    make.work_all()
    assert Emergency.objects.get().state == "ended"
    assert not Activation.objects.filter(until_at=None).exists()
    assert not Effect.objects.exists()


@pytest.mark.parametrize(
    "changed",
    ["at = 'infinity'", "uid = 'gone'", "run_id = run_id + 1", "generation = 1", "target = 'x'"],
)
def test_what_an_effect_is_called_never_changes_so_it_is_not_taken_again(changed: str) -> None:
    make.live_rule()
    make.parcels_arrived(1)
    make.work_all()
    before = list(Effect.objects.values())
    assert len(before) == 1
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE automations_effect SET {changed}")
    assert list(Effect.objects.values()) == before
