"""Runs as a list and a page, and why rules did or didn't act on a record."""

from __future__ import annotations

import pytest
from django.test import Client

from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.runs import Run
from orders.models.orders import Order
from tests.automations import factories as make
from tests.automations.views import story
from tests.depot.models import Parcel


def shown(client: Client, query: str) -> list[int]:
    listing = client.get(f"/runs/?{query}").context["listing"]
    return [row.record.pk for row in listing.rows]


@pytest.mark.django_db
def test_a_run_tells_its_event_each_clause_its_steps_and_its_effects(
    auditor_client: Client,
) -> None:
    (case,) = story.failed_run()
    run, order = Run.objects.get(), Order.objects.get()
    page = auditor_client.get(f"/runs/{run.pk}/").content.decode()
    assert f"Run {run.number}" in page
    assert f'href="/orders/{order.number}/"' in page
    assert "is at least £500.00" in page
    assert "£640.00" in page
    assert "is not United Kingdom" in page
    assert "France" in page
    assert "Tagged high-value" in page
    assert "Choose another queue and retry." in page
    assert "1 of 2 done, 2 tries" in page
    assert f"/failures/{case.pk}/" in page
    assert "Check export papers of " + order.number in page


@pytest.mark.django_db
def test_an_overtaken_run_shows_what_was_seen_then_and_later(auditor_client: Client) -> None:
    make.live_rule()
    (parcel,) = make.parcels_arrived()
    make.match_all()
    Parcel.objects.filter(pk=parcel.pk).update(total="5.00", version=2)
    make.execute_all()
    page = auditor_client.get(f"/runs/{Run.objects.get().pk}/").content.decode()
    assert "Overtaken" in page
    assert "£250.00" in page
    assert "£5.00" in page
    assert "no longer held" in page


@pytest.mark.django_db
def test_runs_are_found_by_rule_state_trigger_subject_age_and_number(
    auditor_client: Client,
) -> None:
    story.failed_run()
    failed = Run.objects.get()
    rule = make.live_rule(name="Tag parcels")
    make.parcels_arrived()
    make.work_all()
    done = Run.objects.get(state="done")
    both = [done.pk, failed.pk]
    assert shown(auditor_client, "") == both
    assert shown(auditor_client, "view=failed") == [failed.pk]
    assert shown(auditor_client, "view=done") == [done.pk]
    assert shown(auditor_client, "view=waiting") == []
    assert shown(auditor_client, f"rule={rule.slug}") == [done.pk]
    assert shown(auditor_client, "trigger=orders.order_placed") == [failed.pk]
    assert shown(auditor_client, "about=depot.parcel") == [done.pk]
    assert shown(auditor_client, "age=lte:1h") == both
    assert shown(auditor_client, "age=gte:1h") == []
    assert shown(auditor_client, f"q={failed.number}") == [failed.pk]
    found = auditor_client.get(f"/search/?q={failed.number}").content.decode()
    assert f"Run {failed.number}" in found


@pytest.mark.django_db
def test_an_order_says_why_a_rule_fired_and_why_another_did_not(
    support_client: Client,
) -> None:
    story.failed_run()
    cheap = story.dear_order("20.00")
    make.work_all()
    dear = Order.objects.exclude(pk=cheap.pk).get()
    fired = support_client.get(f"/runs/_/why/orders.order/{dear.pk}/").content.decode()
    assert f"run {Run.objects.get().number}" in fired
    assert f"Case {Failure.objects.get().pk}" in fired
    did_not = support_client.get(f"/runs/_/why/orders.order/{cheap.pk}/").content.decode()
    assert "did not fire" in did_not
    assert "is at least £500.00 (was £20.00)" in did_not
    page = support_client.get(f"/orders/{cheap.number}/").content.decode()
    assert f"/runs/_/why/orders.order/{cheap.pk}/" in page


@pytest.mark.django_db
def test_a_run_that_is_not_there_is_a_404_and_strangers_are_refused(
    auditor_client: Client, client: Client
) -> None:
    assert auditor_client.get("/runs/1/").status_code == 404
    assert client.get("/runs/").status_code == 302
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_a_list_without_runs_says_how_they_begin(auditor_client: Client) -> None:
    assert "No runs yet." in auditor_client.get("/runs/").content.decode()
