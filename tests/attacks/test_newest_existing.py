"""Records that were there before a version, while facts of them are told."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automations.engine import applying
from automations.models.documents import Document
from automations.models.existing import ExistingRecords
from automations.services import approvals
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as make
from tests.automations.views.factories import submitted
from tests.bed.databases import Database, at_once
from tests.depot.models import Parcel
from tests.orders.factories import make_channel


def live() -> Document:
    document: Document = make.submit(make.make_rule())
    actor = person(make.approver(document))
    approvals.approve(document.pk, sha256=document.sha256, actor=actor, existing=True)
    return document


def apply_all() -> str:
    ExistingRecords.objects.filter(finished_at=None).update(run_after=timezone.now())
    while applying.apply_batch():
        pass
    return ExistingRecords.objects.get().says


def touched(parcels: list[Parcel]) -> list[int]:
    return [Parcel.objects.get(pk=parcel.pk).touched for parcel in parcels]


@pytest.mark.django_db
def test_a_fact_that_is_still_to_be_matched_does_not_make_it_act_twice() -> None:
    parcels = make.parcels_arrived(3)
    make.match_all()
    live()
    make.arrive(parcels[:1])  # told again after it went live
    assert apply_all() == "It waits until what happens meanwhile is matched."
    make.work_all()
    apply_all()
    make.work_all()
    assert touched(parcels) == [1, 1, 1]
    assert (ExistingRecords.objects.get().state, ExistingRecords.objects.get().events) == (
        "done",
        2,
    )


def test_a_fact_from_before_that_is_committed_after_does_not_make_it_act_twice(
    committed_db: Database,
) -> None:
    parcels = make.parcels_arrived(3)
    make.match_all()
    told, may_commit = threading.Event(), threading.Event()
    said: list[str] = []

    def tell() -> None:
        with transaction.atomic():
            make.arrive(parcels[:1])
            told.set()
            may_commit.wait(20)

    def go_live() -> None:
        told.wait(20)
        live()
        said.append(apply_all())
        may_commit.set()

    answers: list[Any] = at_once([tell, go_live])
    assert [each for each in answers if each is not None] == []
    make.work_all()
    apply_all()
    make.work_all()
    assert touched(parcels) == [1, 1, 1]
    (waits,) = said
    assert re.fullmatch(
        r"It waits for work that began before, \d\d \w{3} at \d\d:\d\d, and is still being "
        r"written, for less than a minute now\.",
        waits,
    )


@pytest.mark.django_db
def test_a_link_to_the_dialog_does_not_say_yes_for_whoever_follows_it(
    finance_client: Client, operations_user: User
) -> None:
    make_channel()
    document = submitted(operations_user)
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    shown = finance_client.get(url, {"existing": "yes"}).content.decode()
    assert reverse("approval_existing", args=[document.pk]) in shown
    assert "existing=yes" not in shown
