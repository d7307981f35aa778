"""What a sandbox kept back: the mails that would have left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from backoffice import links, ui
from backoffice.caught_mail import CaughtMail
from backoffice.models import User
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no

PERMISSION = "backoffice.view_caughtmail"
RUN, RULE = "automations.run", "automations.rule"


def caught(user: User) -> QuerySet[CaughtMail]:
    return CaughtMail.objects.all()


def named(rows: QuerySet[CaughtMail]) -> QuerySet[CaughtMail]:
    """Give each its run and its rule, by name where they have one."""
    tell(list(rows))
    return rows


def tell(mails: Sequence[CaughtMail]) -> None:
    wanted = [(RUN, mail.run_id) for mail in mails] + [(RULE, mail.rule_id) for mail in mails]
    found = links.resolve((label, pk) for label, pk in wanted if pk is not None)
    for mail in mails:
        known: Any = mail
        known.run = found.get((RUN, mail.run_id or 0))
        known.rule = found.get((RULE, mail.rule_id or 0))


def linked(mail: CaughtMail, what: str) -> SafeString | str:
    link = getattr(mail, what, None)
    return ui.link(link.url, link.text) if link is not None else ui.NONE


def written(mail: CaughtMail, what: str) -> str:
    link = getattr(mail, what, None)
    return str(link.text) if link is not None else ""


MAILS = Workbench[CaughtMail](
    key="backoffice.caughtmail",
    title="Caught mail",
    noun="mail",
    url_name="caughtmail_list",
    permission=PERMISSION,
    queryset=caught,
    decorate=named,
    row_label=lambda mail: mail.subject,
    row_url=lambda mail: reverse("caughtmail_detail", args=[mail.pk]),
    columns=(
        Column("at", "Caught", "at", sort="pk", kind="time"),
        Column("subject", "Subject", main=True, wide=True),
        Column("to", "To", "to"),
        Column("kind", "What it is", lambda mail: mail.get_kind_display()),
        Column("by", "Sent by", "by"),
        Column(
            "run", "Run", lambda mail: linked(mail, "run"), export=lambda mail: written(mail, "run")
        ),
        Column(
            "rule",
            "Rule",
            lambda mail: linked(mail, "rule"),
            export=lambda mail: written(mail, "rule"),
        ),
    ),
    filters=(
        Choice(key="kind", label="What it is", options=CaughtMail.Kind.choices, pinned=True),
        Day(key="at", label="Caught"),
        yes_no("by_rule", "By a rule", ~Q(rule_id=None)),
    ),
    search=("subject__icontains", "to__icontains"),
    search_hint="Subject or address",
    sort=("-pk",),
    views=(View("all", "All"), View("rules", "By a rule", "by_rule=yes")),
    empty=Empty(
        "No mail was caught.",
        "What a sandbox would have mailed stands here for 30 days. Outside a sandbox mail leaves.",
    ),
)


@permission_required(PERMISSION, raise_exception=True)
@require_GET
def caughtmail_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One mail as it would have arrived, and who had it written."""
    mail = get_object_or_404(CaughtMail, pk=pk)
    tell([mail])
    return render(request, "backoffice/caughtmail_detail.html", {"mail": mail})
