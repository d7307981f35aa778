"""Evidence for a version, counted here and now by what workers count with."""

from __future__ import annotations

import time

from automations.models.backtests import Backtest
from automations.models.documents import Document
from automations.rules.parsing import read_document
from automations.services import backtests
from automations.simulation.backtests import backtest_slice
from backoffice.actors import person

PATIENCE_SECONDS = 60.0


def gather(document: Document) -> None:
    """Have a version counted to the end, unless it is or there is nothing to count."""
    starts_on = read_document(document.text).trigger_key if document.rule_id else None
    if starts_on is None or not backtests.has_history(starts_on):
        return
    if backtests.evidence_for(document) is not None:
        return
    job = backtests.ask_for_document(document, days=90, actor=person(document.submitted_by))
    until = time.monotonic() + PATIENCE_SECONDS
    while job.state in Backtest.OPEN and time.monotonic() < until:
        if not backtest_slice(only=job.pk):
            time.sleep(0.05)  # a worker has it
        job.refresh_from_db()
    assert job.state == Backtest.State.DONE, job.says
