"""The one door to the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from backoffice import refusals
from backoffice.actors import Acting, Actor
from backoffice.models import AuditEntry

P = ParamSpec("P")
R = TypeVar("R")


def record(verb: str, subject: str, subject_id: int | None, *, actor: Actor, **detail: Any) -> None:
    """Write a decision or an access in the caller's transaction.

    `verb` is past tense with an app prefix (`rules.submitted`); `detail` holds JSON values: ids,
    codes, amounts and hashes, no personal data.
    """
    AuditEntry.objects.create(
        verb=verb,
        subject=subject,
        subject_id=subject_id,
        actor_kind=actor.kind,
        actor_label=actor.label,
        user_id=actor.user_id,
        detail=detail,
    )


def traces_refusals(
    verb: str, subject: str, *errors: type[Exception]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record under `verb` when a service refuses with one of these errors: attempts count too.

    Put it outside of `transaction.atomic`, so that the record outlives the rollback of what was
    refused. The service takes the subject (a row or its id) or a list of ids first, `actor` by
    name.
    """

    def traced(service: Callable[P, R]) -> Callable[P, R]:
        @wraps(service)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with refusals.recorded_elsewhere():
                    return service(*args, **kwargs)
            except errors as refusal:
                actor: Any = kwargs["actor"]
                _record_refusals(verb, subject, args[0], actor, service.__name__, str(refusal))
                raise

        return call

    return traced


def _record_refusals(
    verb: str, subject: str, given: Any, actor: Acting, act: str, why: str
) -> None:
    ids = given if isinstance(given, (list, tuple, set)) else [getattr(given, "pk", given)]
    for subject_id in ids:
        by = actor.of(subject_id or 0)
        record(verb, subject, subject_id, actor=by, act=act, why=why)
