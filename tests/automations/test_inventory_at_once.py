"""The inventory before anything was counted, and the same figures wherever they are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from automations.engine import inventory
from automations.models.inventory import RuleStanding
from automations.models.rules import Rule
from automations.models.runs import Run
from backoffice.models import User
from tests.automations import factories as make
from tests.automations.test_inventory import an_event, last_run, rows
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db


@pytest.mark.requirement("R17")
def test_every_rule_is_there_with_its_owner_state_and_version_before_anything_was_counted(
    operations_user: User,
) -> None:
    client = signed_in(operations_user)
    make.live_rule(name="Acts")
    orphan = make.live_rule(name="Nobody's")
    make.make_rule(name="Only a draft")
    Rule.objects.filter(pk=orphan.pk).update(owner=None)
    assert not RuleStanding.objects.exists()
    found = {name: dict(row.cells) for name, row in rows(client, "?view=all").items()}
    cells = {
        name: {column.key: strip_tags(str(cell)) for column, cell in row.items()}
        for name, row in found.items()
    }
    assert {name: row["state"] for name, row in cells.items()} == {
        "Acts": "Live v1",
        "Nobody's": "Live v1",
        "Only a draft": "Not live",
    }
    assert (cells["Acts"]["flags"], cells["Acts"]["month"]) == ("not looked at yet", "not yet")
    assert (cells["Acts"]["day"], cells["Acts"]["saved"]) == ("0", "not yet")
    assert cells["Nobody's"]["flags"] == "No owner"
    assert set(rows(client, "?view=no-owner")) == {"Nobody's"}
    assert set(rows(client, "?view=live")) == {"Acts", "Nobody's"}
    assert "nobody knows what is quiet" in client.get("/rules/inventory/").content.decode()


def test_the_inventory_the_list_and_the_page_of_a_rule_tell_the_same_of_a_day(
    operations_user: User,
) -> None:
    client = signed_in(operations_user)
    rule, watched = make.live_rule(name="Busy"), make.live_rule(name="In shadow")
    for days_ago in (0.1, 0.5, 0.9, 3):
        last_run(rule, days_ago=days_ago)
    waits = Run.objects.filter(rule_id=rule.pk).order_by("pk").first()
    assert waits is not None
    Run.objects.filter(pk=waits.pk).update(state="waiting", finished_at=None)
    event = an_event(days_ago=0.2)
    Run.objects.create(
        id=-(event.pk * 1_000_000 + watched.pk), event_id=event.pk, rule_id=watched.pk,
        document_id=watched.documents.get().pk, subject=event.subject, subject_id=1,
        subject_version=1, position=100, state="done", shadow=True,
    )  # fmt: skip
    inventory.count()
    listed = rows(client, "?view=all&sort=-day")
    assert [(name, row.record.runs_24h) for name, row in listed.items()] == [
        ("Busy", 3),
        ("In shadow", 0),
    ]
    assert listed["In shadow"].record.last_fired_at is None
    page = " ".join(strip_tags(client.get(f"/rules/{rule.slug}/").content.decode()).split())
    assert "Runs that began 3 in 24 h, 4 in 7 days" in page
    listed = client.get("/rules/?view=all&q=Busy").context["listing"].rows
    assert [row.record.runs_24h for row in listed] == [3]


def test_a_rule_is_looked_at_as_soon_as_it_is_made_put_in_force_or_ended() -> None:
    rule = make.make_rule()
    inventory.look()
    assert RuleStanding.objects.get(rule=rule).live_since is None
    RuleStanding.objects.update(at=timezone.now() - timedelta(seconds=50))
    inventory.look()
    assert RuleStanding.objects.get(rule=rule).at < timezone.now() - timedelta(seconds=40)
    make.make_live(rule)
    inventory.look()
    assert RuleStanding.objects.get(rule=rule).live_since is not None
    other = make.make_rule()
    inventory.look()
    assert RuleStanding.objects.filter(rule=other).exists()
