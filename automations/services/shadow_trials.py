"""A shadow for some days: compared with what acted when they are over, ended, and told of."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from automations.models.documents import Activation
from automations.models.trials import ShadowTrial
from automations.services import approvals, doors
from automations.services.errors import NotPossible, Refused
from automations.simulation.shadow import Comparison, compare
from backoffice import notices
from backoffice.actors import Actor
from backoffice.counting import counted

logger = logging.getLogger(__name__)
DAYS = (1, 3, 7, 14, 30)


@transaction.atomic
def begin(document_id: int, *, days: int, actor: Actor) -> Activation:
    """Let a version run in shadow for some days; raises Refused, NotPossible for other lengths."""
    if days not in DAYS:
        raise NotPossible("A shadow runs for 1, 3, 7, 14 or 30 days.")
    period = approvals.run_in_shadow(document_id, actor=actor)
    due = timezone.now() + timedelta(days=days)
    ShadowTrial.objects.create(activation=period, days=days, due_at=due)
    return period


def compare_due() -> int:
    """Compare what is due, and tell those who wait for it; answers how many."""
    due = ShadowTrial.objects.filter(compared_at=None, due_at__lte=timezone.now())
    done = 0
    for pk in due.order_by("due_at").values_list("pk", flat=True)[:50]:
        try:
            done += _compare(pk)
        except Exception:
            logger.exception("Shadow trial %s can't be compared", pk)
    return done


@transaction.atomic
def _compare(pk: int) -> int:
    rows = ShadowTrial.objects.select_for_update(skip_locked=True, of=("self",))
    people = ("activation__activated_by", "activation__rule__owner", "activation__document")
    trial = rows.select_related(*people).filter(pk=pk, compared_at=None).first()
    if trial is None:
        return 0
    period = trial.activation
    found = compare(period)
    trial.found = as_kept(found)
    trial.compared_at = timezone.now()
    trial.save(update_fields=["found", "compared_at"])
    if period.is_in_shadow and period.rule_id is not None:
        try:
            doors.call("end_shadow", period.rule_id, period.activated_by_id)
        except Refused:
            logger.info("Shadow %s goes on: who began it has left", period.pk)
    _tell(trial, period, found)
    return 1


def as_kept(found: Comparison) -> dict[str, int]:
    """The figures of a comparison."""
    names = ("same", "differs", "live", "shadow", "open")
    return {name: getattr(found, name) for name in names}


def _tell(trial: ShadowTrial, period: Activation, found: Comparison) -> None:
    rule = period.rule
    if rule is None:
        return
    days = "a day" if trial.days == 1 else f"{trial.days} days"
    text = (
        f"“{rule.name}” v{period.document.version} ran in shadow for {days}: "
        f"{counted(found.same, 'event')} taken alike, {found.differs:,} otherwise, "
        f"{found.shadow:,} only by it, "
        f"{found.live:,} only live."
    )
    people = {period.activated_by, *([rule.owner] if rule.owner is not None else [])}
    link = reverse("rule_shadow", args=[rule.slug])
    notices.notify(people, text, link, key=f"shadow-trial:{trial.pk}")
