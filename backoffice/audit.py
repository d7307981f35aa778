"""The one door to the audit trail."""

from typing import Any

from backoffice.actors import Actor
from backoffice.models import AuditEntry


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
