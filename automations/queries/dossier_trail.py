"""What the audit trail has on one rule, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from automations.models.documents import Document, Stop
from automations.models.rules import Rule
from automations.queries.sheets import Sheet, sheet
from backoffice import chain
from backoffice.models import AuditEntry


def entries_of(rule: Rule, versions: Sequence[Document]) -> Any:
    """What the audit trail has on a rule, its versions and its stops."""
    stops = Stop.objects.filter(rule=rule).values("pk")
    about = Q(subject="automations.rule", subject_id=rule.pk)
    about |= Q(subject="automations.document", subject_id__in=[each.pk for each in versions])
    about |= Q(subject="automations.stop", subject_id__in=stops)
    return AuditEntry.objects.filter(about).select_related("link").order_by("at", "pk")


def trail(rule: Rule, versions: Sequence[Document]) -> list[Sheet]:
    entries = list(entries_of(rule, versions))
    holds = chain.hold([each.pk for each in entries])
    rows = []
    for each in entries:
        link = getattr(each, "link", None)
        rows.append(
            (
                each.pk,
                each.at,
                each.verb,
                each.actor_kind,
                each.actor_label,
                each.user_id,
                each.subject,
                each.subject_id,
                each.detail,
                link.position if link else None,
                link.sha256 if link else None,
                holds.get(each.pk, "not sealed yet"),
            )
        )
    columns = ("Entry", "At", "What", "Kind", "Who", "User", "On", "Number", "Detail", "Link")
    told = sheet("audit", "Audit trail", (*columns, "SHA-256 of the link", "Holds"), rows)
    return [told, _verified(len(entries), holds)]


def _verified(entries: int, holds: dict[int, bool]) -> Sheet:
    """What was checked, and what came of it."""
    now = chain.standing()
    last = now.checked
    broken = sorted(entry for entry, good in holds.items() if not good)
    rows = [
        ("Head of the chain", str(now.head)),
        ("Entries in this export", entries),
        ("Of these sealed in the chain", len(holds)),
        ("Of these true to their link", sum(holds.values())),
        ("Changed after they were sealed", ", ".join(map(str, broken)) or "none"),
        ("The whole chain was last checked at", last.at if last else "never"),
        ("It then held up to", f"{last.position}:{last.sha256}" if last else ""),
        ("What that check found", (last.finding or "All holds.") if last else ""),
        ("What is wrong with the trail now", now.trouble or "nothing"),
    ]
    note = "Hold the head against the chain later: manage.py verify_audit --expect HEAD."
    return sheet("verification", "Verification", ("What", "Value"), rows, note)
