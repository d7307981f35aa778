"""A rule beside those that are live or wait: decided on the documents, confirmed on history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from automations.engine import database
from automations.models.events import Event
from automations.models.rules import Draft, Rule
from automations.models.runs import Run
from automations.rules.parsing import parse_document
from automations.services import rules
from automations.simulation import recent
from automations.simulation.meetings import Meeting, Meetings, meetings
from backoffice.actors import person
from tests.automations import factories as make

pytestmark = pytest.mark.django_db

FRENCH = {"field": "parcel.country", "op": "is", "value": "FR"}


def at_least(amount: str) -> dict[str, Any]:
    return {"field": "parcel.total", "op": "gte", "value": {"amount": amount, "currency": "GBP"}}


def met(**changes: Any) -> Meetings:
    rule = make.make_rule(name="Mine", **changes)
    return meetings(rule, parse_document(Draft.objects.get(rule=rule).body))


def only(found: Meetings) -> Meeting:
    (one,) = found.found
    return one


@pytest.mark.requirement("R6")
def test_the_same_rule_in_force_is_told_with_the_events_that_both_match() -> None:
    make.live_rule(name="There before")
    make.parcels_arrived(3, total="250.00")
    make.parcels_arrived(2, total="20.00")
    found = only(met())
    assert found.finding.kind == "duplicate"
    assert "“There before” starts on the same events and does the same" in found.finding.says
    assert (found.times, found.at_least) == (3, False)
    assert found.event is not None
    assert found.event.facts["parcel.total.amount"] == "250.00"
    assert not Run.objects.exists()


def test_a_version_that_waits_is_met_as_one_in_force_is() -> None:
    make.submit(make.make_rule(name="Waits"))
    found = only(met())
    assert [(party.name, party.state) for party in found.finding.rules] == [("Waits", "submitted")]


def test_drafts_and_retired_rules_are_not_met() -> None:
    make.make_rule(name="Only a draft")
    gone = make.live_rule(name="Gone")
    gone.refresh_from_db()
    rules.retire_rule(gone.pk, version=gone.version, why="Over.", actor=person(make.author()))
    found = met()
    assert (found.found, found.rules) == ([], 0)


def test_a_rule_does_not_meet_its_own_version_in_force() -> None:
    rule = make.live_rule()
    found = meetings(rule, parse_document(make.body()))
    assert found.found == []


def test_what_history_does_not_hold_comes_with_an_example_that_is_made_up() -> None:
    make.live_rule(name="French", when={"all": [FRENCH]})
    make.parcels_arrived(2, total="250.00", country="DE")
    make.parcels_arrived(2, total="20.00", country="FR")
    found = only(met())
    assert (found.finding.kind, found.times, found.event) == ("same", 0, None)
    assert dict(found.finding.shown()) == {
        "Parcel › total": "£100.00",
        "Parcel › country": "France",
    }


def test_events_of_more_than_a_month_ago_are_not_counted() -> None:
    make.live_rule(name="There before")
    make.parcels_arrived(1)
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert only(met()).times == 0


def test_counting_leaves_the_time_that_other_statements_have_as_it_was() -> None:
    make.live_rule(name="There before")
    make.parcels_arrived(1)
    before = database.fetch("SELECT current_setting('statement_timeout')")
    assert only(met()).times == 1
    assert database.fetch("SELECT current_setting('statement_timeout')") == before


def test_more_events_than_are_read_are_told_as_at_least_so_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make.live_rule(name="There before")
    make.parcels_arrived(5)
    monkeypatch.setattr(recent, "MOST_EVENTS", 3)
    found = only(met())
    assert (found.times, found.at_least) == (3, True)


def two_figures(least: int) -> dict[str, Any]:
    """An event that meets both of two figures of one list is not made up."""
    return {
        "all": [
            {"count": "parcel.items", "op": "gte", "value": least},
            {"sum": "parcel.items", "of": "quantity", "op": "gte", "value": 10},
        ]
    }


def test_what_is_only_possible_is_told_when_history_has_it_and_else_not() -> None:
    make.live_rule(name="Two figures", when=two_figures(2))
    tagging = {"when": {"all": [FRENCH]}}
    assert met(**tagging).found == []
    items = [{"sku": "A", "quantity": 6}, {"sku": "B", "quantity": 6}]
    make.parcels_arrived(2, items=items)
    found = only(met(**tagging))
    assert (found.finding.kind, found.times) == ("same", 2)


def test_what_an_approval_keeps_names_rules_versions_and_events() -> None:
    document = make.make_live(make.make_rule(name="There before"))
    make.parcels_arrived(1)
    kept = met().as_evidence()
    assert (kept["rules"], kept["days"]) == (1, 30)
    (one,) = kept["found"]
    assert one["with"] == [
        {"rule": document.rule_id, "document": document.pk, "is": "live"},
    ]
    assert (one["kind"], one["times"]) == ("duplicate", 1)
    assert one["event"] == Event.objects.get().pk


def test_a_circle_across_two_rules_is_told() -> None:
    make.live_rule(
        name="Answers",
        trigger={"on": "depot.parcel_tagged"},
        when={"all": []},
        steps=make.steps("depot.add_tag_and_tell"),
    )
    found = met(steps=[{"uid": "a1", "do": "depot.add_tag", "with": {"tag": "x"}}])
    assert found.found == []
    rule = Rule.objects.get(name="Answers")
    own = meetings(rule, parse_document(Draft.objects.get(rule=rule).body))
    assert only(own).finding.title == "It sets itself off"
