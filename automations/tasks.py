"""Celery's doors to the engine: a message wakes, PostgreSQL holds the work."""

from typing import Any

from celery import shared_task

from automations.engine import retention
from automations.engine import sweep as sweeping
from automations.engine import tend as tending
from automations.engine.applying import apply_batch
from automations.engine.drain import drain
from automations.engine.execute import execute_batch
from automations.engine.match import match_batch
from automations.engine.outside import call_lane
from automations.engine.paging import PAGE
from automations.engine.scan import scan_batch
from automations.engine.take import take_batch
from automations.services import shadow_trials
from automations.simulation.backtests import backtest_slice

# A batch of so many wakes another worker.
MANY = 500


@shared_task
def take_deliveries() -> None:
    drain({"take": take_batch, "match": match_batch, "execute": execute_batch}, full=MANY)


@shared_task
def match_events() -> None:
    drain({"match": match_batch, "execute": execute_batch}, full=MANY)


@shared_task
def execute_runs() -> None:
    drain({"execute": execute_batch, "match": match_batch}, full=MANY)


@shared_task
def scan_slots() -> None:
    drain({"scan": scan_batch}, full=PAGE)


@shared_task
def apply_to_existing() -> None:
    drain({"existing": apply_batch}, full=PAGE)


@shared_task
def count_backtests() -> None:
    drain({"backtest": backtest_slice}, full=2)


@shared_task
def sweep() -> None:
    sweeping.sweep()


@shared_task
def call_connector(lane: str) -> None:
    call_lane(lane)


@shared_task
def tend() -> None:
    tending.tend()
    shadow_trials.compare_due()


@shared_task
def let_go(**came: Any) -> None:
    """Let go of what has had its time; a message lost on the way means the next night."""
    given = retention.let_go(retention.Pass(**came))
    if given.more:
        let_go.delay(**given.as_message())
