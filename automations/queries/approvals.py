"""What waits for a verdict, and what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from django.db.models import Exists, OuterRef, QuerySet

from automations.models.documents import Activation, Approval, Document, DocumentEditor
from backoffice.models import User

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


def waiting() -> QuerySet[Document]:
    """Everything submitted, oldest first."""
    return (
        Document.objects.filter(state=Document.State.SUBMITTED)
        .select_related("rule__owner", "author", "submitted_by")
        .order_by("submitted_at")
    )


class WaitingRow(TypedDict):
    """`is_own`: the person edited or submitted it, and so can't decide."""

    is_own: bool


def waiting_for(user: User) -> QuerySet[WithAnnotations[Document, WaitingRow]]:
    """Everything submitted, as WaitingRow describes it for this person."""
    own = DocumentEditor.objects.filter(document=OuterRef("pk"), user=user)
    return waiting().annotate(is_own=Exists(own))


def decided() -> QuerySet[Approval]:
    """Verdicts, newest first."""
    return Approval.objects.select_related("document__rule", "approver").order_by("-at", "-id")


def document_detail(document_id: int) -> Document:
    """One version with its rule, people and verdicts; raises Document.DoesNotExist."""
    return (
        Document.objects.select_related("rule__owner", "author", "submitted_by", "existing")
        .prefetch_related("approvals__approver", "editors__user", "activations")
        .get(pk=document_id)
    )


def version_before(document: Document) -> Document | None:
    """What was in force when this was submitted, to show the difference to; None for the first."""
    earlier = Document.objects.filter(
        kind=document.kind, key=document.key, version__lt=document.version
    )
    return earlier.filter(activations__mode=Activation.Mode.LIVE).order_by("-version").first()
