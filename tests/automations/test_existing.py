"""A rule that goes live acts on what happens from then on, and leaves alone what is there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.documents import Activation
from automations.models.events import Event, PendingEvent
from automations.models.runs import Run
from backoffice.models import User
from orders.services.drafts import Address
from tests.automations import factories as make
from tests.automations.views.factories import post, submitted
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place, place_history

pytestmark = pytest.mark.django_db

PAST = datetime(2010, 12, 1, 9, 41, tzinfo=UTC)


def test_what_was_matched_before_a_rule_went_live_is_left_alone() -> None:
    make.parcels_arrived(3)
    make.match_all()
    rule = make.live_rule()
    make.work_all()
    assert not Run.objects.exists()
    (later,) = make.parcels_arrived()
    make.work_all()
    assert [(run.rule_id, run.subject_id) for run in Run.objects.all()] == [(rule.pk, later.pk)]


def test_history_stored_before_and_after_a_rule_went_live_never_fires_it() -> None:
    make.arrive(make.make_parcels(3), history=True)
    make.live_rule()
    make.work_all()
    make.arrive(make.make_parcels(3), history=True)
    make.work_all()
    assert Event.objects.filter(history=True).count() == 6
    assert not PendingEvent.objects.exists()
    assert not Run.objects.exists()


def test_a_second_version_does_not_go_over_what_the_first_one_did() -> None:
    rule = make.live_rule()
    make.arrive(make.make_parcels(2), history=True)
    make.parcels_arrived(2)
    make.work_all()
    before = set(Run.objects.values_list("pk", flat=True))
    make.edit(rule, steps=make.steps("depot.add_tag"))
    make.make_live(rule)
    make.work_all()
    assert len(before) == 2
    assert set(Run.objects.values_list("pk", flat=True)) == before


def test_orders_imported_around_the_verdict_of_finance_make_no_run(
    finance_client: Client, operations_user: User
) -> None:
    sku, abroad = make_sku(stock=20), Address(name="Grace Holloway", country="FR")
    place_history(line(sku, 1, "900.00"), ship_to=abroad, shipped_at=PAST)
    document = submitted(operations_user)
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    asked = finance_client.get(url).content.decode()
    assert "What is there already is left alone" in asked
    assert post(finance_client, url, sha256=document.sha256, comment="Fine.").status_code == 204
    assert Activation.objects.filter(document=document, until_at=None).exists()
    place_history(line(sku, 1, "900.00"), ship_to=abroad, shipped_at=PAST)
    make.match_all()
    assert not Run.objects.exists()
    live = place(line(sku, 1, "900.00"), ship_to=abroad)
    make.match_all()
    assert list(Run.objects.values_list("subject_id", flat=True)) == [live.pk]
