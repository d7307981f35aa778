"""What may be done to many rules at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from automations.forms.rules import ReviewForm, WhyForm
from automations.models.rules import Rule
from automations.services import rules, stops
from automations.services.errors import AutomationError
from automations.services.rule_imports import IMPORT
from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome


def _each(ids: Sequence[int], act: Callable[[int], object]) -> Iterable[Outcome]:
    """One outcome for each rule, so that one refusal does not keep the others back."""
    for pk in ids:
        try:
            act(pk)
        except AutomationError as refusal:
            yield Outcome(pk, ok=False, message=str(refusal))
        else:
            yield Outcome(pk, ok=True)


def _stop(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda pk: stops.stop_rule(pk, reason=params["why"], actor=actor))


def _review(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    versions = dict(Rule.objects.filter(pk__in=ids).values_list("pk", "version"))
    day = date.fromisoformat(params["review_on"])
    return _each(
        [pk for pk in ids if pk in versions],
        lambda pk: rules.describe_rule(pk, version=versions[pk], actor=actor, review_on=day),
    )


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    bulk.register(IMPORT)
    bulk.register(
        BulkAction(
            key="rules.review",
            label="Set review date",
            done="Set the review date of",
            permission="automations.change_rule",
            run=_review,
            form=ReviewForm,
            icon="calendar",
        )
    )
    bulk.register(
        BulkAction(
            key="rules.stop",
            label="Stop",
            done="Stopped",
            permission="automations.stop_rule",
            run=_stop,
            form=WhyForm,
            shortcut="h",
            icon="hand-stop",
            danger=True,
        )
    )
