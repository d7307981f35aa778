"""What a case says of what was done and what was not, once it is solved."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.failures import Failure
from automations.services import answers, failures
from backoffice.actors import Actor, person
from tests.automations import factories as make

pytestmark = pytest.mark.django_db

ASK = {"uid": "p1", "ask": {"role": "finance", "question": "Keep it?", "due": "PT24H"}}


def tag(uid: str, name: str, do: str = "depot.add_tag") -> dict[str, Any]:
    return {"uid": uid, "do": do, "with": {"tag": name}}


def by() -> Actor:
    return person(make.author())


def opened(*steps: dict[str, Any]) -> Failure:
    make.live_rule(steps=list(steps))
    make.parcels_arrived()
    make.work_all()
    return Failure.objects.get()


def refused() -> Failure:
    return opened(tag("a1", "first"), tag("a2", "no", "depot.choosy"), tag("a3", "last"))


def part(client: Client, case: Failure, was: str = "") -> Any:
    return client.get(reverse("failure_part", args=[case.pk]) + was)


def told(client: Client, case: Failure) -> dict[str, list[str]]:
    """The lists of the box on top, by heading."""
    page = part(client, case).content.decode()
    box = page[page.index("thirds") :]
    found = re.findall(r"<h3>([^<]+)</h3>\s*<ul>(.*?)</ul>", box, re.DOTALL)[:2]
    return {heading: re.findall(r"<li>(.*?)</li>", inner) for heading, inner in found}


def test_an_open_case_says_what_was_done_so_far_and_what_was_not(support_client: Client) -> None:
    said = told(support_client, refused())
    assert said["Done so far"] == ["Tagged first."]
    assert len(said["Not done"]) == 2


def test_a_case_that_was_done_by_hand_leaves_nothing_not_done(support_client: Client) -> None:
    case = refused()
    failures.done_by_hand(case.pk, version=case.version, reference="REF-1", actor=by())
    make.work_all()
    assert told(support_client, case) == {
        "Done": ["Tagged first.", "Done by hand: REF-1", "Tagged last."],
        "Not done": ["Nothing is left."],
    }


def test_a_step_that_was_skipped_was_not_done(support_client: Client) -> None:
    case = refused()
    failures.skip_step(case.pk, version=case.version, reason="No room.", actor=by())
    make.work_all()
    assert told(support_client, case) == {
        "Done": ["Tagged first.", "Tagged last."],
        "Not done": ["Skipped: No room."],
    }


def test_what_a_run_that_was_ended_left_stays_not_done(support_client: Client) -> None:
    case = refused()
    failures.end_run(case.pk, version=case.version, reason="Sold.", actor=by())
    said = told(support_client, case)
    assert said["Done so far"] == ["Tagged first."]
    assert len(said["Not done"]) == 2


def test_a_question_with_a_no_was_asked_and_what_follows_was_not_done(
    support_client: Client,
) -> None:
    case, finance = opened(ASK, tag("a1", "kept")), person(make.staff("finance"))
    answers.answer_question(case.pk, version=case.version, yes=False, text="No.", actor=finance)
    (left,) = told(support_client, case)["Not done"]
    assert "Keep it?" not in left


def test_the_row_of_a_case_is_read_again_once_its_retry_is_over(support_client: Client) -> None:
    case = refused()
    assert "?was=waiting" not in part(support_client, case).content.decode()
    failures.done_by_hand(case.pk, version=case.version, reference="REF-1", actor=by())
    page = part(support_client, case, "?was=waiting")
    assert "?was=waiting" in page.content.decode()
    assert "HX-Trigger" not in page
    make.work_all()
    page = part(support_client, case, "?was=waiting")
    assert "list:refresh" in page["HX-Trigger"]
    assert "?was=waiting" not in page.content.decode()
    assert "HX-Trigger" not in part(support_client, case)
