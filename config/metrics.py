"""What Prometheus reads. Every figure comes from the database at the scrape, so it does not matter
which of many processes answers."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from automations.engine import watchdog
from automations.queries import health
from backoffice import chain

CONTENT_TYPE = CONTENT_TYPE_LATEST
STAGES = ("take", "match", "execute", "sweep")


class Figures(Collector):
    """The engine's figures as of now."""

    def collect(self) -> Iterator[Metric]:
        """Every family, each from one or two cheap queries; raises DatabaseError."""
        yield from _work()
        yield from _people()
        yield from _life()
        yield from _trail()


def _gauge(name: str, says: str, value: float) -> Metric:
    return Gauge(f"countersign_{name}", says, value)


def _work() -> Iterator[Metric]:
    waiting = health.waiting()
    yield _gauge("events_pending", "Events that wait to be matched.", waiting.events)
    yield _gauge("oldest_pending_event_seconds", "Age of the oldest of them.", waiting.oldest_event)
    yield _gauge("runs_due", "Runs that are due now.", waiting.runs)
    yield _gauge("oldest_due_run_seconds", "How long the oldest is due.", waiting.oldest_run)
    states = Gauge("countersign_runs", "Runs by state.", labels=["state"])
    for state, number in health.runs_by_state().items():
        states.add_metric([state], number)
    yield states


def _people() -> Iterator[Metric]:
    cases = Gauge("countersign_cases_open", "Open cases by priority.", labels=["priority"])
    for priority, number in health.open_cases().items():
        cases.add_metric([priority], number)
    yield cases
    yield _gauge("stops_open", "Stops of rules, or of everything.", health.open_stops())
    yield _gauge("effects_in_doubt", "Effects that may have happened.", health.effects_in_doubt())


def _life() -> Iterator[Metric]:
    now, claims = timezone.now(), health.last_claims()
    ages = Gauge(
        "countersign_last_claim_seconds", "Since a stage last took work.", labels=["stage"]
    )
    for stage, at in sorted(claims.items()):
        ages.add_metric([stage], (now - at).total_seconds())
    yield ages
    stalls = {stall.stage for stall in watchdog.diagnose()}
    standing = Gauge(
        "countersign_stalled", "1 where work is due and does not move.", labels=["stage"]
    )
    for stage in STAGES:
        standing.add_metric([stage], float(stage in stalls))
    yield standing
    workers = health.workers()
    yield _gauge("workers", "Workers seen in the last five minutes.", len(workers))
    seen = Gauge("countersign_worker_seen_seconds", "Since it last worked.", labels=["worker"])
    up = Gauge("countersign_worker_up_seconds", "Since it began.", labels=["worker"])
    for worker in workers:
        seen.add_metric([worker.name], (now - worker.seen_at).total_seconds())
        up.add_metric([worker.name], (now - worker.started_at).total_seconds())
    yield seen
    yield up


def _trail() -> Iterator[Metric]:
    stands = chain.standing()
    yield _gauge("audit_links", "Sealed entries of the audit trail.", stands.head.position)
    yield _gauge("audit_unsealed", "Audit entries that wait to be sealed.", stands.waiting)
    yield _gauge(
        "audit_trouble", "1 where the audit trail needs a look.", float(bool(stands.trouble))
    )


def text() -> bytes:
    """All figures in Prometheus' text format; raises DatabaseError."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return generate_latest(registry)
