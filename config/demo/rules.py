"""Rules of the demonstration company: some in force, one that waits for finance, one draft.

Each went the way of every rule: made from a template, counted on the company's own history,
approved by a second person. What is there already stays as it is.
"""

from __future__ import annotations

import time

from automations.models.backtests import Backtest
from automations.models.documents import Document
from automations.models.rules import Rule
from automations.rules.library import RuleTemplate, rule_template
from automations.rules.parsing import read_document
from automations.services import approvals, backtests, rules
from automations.simulation.backtests import backtest_slice
from backoffice.actors import Actor, person
from backoffice.models import User
from backoffice.roles import FINANCE, OPERATIONS

IN_FORCE = (
    "fragile",
    "vip",
    "high-value-abroad",
    "late-shipment",
    "unanswered-ticket",
)
WAITING = ("refund-cancelled",)
DRAFTS = ("overstock",)
WHY = "As the desk agreed on Monday."
_PATIENCE_SECONDS = 60.0


def make_rules() -> None:
    """Make the rules, if there are people to write and to approve them."""
    author, approver = _someone(OPERATIONS), _someone(FINANCE)
    if author is None or approver is None:
        return
    for key in (*IN_FORCE, *WAITING, *DRAFTS):
        template = rule_template(key)
        if template is None or Rule.objects.filter(name=template.name).exists():
            continue
        rule = _draft(template, person(author))
        if key in DRAFTS:
            continue
        document = rules.submit_rule(rule.pk, revision=1, why=WHY, actor=person(author))
        _count(document, person(author))
        if key in IN_FORCE:
            approvals.approve(document.pk, sha256=document.sha256, actor=person(approver))


def _someone(role: str) -> User | None:
    return User.objects.filter(groups__name=role, is_active=True).order_by("pk").first()


def _draft(template: RuleTemplate, author: Actor) -> Rule:
    return rules.create_rule(
        name=template.name,
        domain=template.domain,
        body=template.body,
        purpose=template.purpose,
        fallback=template.fallback,
        actor=author,
    )


def _count(document: Document, author: Actor) -> None:
    """Count what the version would have done, as a worker does; nobody works here yet."""
    starts_on = read_document(document.text).trigger_key
    if starts_on is None or not backtests.has_history(starts_on):
        return
    job = backtests.ask_for_document(document, days=rules.EVIDENCE_DAYS, actor=author)
    until = time.monotonic() + _PATIENCE_SECONDS
    while job.state in Backtest.OPEN and time.monotonic() < until:
        backtest_slice(only=job.pk)
        job.refresh_from_db()
