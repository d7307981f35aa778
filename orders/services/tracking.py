"""What carriers tell of parcels: each event once, in any order, and a state that only grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from orders import signals
from orders.models.packages import Package, TrackerEvent
from orders.queries.conflicts import UNDER_WAY
from orders.services.conflicts import notice_disagreements, settle_old_news
from orders.services.packing import lock_package

State, Said, Trouble = Package.State, TrackerEvent.State, Package.Trouble
# From packing to coming back; the database refuses a step back too.
STEPS = list(State)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One thing a carrier said; `key` empty means that it has no id of its own."""

    state: TrackerEvent.State
    occurred_at: datetime
    key: str = ""
    note: str = ""

    @property
    def identity(self) -> str:
        return self.key[:120] or f"{self.state}@{self.occurred_at.isoformat()}"


@transaction.atomic
def record_tracking(package_id: int, events: Sequence[NewEvent], *, actor: Acting) -> Package:
    """Note what a carrier said of a parcel; what was told before is left alone.

    Doubled or shuffled events end in the same state. Announces packages_moved when the state or
    the trouble changed, packages_in_trouble when there is new trouble, conflicts_found where the
    order is cancelled, conflicts_settled where people were asked about older news.
    """
    order, package = lock_package(package_id)
    by = actor.of(order.pk)
    TrackerEvent.objects.bulk_create(
        (
            TrackerEvent(
                package=package,
                key=event.identity,
                state=event.state,
                occurred_at=event.occurred_at,
                note=event.note[:200],
                actor_kind=by.kind,
                actor_label=by.label,
                user_id=by.user_id,
            )
            for event in events
        ),
        ignore_conflicts=True,
    )
    before = (package.state, package.trouble)
    known = list(package.events.all())
    package.state, package.trouble = understood(package, known)
    if known:
        # Where nothing more is due, nothing is too old, however late it was told.
        is_due = package.state in UNDER_WAY
        as_of = max(map(_true_at, known)) if is_due else timezone.now()
        settle_old_news(order, as_of, package=package)
    if (package.state, package.trouble) == before:
        return package
    package.version += 1
    package.save(update_fields=["state", "trouble", "version"])
    words = Trouble(package.trouble).label if package.trouble else State(package.state).label
    text = f"Parcel {package}: {words.lower()}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, by)])
    sent = {"orders": [order], "packages": [package], "actor": actor, "history": False}
    signals.packages_moved.send(sender=Package, **sent)
    if package.trouble and package.trouble != before[1]:
        signals.packages_in_trouble.send(sender=Package, **sent)
    notice_disagreements([order], actor=actor)
    return package


def _true_at(event: TrackerEvent) -> datetime:
    """When it was so; a carrier whose clock runs ahead knows no more than when it told."""
    return min(event.occurred_at, event.recorded_at)


def understood(package: Package, events: Iterable[TrackerEvent]) -> tuple[str, str]:
    """State and trouble as a function of the set of events, whatever order they came in."""
    told = list(events)
    steps = [STEPS.index(State(each.state)) for each in told if each.state in State.values]
    furthest = STEPS[max([0, *steps])]
    trouble = package.trouble if package.trouble not in Package.REPORTED else ""
    if told and STEPS.index(furthest) < STEPS.index(State.DELIVERED):
        # At one moment what went wrong counts more than where it was.
        last = max(told, key=lambda each: (each.occurred_at, each.state in Package.REPORTED))
        trouble = last.state if last.state in Package.REPORTED else trouble
    return furthest, trouble
