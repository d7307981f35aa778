"""Cases about rules rather than single runs: a limit that is reached, a first look that is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from automations.engine.failures import DUE, fingerprint, open_again
from automations.engine.in_force import FirstLook
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.rules import Rule

LIMIT = "limit"
FIRST_LOOK = "first_look"


@dataclass(frozen=True, slots=True)
class Notice:
    """One case to open, or to open again. `owner_id` None: the rule's owner."""

    kind: str
    key: str
    rule_id: int
    document_id: int
    error: Failure.Error
    says: str
    fallback: str
    owner_id: int | None = None

    @classmethod
    def limit(cls, work: Work, says: str, key: str) -> Notice:
        """A rule's runs wait, since one of its limits is reached."""
        return cls(
            LIMIT,
            f"{work.rule_id}:{key}"[:120],
            work.rule_id,
            work.document_id,
            Failure.Error.LIMIT,
            says,
            "Look at what waits. Release the runs, and they go on as far as the limit allows, or "
            "cancel them. If the limit is too low, change the rule.",
        )

    @classmethod
    def first_look(cls, work: Work, look: FirstLook, runs: int) -> Notice:
        """A new version waits for the reviewer whom its approver named."""
        after = "1 run" if runs == 1 else f"{runs:,} runs"
        return cls(
            FIRST_LOOK,
            str(look.activation_id),
            work.rule_id,
            work.document_id,
            Failure.Error.FIRST_LOOK,
            f"This version waits for its first look, after {after}.",
            "Open some of its runs. If what they did is right, say so and the rest goes on. "
            "If not, stop the rule.",
            look.reviewer_id,
        )


def open_notices(notices: Sequence[Notice]) -> None:
    """Open these cases; one that is open stays as it is, one that was closed opens again."""
    if not notices:
        return
    rules = Rule.objects.in_bulk({notice.rule_id for notice in notices})
    now = timezone.now()
    fresh = [
        Failure(
            kind=notice.kind,
            key=notice.key,
            error=notice.error,
            cause=fingerprint(notice.kind, str(notice.rule_id), notice.says),
            cause_words=notice.says[:300],
            says=notice.says,
            rule_id=notice.rule_id,
            document_id=notice.document_id,
            fallback=notice.fallback,
            owner_id=notice.owner_id or rules[notice.rule_id].owner_id,
            priority=Failure.Priority.HIGH,
            opened_at=now,
            due_at=now + DUE[Failure.Priority.HIGH],
        )
        for notice in notices
    ]
    open_again(fresh)
