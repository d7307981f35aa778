"""The audit trail: decisions and accesses, newest first; nobody changes it."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backoffice import chain, links, subjects, ui
from backoffice.actors import ActorKind
from backoffice.models import AuditEntry, User
from backoffice.money import Money
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, Text, yes_no

KINDS = [(kind.value, kind.value.capitalize()) for kind in ActorKind]


def entries(viewer: User) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.all()


def verb_options() -> list[tuple[str, str]]:
    """What has been recorded at all; read at most once a minute, since it scans the table."""

    def read() -> list[str]:
        return list(AuditEntry.objects.order_by("verb").values_list("verb", flat=True).distinct())

    verbs: list[str] = cache.get_or_set("audit-verbs", read, 60) or []
    return [(verb, words(verb)) for verb in verbs]


def found_by(text: str) -> Q:
    """A number is a record's, anything else the start of a name."""
    if text.isdecimal() and len(text) < 18:
        return Q(subject_id=int(text))
    return Q(actor_label__istartswith=text)


def words(verb: str) -> str:
    """`staff.role_changed` as `Staff: role changed`."""
    app, _, act = verb.partition(".")
    return f"{app.capitalize()}: {act.replace('_', ' ')}"


def who(entry: AuditEntry) -> SafeString:
    return format_html(
        '<span class="row">{}{}</span>', ui.actor_mark(entry.actor_kind), entry.actor_label
    )


def on(entry: AuditEntry) -> SafeString | str:
    """What it is about, by name where it has one."""
    link = getattr(entry, "named", None)
    if link is None:
        return what(entry)
    return ui.link(link.url, link.text) if link.url else link.text


def what(entry: AuditEntry) -> str:
    try:
        noun = subjects.get(entry.subject).noun
    except KeyError:
        noun = entry.subject.rpartition(".")[2].replace("_", " ")
    return f"{noun} {entry.subject_id or ''}".strip()


def _told(value: object) -> str:
    """A recorded value for reading: money as an amount, lists as words, hashes by their start."""
    if isinstance(value, dict) and set(value) == {"amount", "currency"}:
        return str(Money.from_json(value))
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return f"{value[:12]}…"
    return str(value)


def detail(entry: AuditEntry) -> str:
    """What was decided, short; the export has every value whole."""
    return "; ".join(
        f"{name.replace('_', ' ')}: {_told(value)}" for name, value in entry.detail.items()
    )


def whole_detail(entry: AuditEntry) -> str:
    return json.dumps(entry.detail, ensure_ascii=False)


def with_links(rows: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """The rows of a page, read, each with the name of what it is about."""
    rows = rows.select_related("link")
    named = links.resolve((row.subject, row.subject_id) for row in rows if row.subject_id)
    for row in rows:
        row.named = named.get((row.subject, row.subject_id or 0))  # type: ignore[attr-defined]
    return rows


def link_of(entry: AuditEntry) -> int | None:
    """The entry's place in the chain; None until it is sealed, seconds after it was written."""
    link = getattr(entry, "link", None)
    return link.position if link is not None else None


def digest_of(entry: AuditEntry) -> str:
    link = getattr(entry, "link", None)
    return link.sha256 if link is not None else ""


def short_digest(entry: AuditEntry) -> str:
    return digest_of(entry)[:12]


def standing(request: HttpRequest) -> dict[str, Any]:
    return {"trail": chain.standing()}


AUDIT = Workbench[AuditEntry](
    key="backoffice.audit",
    title="Audit log",
    noun="entry",
    nouns="entries",
    url_name="audit_list",
    permission="backoffice.view_auditentry",
    queryset=entries,
    row_label=lambda entry: f"entry {entry.pk}",
    columns=(
        Column(
            "at",
            "When",
            lambda entry: ui.moment(entry.at),
            sort="at",
            kind="time",
            export=lambda entry: entry.at,
        ),
        Column("who", "Who", who, sort="actor_label", export=lambda entry: entry.actor_label),
        Column(
            "verb",
            "What",
            lambda entry: words(entry.verb),
            sort="verb",
            export=lambda entry: entry.verb,
        ),
        Column("subject", "On", on, sort=("subject", "subject_id"), export=what),
        Column("detail", "Detail", detail, wide=True, export=whole_detail),
        Column("kind", "Kind of actor", "actor_kind", sort="actor_kind", default=False),
        Column("link", "Link", link_of, kind="number", default=False),
        Column("hash", "Hash", short_digest, kind="code", default=False, export=digest_of),
    ),
    filters=(
        Choice(key="verb", label="What", options=verb_options, pinned=True),
        Choice(key="kind", label="By", options=KINDS, field="actor_kind", pinned=True),
        Day(key="day", label="Day", field="at", pinned=True),
        yes_no("refused", "Refused", Q(verb__endswith=".refused")),
        Text(key="actor", label="Who", field="actor_label"),
        Text(key="on", label="On", field="subject", lookup="startswith"),
    ),
    search=found_by,
    search_hint="Filter by person or number",
    sort=("-at",),
    decorate=with_links,
    context=standing,
    template="backoffice/audit_list.html",
    views=(
        View("all", "All"),
        View("people", "People", "kind=person"),
        View("rules", "Rules", "kind=rule"),
        View("refused", "Refused", "refused=yes", empty="Nobody was refused anything."),
    ),
    empty=Empty("Nothing is recorded yet.", "Decisions and accesses appear here by themselves."),
)
