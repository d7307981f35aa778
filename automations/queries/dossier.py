"""All an auditor asks of one rule, as sheets: who did what, when and why, and what proves it.

The CSV and the PDF are printed from the same sheets. Documents name connectors and never what opens
them, so no secret is in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, Sum
from django.db.models.functions import TruncMonth
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document, DocumentEditor, Stop
from automations.models.existing import ExistingRecords
from automations.models.failures import Failure
from automations.models.figures import RunHour
from automations.models.rules import DraftRevision, Rule
from automations.queries.dossier_trail import trail
from automations.queries.figures import counted_upto
from automations.queries.reviews import reviews_of, with_due
from automations.queries.sheets import Sheet, sheet, text
from automations.rules.canonical import content_hash
from automations.rules.differences import difference
from automations.rules.document import RuleDocument
from automations.rules.parsing import DocumentInvalid, read_document
from automations.rules.words import rule_in_words
from backoffice.models import User
from backoffice.role_grants import RoleGrant

# Of cases, the newest; the sheet says how many there are in all.
MOST_CASES = 10_000


@dataclass(frozen=True, slots=True)
class Dossier:
    """The sheets of one rule, and the signed text of each version by its number."""

    rule: Rule
    at: datetime
    sheets: list[Sheet]
    texts: dict[int, str] = field(default_factory=dict)
    words: str = ""

    @property
    def title(self) -> str:
        """What it is. What a sandbox says proves nothing of the live company."""
        kind = "Evidence of a sandbox" if settings.SANDBOX else "Evidence"
        return f"{kind}: {self.rule.name}"


def gather(rule: Rule, *, for_whom: User) -> Dossier:
    """Read all of it, as of now."""
    versions = list(
        Document.objects.filter(rule=rule)
        .select_related("author", "submitted_by")
        .order_by("version")
    )
    read = {each.version: _read(each) for each in versions}
    live = Activation.objects.in_force().filter(rule=rule).select_related("document").first()
    sheets = [
        _about(rule, live, for_whom),
        _versions(versions),
        _differences(versions, read),
        _approvals(versions),
        _periods(rule),
        _existing(rule),
        _stops(rule),
        _reviews(rule),
        _grants(rule, versions),
        _edits(rule),
        _runs(rule),
        _cases(rule),
        *trail(rule, versions),
    ]
    shown = read.get(live.document.version) if live else None
    words = rule_in_words(shown).whole if shown else ""
    return Dossier(
        rule, timezone.now(), sheets, {each.version: each.text for each in versions}, words
    )


def _read(document: Document) -> RuleDocument | None:
    try:
        return read_document(document.text)
    except DocumentInvalid:
        return None


def _who(user: User | None) -> str:
    """A person by name and user name: names are not unique, user names are."""
    return f"{user} ({user.username})" if user is not None else ""


# --- the sheets ---------------------------------------------------------------------------------


def _about(rule: Rule, live: Activation | None, for_whom: User) -> Sheet:
    due = with_due(Rule.objects.filter(pk=rule.pk)).values_list("due_on", flat=True).first()
    stopped = Stop.objects.filter(Q(rule=rule) | Q(rule=None), lane="", lifted_at=None).exists()
    rows = [
        ("Key", rule.slug),
        ("Name", rule.name),
        ("What it is for", rule.purpose),
        ("Domain", rule.get_domain_display()),
        ("Owner", _who(rule.owner)),
        ("If it can't run, people do this", rule.fallback),
        ("Made by", _who(rule.created_by)),
        ("Made at", rule.created_at),
        ("Retired at", rule.retired_at),
        ("Version in force", f"v{live.document.version}" if live else "none"),
        ("Hash of the version in force", live.document.sha256 if live else ""),
        ("In force since", live.from_at if live else None),
        ("Stopped", stopped),
        ("Review due", due),
        ("Exported by", _who(for_whom)),
        ("Exported at", timezone.now()),
    ]
    return sheet("rule", "The rule", ("What", "Value"), rows)


def _versions(versions: Sequence[Document]) -> Sheet:
    editors: dict[int, list[str]] = {}
    for editor in DocumentEditor.objects.filter(document__in=versions).select_related("user"):
        editors.setdefault(editor.document_id, []).append(_who(editor.user))
    rows = [
        (
            each.version,
            each.get_state_display(),
            each.why,
            each.risk,
            each.sha256,
            content_hash(each.text, each.pins, {}) == each.sha256,
            _who(each.author),
            _who(each.submitted_by),
            each.submitted_at,
            each.decided_at,
            "; ".join(sorted(editors.get(each.pk, []))),
            "; ".join(each.pins),
        )
        for each in versions
    ]
    columns = ("Version", "State", "Why", "Risk", "SHA-256", "Hash holds", "Author", "Submitted by")
    more = ("Submitted at", "Decided at", "Editors", "Depends on")
    note = "The hash is of the signed text (documents/v….json) and what it depends on, one a line."
    return sheet("versions", "Versions", (*columns, *more), rows, note)


def _differences(versions: Sequence[Document], read: dict[int, RuleDocument | None]) -> Sheet:
    rows: list[Sequence[Any]] = []
    before: RuleDocument | None = None
    for each in versions:
        now = read[each.version]
        if now is None:
            rows.append((each.version, "", "This version can't be told in words any more."))
            continue
        said = difference(before, now)
        rows += [(each.version, change.kind, change.whole) for change in said]
        if not said:
            rows.append((each.version, "", "It does the same as the version before."))
        before = now
    columns = ("Version", "Kind", "Difference from the version before")
    return sheet("differences", "Differences", columns, rows)


def _approvals(versions: Sequence[Document]) -> Sheet:
    found = Approval.objects.filter(document__in=versions).select_related("document", "approver")
    rows = [
        (
            each.document.version,
            each.get_verdict_display(),
            _who(each.approver),
            each.role,
            each.at,
            each.expires_at,
            each.sha256,
            each.sha256 == each.document.sha256,
            each.comment,
            each.evidence,
            each.existing,
        )
        for each in found.order_by("at", "pk")
    ]
    columns = ("Version", "Verdict", "By", "As", "At", "Valid until", "SHA-256", "Of this version")
    more = ("Comment", "Evidence that was shown", "Also for the records that were there")
    return sheet("approvals", "Approvals", (*columns, *more), rows)


def _periods(rule: Rule) -> Sheet:
    found = Activation.objects.filter(rule=rule).select_related(
        "document", "activated_by", "ended_by", "looked_by"
    )
    rows = [
        (
            each.document.version,
            each.get_mode_display(),
            each.from_at,
            each.until_at,
            _who(each.activated_by),
            _who(each.ended_by),
            each.first_look,
            _who(each.looked_by),
            each.looked_at,
        )
        for each in found.order_by("from_at", "pk")
    ]
    columns = ("Version", "How", "From", "Until", "Put in force by", "Ended by", "First look asked")
    more = ("First look by", "First look at")
    return sheet("periods", "In force", (*columns, *more), rows)


def _existing(rule: Rule) -> Sheet:
    found = ExistingRecords.objects.filter(rule=rule).select_related("document")
    rows = [
        (
            each.document.version,
            each.from_at,
            each.get_state_display(),
            each.says,
            each.examined,
            each.events,
            each.finished_at,
        )
        for each in found.order_by("pk")
    ]
    columns = ("Version", "As of", "State", "Why", "Records gone through", "Started", "Ended at")
    note = "Versions that were approved for the records that were there when they went live, too."
    return sheet("existing", "Records that were there", columns, rows, note)


def _stops(rule: Rule) -> Sheet:
    found = Stop.objects.filter(rule=rule).select_related("stopped_by", "asked_by", "lifted_by")
    rows = [
        (
            each.stopped_at,
            _who(each.stopped_by),
            each.reason,
            each.asked_at,
            _who(each.asked_by),
            each.lifted_at,
            _who(each.lifted_by),
        )
        for each in found.order_by("stopped_at", "pk")
    ]
    columns = ("Stopped at", "By", "Why", "Start asked at", "By", "Started again at", "Agreed by")
    return sheet("stops", "Stops", columns, rows)


def _reviews(rule: Rule) -> Sheet:
    rows = [
        (
            each.at,
            each.get_verdict_display(),
            _who(each.reviewer),
            each.role,
            each.document.version,
            each.sha256,
            each.note,
            each.next_on,
            each.figures,
        )
        for each in reviews_of(rule).order_by("at", "pk")
    ]
    columns = (
        "At",
        "Verdict",
        "By",
        "As",
        "Version",
        "SHA-256",
        "Note",
        "Next on",
        "Figures shown",
    )
    return sheet("reviews", "Reviews", columns, rows)


def _grants(rule: Rule, versions: Sequence[Document]) -> Sheet:
    """How everyone who decided on this rule came by a role."""
    deciders = {
        *Approval.objects.filter(document__in=versions).values_list("approver_id", flat=True),
        *reviews_of(rule).values_list("reviewer_id", flat=True),
        *Stop.objects.filter(rule=rule).values_list("lifted_by_id", flat=True),
    }
    found = RoleGrant.objects.filter(user__in=deciders - {None}).select_related(
        "user", "asked_by", "decided_by"
    )
    rows = [
        (
            _who(each.user),
            each.role,
            each.get_state_display(),
            _who(each.asked_by) or "the owner of the database",
            each.asked_at,
            _who(each.decided_by),
            each.decided_at,
            each.ended_at,
            each.why,
        )
        for each in found.order_by("user__username", "asked_at", "pk")
    ]
    columns = (
        "Person",
        "Role",
        "State",
        "Asked by",
        "Asked at",
        "Agreed by",
        "Agreed at",
        "Ended at",
    )
    note = "Of everyone who approved, reviewed or started this rule again."
    return sheet("grants", "Roles of those who decided", (*columns, "Why"), rows, note)


def _edits(rule: Rule) -> Sheet:
    found = DraftRevision.objects.filter(rule=rule).select_related("editor", "restores")
    rows = [
        (
            each.number,
            _who(each.editor),
            each.at,
            each.note,
            f"v{each.restores.version}" if each.restores else "",
        )
        for each in found.defer("body").order_by("number")
    ]
    columns = ("Edit", "By", "At", "Note", "Brought back")
    return sheet("edits", "Edits of the draft", columns, rows)


def _runs(rule: Rule) -> Sheet:
    months = RunHour.objects.filter(rule_id=rule.pk).annotate(month=TruncMonth("hour", tzinfo=UTC))
    found = months.order_by("month", "state").values("month", "state").annotate(n=Sum("runs"))
    rows = [(f"{row['month']:%Y-%m}", row["state"], row["n"]) for row in found]
    note = f"Runs that ended, by month in UTC, counted up to {text(counted_upto())}."
    return sheet("runs", "Runs", ("Month", "How they ended", "Runs"), rows, note)


def _cases(rule: Rule) -> Sheet:
    found = Failure.objects.filter(rule=rule).select_related("owner", "resolved_by")
    total = found.count()
    rows = [
        (
            each.pk,
            each.opened_at,
            each.get_error_display(),
            each.cause_words,
            each.get_state_display(),
            each.get_resolution_display(),
            _who(each.resolved_by),
            each.resolved_at,
            _who(each.owner),
            each.at_stake,
            each.at_stake_currency,
        )
        for each in found.order_by("-opened_at", "-pk")[:MOST_CASES]
    ]
    columns = ("Case", "Opened at", "What", "Cause", "State", "Solved as", "Solved by", "Solved at")
    note = f"The newest {MOST_CASES:,} of {total:,}." if total > MOST_CASES else ""
    return sheet("cases", "Cases", (*columns, "Owner", "At stake", "Currency"), rows, note)
