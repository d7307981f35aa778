"""Telling people of a version: those who can decide, and those who wait for the verdict."""

from __future__ import annotations

from django.urls import reverse

from automations.models.documents import Approval, Document
from automations.services.approving import deciders
from backoffice import notices
from backoffice.models import User

SAID = {
    Approval.Verdict.APPROVE: "approved",
    Approval.Verdict.CHANGES: "asks for changes to",
    Approval.Verdict.REJECT: "rejected",
}


def named(document: Document) -> str:
    """A version as people call it: `“Large orders” v3`."""
    name = document.rule.name if document.rule is not None else document.key
    return f"“{name}” v{document.version}"


def submitted(document: Document) -> None:
    """Ask everyone who can decide on it."""
    text = f"{document.submitted_by} asks you to decide on {named(document)}: {document.why}"
    _tell(deciders(document), document, text, "waits")


def decided(document: Document, given: Approval) -> None:
    """Tell who wrote and submitted it what was said; those who still have to agree, that it waits.

    Whoever said it knows already.
    """
    verdict = Approval.Verdict(given.verdict)
    text = f"{given.approver} {SAID[verdict]} {named(document)}"
    text += f": {given.comment}" if given.comment else "."
    people = {document.author, document.submitted_by}
    if document.rule is not None and document.rule.owner is not None:
        people.add(document.rule.owner)
    people.discard(given.approver)
    _tell(people, document, text, f"verdict:{given.pk}")
    if document.state == Document.State.SUBMITTED:
        more = f"{given.approver} agreed to {named(document)}. A second person has to as well."
        _tell(deciders(document), document, more, f"second:{given.pk}")


def _tell(people: set[User] | list[User], document: Document, text: str, about: str) -> None:
    link = reverse("approval_detail", args=[document.pk])
    notices.notify(people, text, link, key=f"approval:{document.pk}:{about}", mail=True)
