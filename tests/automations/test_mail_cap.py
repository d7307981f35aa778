"""A rule that would send very many mails sends exactly as many as its limit allows.

10,000 in a normal run; `CHAOS_FULL=1` makes it 100,000.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from django.core import mail

from automations.engine.execute import execute_batch
from automations.engine.outside import call_lane
from automations.models.failures import Failure
from automations.models.runs import Effect, LimitUse, Run
from automations.services import connectors
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.test_staff_mail import mailing, with_addresses
from tests.bed.databases import Database, at_once

MAILS = 100_000 if os.environ.get("CHAOS_FULL") else 10_000
CAP = MAILS // 100
WORKERS = 50


@pytest.mark.requirement("R16")
def test_fifty_workers_mail_exactly_the_cap_and_park_the_rest(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_addresses()
    account = connectors.create_account(
        name="Staff mail", kind="automations.mail", actor=lines.administrator()
    )
    lines.approve_scope(account, per_minute=6_000, burst=100, cap=40, total_seconds=5)
    make.live_rule(steps=mailing(account), limits={"messages": {"per_day": CAP}})
    for _ in range(0, MAILS, 1_000):
        make.parcels_arrived(1_000)
    make.match_all()
    lines.as_processes(monkeypatch)

    def work() -> None:
        while Run.objects.filter(state__in=["due", "calling"]).exists():
            execute_batch()
            call_lane(account.key)

    assert at_once([work] * WORKERS) == [None] * WORKERS
    states = Counter(Run.objects.values_list("state", flat=True))
    assert states == {"done": CAP, "parked": MAILS - CAP}
    assert len(mail.outbox) == CAP
    assert len({sent.extra_headers["Message-ID"] for sent in mail.outbox}) == CAP
    assert Effect.objects.filter(state="confirmed").count() == CAP
    assert LimitUse.objects.get().used == CAP
    assert Failure.objects.filter(kind="limit").count() == 1
