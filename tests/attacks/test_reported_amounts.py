"""Amounts that a sender reports and no column holds: one message must not stop the others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from automations.connectors.accounts import account_of
from automations.engine import rounds
from automations.engine.sweep import sweep
from automations.models.connectors import ConnectorAccount
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from automations.models.intake import Delivery
from automations.models.runs import Run
from automations.services import connectors
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.test_staff_mail import mailing, with_addresses
from tests.intake import factories as hooks

pytestmark = pytest.mark.django_db

# As hooks.REPORT, in whole pounds, and with a country that a message need not tell.
MAPPING = {
    "reference": {"at": "data.id"},
    "amount.amount": {"at": "data.amount"},
    "amount.currency": {"at": "data.currency"},
    "country": {"at": "data.country"},
}


def a_source() -> Any:
    made = hooks.source()
    hooks.read(made, MAPPING)
    return made


def a_rule() -> ConnectorAccount:
    with_addresses()
    account = connectors.create_account(
        name="Staff mail", kind="automations.mail", actor=lines.administrator()
    )
    lines.approve_scope(account, per_minute=6_000, burst=100, cap=40, total_seconds=5)
    make.live_rule(
        trigger={"on": "automations.report_received"},
        when={"all": [{"field": "delivery.country", "op": "is", "value": "FR"}]},
        steps=mailing(account, subject="A report", text="Look at it."),
    )
    return account


def tell(source: Any, own_id: str, amount: str, **data: Any) -> None:
    body = json.dumps(hooks.message(own_id, amount="@", **data)).replace('"@"', amount)
    hooks.send(source, body.encode(), own_id=own_id)


@pytest.mark.parametrize("amount", ["100.00", "999999999999999.99999", '"-999999999999999.99999"'])
def test_an_amount_that_rounds_beyond_its_column_does_not_stop_the_matching(amount: str) -> None:
    """Its case can't hold the amount; the rules of everything else go on."""
    a_rule()
    make.live_rule()
    source = a_source()
    tell(source, "m1", amount)
    hooks.take_all()
    assert Delivery.objects.get().state in ("taken", "quarantined")
    make.parcels_arrived()
    make.work_all()
    assert Run.objects.filter(state="done").count() == 1
    assert not PendingEvent.objects.exists()
    assert Failure.objects.count() == 1


@pytest.mark.parametrize("amount", ["1e-30", "1e-3000000", "1e-270000000"])
def test_an_amount_of_very_many_digits_does_not_stop_the_inbox(amount: str) -> None:
    a_rule()
    source = a_source()
    tell(source, "m1", amount, country="FR")
    tell(source, "m2", "5.00", country="FR")
    hooks.take_all()
    assert hooks.states()["m2"] == "taken"
    assert hooks.states()["m1"] in ("taken", "quarantined")
    lengths = [len(json.dumps(facts)) for facts in Event.objects.values_list("facts", flat=True)]
    assert max(lengths) < 10_000


def test_the_largest_amount_that_is_taken_does_not_stop_the_sweep() -> None:
    """The worker of its call is gone, so the sweep tells a person, and sees to all the rest."""
    account = a_rule()
    tell(a_source(), "m1", "999999999999999", country="FR")
    hooks.take_all()
    make.work_all()
    assert rounds.begin(account_of(account.key)).sendings
    with connection.cursor() as cursor:
        cursor.execute("UPDATE automations_run SET lease_until = now() - interval '1 minute'")
    make.live_rule()
    sweep()
    assert Failure.objects.get().error == "doubt"
