"""Runs as a list and a page, and why rules did or didn't act on a record."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import drafts
from backoffice.actors import outside, person
from backoffice.models import User
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
@pytest.mark.requirement("R10")
def test_the_run_log_shows_and_filters_event_version_actor_result_and_time(
    auditor_client: Client, finance_user: User
) -> None:
    rule = make.live_rule(name="Tag parcels")
    (parcel,) = make.make_parcels()
    make.arrive([parcel], actor=person(finance_user))
    make.work_all()
    first = Run.objects.get()
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    make.make_live(rule)
    make.arrive(make.make_parcels(), actor=outside("Carrier"))
    make.work_all()
    second = Run.objects.exclude(pk=first.pk).get()

    listing = auditor_client.get("/runs/").context["listing"]
    cells = {row.record.pk: " ".join(str(cell) for _, cell in row.cells) for row in listing.rows}
    assert "Daniel Okafor" in cells[first.pk]
    assert "v1" in cells[first.pk]
    assert "an outside system" in cells[second.pk]
    assert "v2" in cells[second.pk]
    assert shown(auditor_client, f"event={first.event_id}") == [first.pk]
    assert shown(auditor_client, "version=2") == [second.pk]
    assert shown(auditor_client, "version=v1") == [first.pk]
    assert shown(auditor_client, "actor=person") == [first.pk]
    assert shown(auditor_client, "actor=outside") == [second.pk]
    assert shown(auditor_client, "actor=rule") == []
    assert shown(auditor_client, "state=done") == [second.pk, first.pk]
    assert second.finished_at is not None
    to_the_microsecond = second.finished_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert shown(auditor_client, f"finished=gte:{to_the_microsecond}") == [second.pk]
    assert shown(auditor_client, f"finished=lt:{to_the_microsecond}") == [first.pk]
    assert shown(auditor_client, "began=lt:2026-01-01T00:00Z") == []
    export: Any = auditor_client.get("/runs/_/export/?cols=number,event,actor,version,state,ended")
    text = b"".join(export.streaming_content).decode()
    assert "Daniel Okafor" in text
    assert str(first.event_id) in text


@pytest.mark.django_db
@pytest.mark.parametrize("wrong", ["event=x", "version=one", "finished=gte:noon", "actor=nobody"])
def test_a_value_that_a_filter_does_not_understand_is_said(
    auditor_client: Client, wrong: str
) -> None:
    page = auditor_client.get(f"/runs/?{wrong}").content.decode()
    assert "Nothing is shown until that filter is mended" in page


@pytest.mark.django_db
def test_a_moment_is_asked_for_in_the_viewers_zone(auditor_client: Client) -> None:
    page = auditor_client.get("/runs/?finished=gte:2026-07-01T12:30:05Z").content.decode()
    assert 'value="2026-07-01T13:30:05"' in page
    assert "Ended from 1 Jul, 13:30:05" in page
    sent = auditor_client.get("/runs/?_form=1&finished.gte=2026-07-01T13:30:05")
    assert sent["Location"].endswith("?finished=gte:2026-07-01T13:30:05")
    assert "Ended from 1 Jul, 13:30:05" in auditor_client.get(sent["Location"]).content.decode()


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
